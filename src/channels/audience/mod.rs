//! Ad audiences: a generic upsert over HTTPS with hashed identifiers.
//!
//! `POST url` with `{"id", "audience", "action": "add"|"remove", "members": [{"email": sha256, "phone": sha256}]}`.
//! Values are normalised as the ad platforms ask (trimmed, lower case; phones as E.164 digits with `+`) and then
//! hashed: SHA-256, hexadecimal. The effect's id is the `Idempotency-Key`, so that a repeat is no second change.

use std::collections::BTreeMap;

use reqwest::Client;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::engine::{Effect, EffectBody};
use crate::workspace::config::Limits;
use crate::workspace::config::{AudienceConfig, Secret};

use super::guard::check_url;
use super::{Outcome, request};

/// One ad platform.
pub struct Audience {
    client: Client,
    url: url::Url,
    token: Option<Secret>,
    at_once: usize,
    limits: Limits,
}

impl std::fmt::Debug for Audience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audience").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Audience {
    /// # Errors
    /// The settings cannot be used; says why.
    pub fn new(config: &AudienceConfig) -> Result<Self, String> {
        Ok(Self {
            client: request::client(config.allow_private_network)?,
            url: check_url(&config.url, config.allow_private_network)?,
            token: config.token.clone(),
            at_once: config.requests_at_once.max(1),
            limits: config.limits,
        })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }

    /// Tells the platform of one change.
    pub async fn perform(&self, effect: &Effect, attempts: u32) -> Outcome {
        let EffectBody::Audience { audience, add, identifiers, .. } = &effect.body else {
            return Outcome::Failed { reason: "not an audience update".to_owned() };
        };
        let member: BTreeMap<&str, String> =
            identifiers.iter().map(|(name, value)| (name.as_str(), hashed(name, value))).collect();
        let body = json!({
            "id": effect.id,
            "audience": audience,
            "action": if *add { "add" } else { "remove" },
            "members": [member],
        });
        let mut call = self.client.post(self.url.clone()).header("Idempotency-Key", effect.id.to_string()).json(&body);
        if let Some(token) = &self.token {
            call = call.bearer_auth(token.reveal());
        }
        request::call(call, effect, attempts).await
    }
}

/// SHA-256 in hexadecimal of the normalised value.
#[must_use]
pub fn hashed(name: &str, value: &str) -> String {
    let normal = if name.contains("phone") {
        let digits: String = value.chars().filter(char::is_ascii_digit).collect();
        format!("+{digits}")
    } else {
        value.trim().to_lowercase()
    };
    Sha256::digest(normal.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_have_one_hash() {
        // `printf 'ada@example.com' | sha256sum`
        let known = "b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72";
        assert_eq!(hashed("email", " Ada@Example.COM "), hashed("email", "ada@example.com"));
        assert_eq!(hashed("email", "ada@example.com"), known);
        assert_eq!(hashed("phone", "+44 20 7946 0018"), hashed("phone", "+442079460018"));
        assert_ne!(hashed("phone", "+442079460018"), hashed("email", "+442079460019"));
    }
}
