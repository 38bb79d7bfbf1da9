//! What became of an effect, as an event of the platform. Pure.

use crate::engine::{Effect, EffectBody};
use crate::model::platform_event::{
    AUDIENCE_DROPPED, AUDIENCE_FAILED, AUDIENCE_SUPPRESSED, AUDIENCE_SYNCED, EMAIL_FAILED, EMAIL_SENT,
    EMAIL_SUPPRESSED, EMAIL_UNKNOWN, WEBHOOK_FAILED, WEBHOOK_SENT, WEBHOOK_UNKNOWN,
};
use crate::model::value::ValueMap;
use crate::model::{Event, Timestamp, Value};

use super::outbox::OutboxStatus;

/// The property that tells why it did not go well.
pub const REASON: &str = "reason";

/// The event that tells of an effect's standing. It counts once, however often it is told.
#[must_use]
pub fn event_of(effect: &Effect, status: OutboxStatus, reason: Option<String>, now: Timestamp) -> Event {
    let mut properties = ValueMap::new();
    let mut say = |name: &str, value: String| properties.insert(name.to_owned(), Value::Text(value));
    say("effect_id", effect.id.to_string());
    say("channel", effect.body.kind().to_owned());
    if let Some(origin) = &effect.origin {
        say("journey", origin.journey.clone());
        say("run_id", origin.run.to_string());
        say("step", origin.step.clone());
    }
    if let Some(reason) = reason {
        say(REASON, reason);
    }
    if let EffectBody::Email { template, .. } = &effect.body {
        say("template", template.clone());
    }
    // An outcome is told once, however often telling it was tried.
    let message_id = format!("{}:{}", effect.id, status.as_str());
    Event::of_platform(name(&effect.body, status), message_id, now, properties)
}

fn name(body: &EffectBody, status: OutboxStatus) -> &'static str {
    use OutboxStatus::{Dropped, Expired, Sent, Suppressed, Unknown};
    match (body, status) {
        (EffectBody::Email { .. }, Sent) => EMAIL_SENT,
        (EffectBody::Email { .. }, Suppressed | Expired) => EMAIL_SUPPRESSED,
        (EffectBody::Email { .. }, Unknown) => EMAIL_UNKNOWN,
        (EffectBody::Email { .. }, _) => EMAIL_FAILED,
        (EffectBody::Webhook { .. }, Sent) => WEBHOOK_SENT,
        (EffectBody::Webhook { .. }, Unknown) => WEBHOOK_UNKNOWN,
        (EffectBody::Webhook { .. }, _) => WEBHOOK_FAILED,
        (EffectBody::Audience { .. }, Sent) => AUDIENCE_SYNCED,
        (EffectBody::Audience { .. }, Suppressed | Expired) => AUDIENCE_SUPPRESSED,
        (EffectBody::Audience { .. }, Dropped) => AUDIENCE_DROPPED,
        (EffectBody::Audience { .. }, _) => AUDIENCE_FAILED,
    }
}
