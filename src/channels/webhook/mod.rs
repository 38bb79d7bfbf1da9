//! Webhooks, signed by the Standard Webhooks scheme (<https://www.standardwebhooks.com>).

pub mod catcher;
mod sign;

pub use sign::{SigningKey, verify};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::engine::{Effect, EffectBody};
use crate::workspace::config::{Limits, WebhookConfig};

use super::Outcome;
use super::request::{self, Endpoint};
use super::template::render_tree;

/// One endpoint.
pub struct Webhook {
    endpoint: Endpoint,
    key: SigningKey,
    headers: HeaderMap,
    at_once: usize,
    limits: Limits,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("host", &self.endpoint.host()).finish_non_exhaustive()
    }
}

impl Webhook {
    /// # Errors
    /// The settings cannot be used; says why.
    pub fn new(config: &WebhookConfig) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let header = HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is no header name"))?;
            let mut value = HeaderValue::try_from(value.reveal())
                .map_err(|_| format!("the value of the header `{name}` cannot be sent"))?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        Ok(Self {
            endpoint: Endpoint::new(&config.url, config.allow_private_network)?,
            key: SigningKey::parse(config.secret.reveal())?,
            headers,
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

    /// Calls the endpoint once. `webhook-id` is the effect's id, the same over all tries.
    pub async fn perform(&self, effect: &Effect, attempts: u32) -> Outcome {
        let EffectBody::Webhook { body, variables } = &effect.body else {
            return Outcome::Failed { reason: "not a webhook".to_owned() };
        };
        let name = effect.origin.as_ref().map_or("webhook", |origin| origin.step.as_str());
        let body = match render_tree(name, body, variables) {
            Ok(body) => serde_json::to_string(&body).unwrap_or_default(),
            Err(reason) => return Outcome::Failed { reason },
        };
        let id = effect.id.to_string();
        // The scheme's time is the sender's clock at the try, for the receiver's window of tolerance.
        let timestamp = chrono::Utc::now().timestamp();
        let request = self
            .endpoint
            .post()
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", self.key.sign(&id, timestamp, &body))
            .body(body);
        request::call(request, effect, attempts).await
    }
}
