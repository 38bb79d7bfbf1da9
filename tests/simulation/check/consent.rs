//! What people refused does not leave, and in the end the door of the channels knows what the profiles know.

use std::collections::BTreeMap;

use tidewater::engine::{Effect, EffectBody, consent_of_event, snapshot};
use tidewater::model::{ConsentKey, ConsentState, EntryBody, Offset, ProfileId, Skipped};

use crate::run::{Outcome, Withdrawal};

/// The words on consent that counted, by whose and what about, in the order in which they were received.
type Words = BTreeMap<(ProfileId, ConsentKey), Vec<(Offset, ConsentState)>>;

fn words(outcome: &Outcome) -> Words {
    let mut words = Words::new();
    for entry in &outcome.durable.journal {
        let Some((profile, _)) = outcome.durable.history.get(&entry.offset) else { continue };
        let said = entry.body.event().map(|event| match &entry.body {
            EntryBody::Consent(change) => Some((change.key.clone(), change.state)),
            _ => consent_of_event(&event.name, &event.properties),
        });
        if let Some((key, state)) = said.flatten() {
            words.entry((*profile, key)).or_default().push((entry.offset, state));
        }
    }
    words
}

/// How often somebody agreed again to what they had refused.
pub fn taken_back(outcome: &Outcome) -> usize {
    let words = words(outcome);
    let pairs = words.values().flat_map(|words| words.windows(2));
    pairs.filter(|two| two[0].1 == ConsentState::Withdrawn && two[1].1 == ConsentState::Given).count()
}

/// After an answered withdrawal nothing that it refuses is taken from the outbox before a new yes was received: a repeat of an
/// old one is none, whatever time it has.
pub fn nothing_leaves_after_a_withdrawal(outcome: &Outcome) {
    let (words, durable) = (words(outcome), &outcome.durable);
    let mut first: BTreeMap<(ProfileId, &str), Offset> = BTreeMap::new();
    for (offset, (profile, message)) in &durable.history {
        first.entry((*profile, message)).or_insert(*offset);
    }
    for (effect, claimed, head) in outcome.world.claims.lock().unwrap().iter() {
        for Withdrawal { user, key, message, place } in &outcome.told.withdrawn {
            // Of whoever was erased, or had not become this person yet, the history tells nothing here.
            let Some(no) = first.get(&(effect.profile, message.as_str())) else { continue };
            if place > claimed || !is_asked(key, effect) {
                continue;
            }
            // What was merged into somebody is subject to what that one says since.
            let person = std::iter::successors(Some(effect.profile), |at| durable.merged.get(at).copied());
            let mut said = person.filter_map(|id| words.get(&(id, key.clone()))).flatten();
            let has_agreed = said.any(|(offset, state)| *state == ConsentState::Given && no < offset && offset <= head);
            assert!(has_agreed, "{user} withdrew by {message}, and {effect:?} left all the same");
        }
    }
}

fn is_asked(key: &ConsentKey, effect: &Effect) -> bool {
    let reaches_them = matches!(&effect.body, EffectBody::Email { .. } | EffectBody::Audience { add: true, .. });
    (*key == ConsentKey::Everything && reaches_them)
        || effect.consent.as_ref().is_some_and(|consent| consent.key == *key)
}

/// What the engine tripped over stays denied, though no profile knows of it.
pub fn the_door_knows_what_the_profiles_know(outcome: &Outcome) {
    let durable = &outcome.durable;
    let has_tripped = |id: ProfileId| {
        let over = outcome.tripped.iter().filter(|(_, over)| matches!(over, Skipped::Entry(_)));
        over.into_iter().any(|(profile, _)| durable.survivor(*profile) == id)
    };
    for (id, saved) in &durable.profiles {
        let profile = snapshot::decode(&saved.snapshot).unwrap();
        if profile.is_erased() || profile.merged_into().is_some() || has_tripped(*id) {
            continue;
        }
        let known = profile.consents().iter().filter(|said| said.state == ConsentState::Withdrawn);
        let known: Vec<&ConsentKey> = known.map(|said| &said.key).collect();
        let denied = durable.denies.iter().filter(|((profile, _), (is_denied, _))| profile == id && *is_denied);
        let denied: Vec<&ConsentKey> = denied.map(|((_, key), _)| key).collect();
        assert_eq!(known, denied, "what {id} refuses, and what the door knows of it");
    }
}
