//! What one effect becomes on the wire: one folder a channel. Nothing here decides whether to send.

pub mod audience;
pub mod backoff;
pub mod email;
pub mod guard;
mod request;
pub mod template;
pub mod webhook;

use std::sync::Arc;

use crate::engine::{Effect, EffectBody};
use crate::model::Span;
use crate::privacy::links::Signer;
use crate::workspace::{ChannelConfig, Config, Program};

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The far side took it; `detail` is its word.
    Sent { detail: String },
    /// It will never be taken.
    Failed { reason: String },
    /// It was not taken, and may be later.
    RetryAt { after: Span, reason: String },
    /// The far side fell silent after it had everything.
    Unknown { reason: String },
}

/// A way into the world, ready to carry effects.
#[derive(Debug)]
pub enum Channel {
    Email(email::Email),
    Webhook(webhook::Webhook),
    Audience(audience::Audience),
}

impl Channel {
    /// The channel of this name in `tidewater.yaml`.
    ///
    /// # Errors
    /// There is none of this name, or its settings cannot be used.
    pub fn from_config(name: &str, config: &Config, links: Arc<Signer>) -> Result<Self, String> {
        match config.channels.get(name) {
            Some(ChannelConfig::Email(email)) => Ok(Self::Email(email::Email::new(email, links)?)),
            Some(ChannelConfig::Webhook(webhook)) => Ok(Self::Webhook(webhook::Webhook::new(webhook)?)),
            Some(ChannelConfig::Audience(audience)) => Ok(Self::Audience(audience::Audience::new(audience)?)),
            None => Err(format!("`tidewater.yaml` has no channel `{name}`")),
        }
    }

    /// Performs an effect once. `attempts` tells how often it was tried before.
    pub async fn perform(&self, effect: &Effect, attempts: u32, program: &Program) -> Outcome {
        match (self, &effect.body) {
            (Self::Email(channel), EffectBody::Email { .. }) => channel.perform(effect, attempts, program).await,
            (Self::Webhook(channel), EffectBody::Webhook { .. }) => channel.perform(effect, attempts).await,
            (Self::Audience(channel), EffectBody::Audience { .. }) => channel.perform(effect, attempts).await,
            _ => Outcome::Failed {
                reason: format!("the channel `{}` carries no {}", effect.destination, effect.body.kind()),
            },
        }
    }

    /// How many effects it carries at once.
    #[must_use]
    pub fn at_once(&self) -> usize {
        match self {
            Self::Email(channel) => channel.at_once(),
            Self::Webhook(channel) => channel.at_once(),
            Self::Audience(channel) => channel.at_once(),
        }
    }
}

/// Another try later, or the end of trying.
fn again(effect: &Effect, attempts: u32, reason: String) -> Outcome {
    match backoff::backoff(attempts, effect.id) {
        Some(after) => Outcome::RetryAt { after, reason },
        None => Outcome::Failed { reason: format!("given up after {} tries: {reason}", attempts + 1) },
    }
}
