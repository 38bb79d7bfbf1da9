//! Consent: what a person said last, and whether it allows something.

use std::borrow::Cow;

use crate::lang::rules::{MessageClass, Purpose, Topic};
use crate::model::platform_event::{CONSENT_GIVEN, CONSENT_WITHDRAWN, SUBSCRIBED, UNSUBSCRIBED};
use crate::model::value::ValueMap;
use crate::model::{ConsentChange, ConsentKey, ConsentState, Moment};

use super::profile::{Consent, Profile};
use super::transition::{Cause, Lifted};
use super::turn::{Happening, Turn};

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
    /// Takes in a word that came as an entry of its own; false where it was taken before. To rules and journeys it is the
    /// event by which a source would have told the same.
    pub(super) fn take_consent(&mut self, change: &ConsentChange) -> bool {
        if !self.profile.seen.is_first(&change.id, self.now) {
            self.lift(change.key.clone());
            return false;
        }
        self.out.recorded = true;
        self.note_consent(change.key.clone(), change.state);
        let (name, properties, moment) = (change.name(), Cow::Owned(change.event().properties), self.moment);
        self.happen(Happening { name, properties, moment, is_activity: false, segment: None });
        true
    }

    /// Notes what the person said: the word that was received last holds, whatever clock it was said by. But a yes that comes
    /// late, of an import or a device that was away, is as old as it says, and takes no later withdrawal back.
    pub(super) fn note_consent(&mut self, key: ConsentKey, state: ConsentState) {
        match &key {
            ConsentKey::Topic { .. } => {}
            ConsentKey::Purpose(purpose) => self.mirror_purpose(purpose),
            ConsentKey::Everything => self.mirror_all(),
        }
        let is_old = state == ConsentState::Given && self.cause == Cause::Late;
        let moment = if is_old { self.moment } else { Moment { at: self.now, ..self.moment } };
        set_consent(&mut self.profile.consents, Consent { key: key.clone(), state, moment });
        self.lift(key);
        let program = self.program;
        for segment in &program.rules.readers.segments_of_consent {
            self.dirty(*segment);
        }
    }

    /// Tells the door of the channels that the person's word on a matter is yes, where it is. Each withdrawal is a denial
    /// there from the moment it is in the journal, be it a repeat of one that was taken back since.
    pub(super) fn lift(&mut self, key: ConsentKey) {
        if self.profile.consent(&key) == Some(ConsentState::Given) {
            self.out.lifted.push(Lifted { key, up_to: self.moment.offset });
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
    !is_suppressed(profile) && allows(profile, &key, needs_yes)
}

/// Whether the person may be treated as the purpose says.
#[must_use]
pub fn purpose_allows(profile: &Profile, purpose: &Purpose) -> bool {
    !is_suppressed(profile) && allows(profile, &ConsentKey::Purpose(purpose.name.clone()), purpose.opt_in)
}

/// Whether the person is to get nothing at all.
#[must_use]
pub fn is_suppressed(profile: &Profile) -> bool {
    profile.consent(&ConsentKey::Everything) == Some(ConsentState::Withdrawn)
}

fn allows(profile: &Profile, key: &ConsentKey, needs_yes: bool) -> bool {
    match profile.consent(key) {
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
