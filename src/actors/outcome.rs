//! What became of an effect, as an event of the platform and a change of the outbox: both go into one append. Pure.

use crate::channels::Outcome;
use crate::engine::{Effect, EffectBody};
use crate::lang::rules::MessageClass;
use crate::model::text::{REASON_CHARS, storable};
use crate::model::{Span, Timestamp};
use crate::store::outbox::{OutboxStatus, OutboxUpdate};
use crate::store::outcome::{REASON, event_of};

use super::group::Request;

/// A message that may be repeated (same `Message-ID`) is tried again this long after the far side fell silent.
const SILENCE: Span = Span::MINUTE;
/// Tries after which a silent far side is given up.
const SILENT_TRIES: u32 = 5;

/// What to make durable after a try. A try that is to be repeated changes the outbox only.
pub(super) fn of_try(effect: &Effect, outcome: Outcome, attempts: u32, now: Timestamp) -> Request {
    let update = |status, not_before, detail: &str| {
        // Whatever the far side said.
        let detail = Some(storable(detail, REASON_CHARS));
        OutboxUpdate { effect: effect.id, status, not_before, detail, at: now }
    };
    let over = |status, reason: &str| {
        let update = update(status, None, reason);
        let reason = update.detail.clone();
        told(effect, update, reason)
    };
    match outcome {
        Outcome::Sent { detail } => told(effect, update(OutboxStatus::Sent, None, &detail), None),
        Outcome::Failed { reason } => over(OutboxStatus::Failed, &reason),
        Outcome::RetryAt { after, reason, contact: _ } => {
            silent(update(OutboxStatus::Ready, Some(now + after), &reason))
        }
        Outcome::Unknown { reason } if may_repeat(effect) && attempts < SILENT_TRIES => {
            silent(update(OutboxStatus::Ready, Some(now + SILENCE), &reason))
        }
        Outcome::Unknown { reason } => over(OutboxStatus::Unknown, &reason),
    }
}

/// Consent was withdrawn after the decision.
pub(super) fn suppressed(effect: &Effect, now: Timestamp) -> Request {
    at_the_door(effect, OutboxStatus::Suppressed, "consent_withdrawn", now)
}

/// It could not leave in time.
pub(super) fn expired(effect: &Effect, now: Timestamp) -> Request {
    at_the_door(effect, OutboxStatus::Expired, "expired", now)
}

/// It cannot be read any more.
pub(super) fn damaged(effect: &Effect, why: &str, now: Timestamp) -> Request {
    at_the_door(effect, OutboxStatus::Failed, &format!("what the database holds of it cannot be read: {why}"), now)
}

/// The process died while this was under way. Where the far side recognises a repeat it is tried again.
pub(super) fn of_interrupted(effect: &Effect, now: Timestamp) -> Request {
    let reason = "the server stopped while it was being sent".to_owned();
    let status = if may_repeat(effect) { OutboxStatus::Ready } else { OutboxStatus::Unknown };
    let update = OutboxUpdate { effect: effect.id, status, not_before: None, detail: Some(reason.clone()), at: now };
    match status {
        OutboxStatus::Ready => silent(update),
        _ => told(effect, update, Some(reason)),
    }
}

/// It was marked as taken by a claim whose answer never came: nobody has begun with it.
pub(super) fn of_lost_claim(effect: &Effect, now: Timestamp) -> Request {
    let status = OutboxStatus::Ready;
    silent(OutboxUpdate { effect: effect.id, status, not_before: None, detail: None, at: now })
}

/// The same without its texts, where the store refused them: what became of an effect must be known all the same.
/// `None` where it has none.
pub(super) fn without_texts(request: Request) -> Option<Request> {
    let Request::Platform { mut events, mut outbox } = request else { return None };
    let has_text = |update: &OutboxUpdate| update.detail.is_some();
    if !outbox.iter().any(has_text) {
        return None;
    }
    outbox.iter_mut().for_each(|update| update.detail = None);
    events.iter_mut().for_each(|(_, event)| drop(event.properties.remove(REASON)));
    Some(Request::Platform { events, outbox })
}

/// Whether a second arrival does no harm: hooks and audiences know an effect by its id, and a transactional message is
/// worth a possible double (same `Message-ID`).
fn may_repeat(effect: &Effect) -> bool {
    match effect.body {
        EffectBody::Email { .. } => {
            effect.consent.as_ref().is_none_or(|consent| consent.class == MessageClass::Transactional)
        }
        EffectBody::Webhook { .. } | EffectBody::Audience { .. } => true,
    }
}

fn at_the_door(effect: &Effect, status: OutboxStatus, reason: &str, now: Timestamp) -> Request {
    let update = OutboxUpdate { effect: effect.id, status, not_before: None, detail: Some(reason.to_owned()), at: now };
    told(effect, update, Some(reason.to_owned()))
}

fn silent(update: OutboxUpdate) -> Request {
    Request::Platform { events: Vec::new(), outbox: vec![update] }
}

fn told(effect: &Effect, update: OutboxUpdate, reason: Option<String>) -> Request {
    let event = event_of(effect, update.status, reason, update.at);
    Request::Platform { events: vec![(effect.profile, event)], outbox: vec![update] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::breaker::Contact;
    use crate::engine::transition::EffectConsent;
    use crate::model::platform_event::{EMAIL_SENT, EMAIL_UNKNOWN};
    use crate::model::value::ValueMap;
    use crate::model::{ConsentKey, EffectId, ProfileId};

    fn mail(class: MessageClass) -> Effect {
        let key = ConsentKey::Topic { topic: "newsletter".to_owned(), channel: "email".to_owned() };
        Effect {
            id: EffectId(7),
            profile: ProfileId(1),
            destination: "email".to_owned(),
            origin: None,
            consent: Some(EffectConsent { key, class }),
            decided_at: Timestamp(0),
            expires_at: None,
            body: EffectBody::Email {
                to: "ada@example.com".to_owned(),
                template: "hello".to_owned(),
                subject: "Hello".to_owned(),
                variables: ValueMap::new(),
            },
        }
    }

    fn parts(request: Request) -> (Vec<String>, OutboxStatus) {
        let Request::Platform { events, outbox } = request else { panic!("an outcome is a platform request") };
        (events.into_iter().map(|(_, event)| event.name).collect(), outbox[0].status)
    }

    #[test]
    fn an_interrupted_marketing_mail_is_not_sent_twice() {
        let marketing = parts(of_interrupted(&mail(MessageClass::Marketing), Timestamp(9)));
        assert_eq!(marketing, (vec![EMAIL_UNKNOWN.to_owned()], OutboxStatus::Unknown));
        let transactional = parts(of_interrupted(&mail(MessageClass::Transactional), Timestamp(9)));
        assert_eq!(transactional, (Vec::new(), OutboxStatus::Ready));
    }

    #[test]
    fn a_try_that_is_repeated_tells_nothing() {
        let again = Outcome::RetryAt { after: Span::SECOND, reason: "busy".to_owned(), contact: Contact::Answered };
        assert_eq!(
            parts(of_try(&mail(MessageClass::Marketing), again, 0, Timestamp(9))),
            (Vec::new(), OutboxStatus::Ready)
        );
        let sent = Outcome::Sent { detail: String::new() };
        let told = parts(of_try(&mail(MessageClass::Marketing), sent, 0, Timestamp(9)));
        assert_eq!(told, (vec![EMAIL_SENT.to_owned()], OutboxStatus::Sent));
    }
}
