//! Consent: what a person said last, and whether it allows something.

use crate::lang::rules::{MessageClass, Topic};
use crate::model::platform_event::{CONSENT_GIVEN, CONSENT_WITHDRAWN, SUBSCRIBED, UNSUBSCRIBED};
use crate::model::value::ValueMap;
use crate::model::{ConsentKey, ConsentState, Moment};

use super::profile::{Consent, Profile};
use super::turn::Turn;

/// What an event of this name says about consent: the matter and the person's word, or nothing.
/// A topic without a channel is about e-mail.
#[must_use]
pub fn consent_of_event(name: &str, properties: &ValueMap) -> Option<(ConsentKey, ConsentState)> {
    let text = |property: &str| properties.get(property).and_then(|value| value.as_text());
    let state = match name {
        SUBSCRIBED | CONSENT_GIVEN => ConsentState::Given,
        UNSUBSCRIBED | CONSENT_WITHDRAWN => ConsentState::Withdrawn,
        _ => return None,
    };
    let key = match name {
        SUBSCRIBED | UNSUBSCRIBED => ConsentKey::Topic {
            topic: text("topic")?.to_owned(),
            channel: text("channel").unwrap_or("email").to_owned(),
        },
        _ => ConsentKey::Purpose(text("purpose")?.to_owned()),
    };
    Some((key, state))
}

impl Turn<'_> {
    /// Notes what the person said. What they said later wins, whenever we hear of it.
    pub(super) fn note_consent(&mut self, name: &str, properties: &ValueMap) {
        let Some((key, state)) = consent_of_event(name, properties) else { return };
        let moment = self.moment;
        set_consent(&mut self.profile.consents, Consent { key: key.clone(), state, moment });
        let program = self.program;
        for segment in &program.rules.readers.segments_of_consent {
            self.dirty(*segment);
        }
        if let ConsentKey::Purpose(purpose) = &key {
            self.mirror_purpose(purpose);
        }
    }
}

/// Puts a word in its place among those already said, kept in order of their matter.
pub(super) fn set_consent(consents: &mut Vec<Consent>, said: Consent) {
    match consents.binary_search_by(|kept| kept.key.cmp(&said.key)) {
        Ok(index) if consents[index].moment <= said.moment => consents[index] = said,
        Ok(_) => {}
        Err(index) => consents.insert(index, said),
    }
}

/// Whether a message of the topic may be sent on the channel.
#[must_use]
pub fn topic_allows(profile: &Profile, topic: &Topic, channel: &str) -> bool {
    let key = ConsentKey::Topic { topic: topic.name.clone(), channel: channel.to_owned() };
    let needs_yes = topic.opt_in && topic.class == MessageClass::Marketing;
    match profile.consent(&key) {
        Some(ConsentState::Given) => true,
        Some(ConsentState::Withdrawn) => false,
        None => !needs_yes,
    }
}

/// The stricter of two words on one matter: a withdrawal wins, whichever came last.
pub(super) fn stricter(a: &Consent, b: &Consent) -> Consent {
    let state = if a.state == ConsentState::Withdrawn || b.state == ConsentState::Withdrawn {
        ConsentState::Withdrawn
    } else {
        ConsentState::Given
    };
    let moment: Moment = a.moment.max(b.moment);
    Consent { key: a.key.clone(), state, moment }
}
