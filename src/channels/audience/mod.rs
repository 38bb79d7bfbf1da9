//! Ad audiences: a generic upsert over HTTPS with hashed identifiers.
//!
//! `POST url` with `{"id", "audience", "action": "add"|"remove", "members": [{"email": sha256, "phone": sha256}]}`.
//! Values are normalised as the ad platforms ask (trimmed, lower case; phones as E.164 digits with `+`) and then
//! hashed: SHA-256, hexadecimal. The effect's id is the `Idempotency-Key`, so that a repeat is no second change.

use std::collections::BTreeMap;

use serde_json::json;

use crate::engine::{Effect, EffectBody};
use crate::model::audience_hash::hashed;
use crate::workspace::config::Limits;
use crate::workspace::config::{AudienceConfig, Secret};

use super::Outcome;
use super::request::{self, Endpoint};

/// One ad platform.
pub struct Audience {
    endpoint: Endpoint,
    token: Option<Secret>,
    at_once: usize,
    limits: Limits,
}

impl std::fmt::Debug for Audience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audience").field("host", &self.endpoint.host()).finish_non_exhaustive()
    }
}

impl Audience {
    /// # Errors
    /// The settings cannot be used; says why.
    pub fn new(config: &AudienceConfig) -> Result<Self, String> {
        Ok(Self {
            endpoint: Endpoint::new(&config.url, config.allow_private_network)?,
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
        let mut call = self.endpoint.post().header("Idempotency-Key", effect.id.to_string()).json(&body);
        if let Some(token) = &self.token {
            call = call.bearer_auth(token.reveal());
        }
        request::call(call, effect, attempts).await
    }
}
