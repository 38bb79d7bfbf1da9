//! What one effect becomes on the wire: one folder a channel. Nothing here decides whether to send.

pub mod audience;
pub mod backoff;
pub mod breaker;
mod catcher;
pub mod email;
pub mod guard;
pub mod limits;
mod request;
pub mod template;
pub mod webhook;

use std::sync::Arc;

use crate::engine::{Effect, EffectBody};
use crate::model::Span;
use crate::privacy::links::Signer;
use crate::workspace::config::Limits;
use crate::workspace::{ChannelConfig, Config, Program};

use breaker::Contact;

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The far side took it; `detail` is its word.
    Sent { detail: String },
    /// It will never be taken.
    Failed { reason: String },
    /// It was not taken, and may be later.
    RetryAt { after: Span, reason: String, contact: Contact },
    /// The far side fell silent after it had everything.
    Unknown { reason: String },
}

impl Outcome {
    /// What it tells of the far side. A try that was given up was not the first to tell.
    #[must_use]
    pub fn contact(&self) -> Contact {
        match self {
            Self::Sent { .. } | Self::Failed { .. } => Contact::Answered,
            Self::RetryAt { contact, .. } => *contact,
            Self::Unknown { .. } => Contact::Silent,
        }
    }
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

    /// How fast it may go.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        match self {
            Self::Email(channel) => channel.limits(),
            Self::Webhook(channel) => channel.limits(),
            Self::Audience(channel) => channel.limits(),
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
fn again(effect: &Effect, attempts: u32, reason: String, contact: Contact) -> Outcome {
    match backoff::backoff(attempts, effect.id) {
        Some(after) => Outcome::RetryAt { after, reason, contact },
        None => Outcome::Failed { reason: format!("given up after {} tries: {reason}", attempts + 1) },
    }
}
