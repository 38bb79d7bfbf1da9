//! The oracle: what must hold after every run, judged from outside and by a replay from zero through the engine alone.

mod audiences;
mod channels;
pub mod consent;
pub mod replay;

use std::collections::{BTreeMap, BTreeSet};

use tidewater::engine::snapshot;
use tidewater::lang::rules::MessageClass;
use tidewater::model::{EffectId, EntryBody, ProfileId, Skipped, Target};
use tidewater::store::outbox::OutboxStatus;

use super::faults::{self, TRIPPING};
use super::run::{Erased, Outcome};
use super::script::Verb;

pub fn check(outcome: &Outcome) {
    every_accepted_event_counts_once(outcome);
    what_trips_the_engine_is_passed_over_and_nothing_else(outcome);
    let replay = replay::agrees(outcome);
    effects_are_carried_out_as_promised(outcome);
    what_is_dropped_leaves_no_more(outcome);
    consent::nothing_leaves_after_a_withdrawal(outcome);
    consent::the_door_knows_what_the_profiles_know(outcome);
    channels::keep_to_their_limits(outcome);
    channels::leave_the_silent_alone(outcome);
    audiences::hold_who_belongs_there(outcome, &replay);
    nothing_is_left_of_who_was_erased(outcome);
}

fn every_accepted_event_counts_once(outcome: &Outcome) {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, message) in outcome.durable.history.values() {
        *times.entry(message).or_default() += 1;
    }
    for id in &outcome.told.acked {
        if outcome.durable.forgotten.contains(id) || is_unwanted(outcome, id) {
            continue;
        }
        let expected = (!id.starts_with(TRIPPING)).then_some(&1);
        assert_eq!(times.get(id.as_str()), expected, "{id} was accepted, and counts once: {}", story(outcome, id));
    }
    for id in &outcome.told.sent {
        assert!(times.get(id.as_str()).is_none_or(|times| *times == 1), "{id} counts at most once");
    }
}

fn what_trips_the_engine_is_passed_over_and_nothing_else(outcome: &Outcome) {
    let journal = &outcome.durable.journal;
    let told: BTreeSet<(ProfileId, Skipped)> = journal
        .iter()
        .filter_map(|entry| match (entry.target, &entry.body) {
            (Target::Profile(profile), EntryBody::Skip(skipped)) => Some((profile, *skipped)),
            _ => None,
        })
        .collect();
    assert_eq!(told, outcome.tripped, "what the journal tells to have been passed over, and what the engine failed on");
    let set_aside = outcome.durable.poison.values().map(|poisoned| {
        let skip = poisoned.skip.expect("everything that fails here can be passed over");
        (poisoned.profile, skip.skipped)
    });
    // Of somebody who was erased nothing is left but that something was passed over.
    let is_known = |profile: &ProfileId| !outcome.durable.erased.contains(profile);
    let told: BTreeSet<_> = told.into_iter().filter(|(profile, _)| is_known(profile)).collect();
    assert_eq!(set_aside.collect::<BTreeSet<_>>(), told, "what is in the quarantine");
    let trips = journal.iter().filter_map(|entry| match entry.target {
        Target::Profile(profile) if outcome.is_faulty && faults::trips(entry) => {
            Some((profile, Skipped::Entry(entry.offset)))
        }
        _ => None,
    });
    let entries = told.iter().filter(|(_, skipped)| matches!(skipped, Skipped::Entry(_)));
    assert_eq!(entries.copied().collect::<BTreeSet<_>>(), trips.collect(), "every entry that trips, and no other");
}

/// Whether it names somebody who is not to be known again: then it may have come too late.
fn is_unwanted(outcome: &Outcome, message: &str) -> bool {
    let named = ["userId", "anonymousId", "previousId"].map(|name| outcome.told.bodies[message][name].as_str());
    let is_suppressed = |kind: &str, value: &str| {
        let former = outcome.durable.former.get(&(kind.to_owned(), value.to_owned()));
        former.is_some_and(|former| former.is_suppressed)
    };
    named.into_iter().flatten().any(|name| is_suppressed("user_id", name) || is_suppressed("anonymous_id", name))
}

/// What the journal tells of a message, for a failing seed.
fn story(outcome: &Outcome, message: &str) -> String {
    let mut lines = vec![String::new()];
    for entry in &outcome.durable.journal {
        let told = match &entry.body {
            EntryBody::Event(event) if event.message_id == message => format!("{} {:?}", event.name, event.user_id),
            EntryBody::MergeAway { winner } => format!("goes to {winner}"),
            EntryBody::Absorb { loser, .. } => format!("takes in {loser}"),
            _ => continue,
        };
        let counts = outcome.durable.history.get(&entry.offset).map(|(profile, _)| profile.to_string());
        lines.push(format!("{} {:?} {told}, counts for {counts:?}", entry.offset.0, entry.target));
    }
    lines.join("\n")
}

fn effects_are_carried_out_as_promised(outcome: &Outcome) {
    let receipts = outcome.world.receipts.lock().unwrap();
    let mut taken: BTreeMap<EffectId, usize> = BTreeMap::new();
    for receipt in receipts.iter() {
        let item = outcome.durable.outbox.get(&receipt.effect.id);
        let is_forgotten = outcome.durable.erased.contains(&receipt.effect.profile);
        let is_decided = is_forgotten || item.is_some_and(|item| item.effect == receipt.effect);
        assert!(is_decided, "what leaves was decided: {receipt:?}");
        *taken.entry(receipt.effect.id).or_default() += usize::from(receipt.is_taken);
    }
    for item in outcome.durable.outbox.values() {
        let times = taken.get(&item.effect.id).copied().unwrap_or_default();
        let by_hand = || outcome.durable.by_hand.iter().filter(|(effect, ..)| effect.id == item.effect.id);
        let allowed = 1 + by_hand().filter(|(_, verb, _)| *verb == Verb::Retry).count();
        let is_message = item.effect.body.kind() == "email";
        let is_marketing = item.effect.consent.as_ref().is_some_and(|consent| consent.class == MessageClass::Marketing);
        assert!(!(is_message && is_marketing) || times <= allowed, "a marketing message left {times} times: {item:?}");
        match item.status {
            OutboxStatus::Sent => assert!(times >= 1, "what counts as sent has arrived: {item:?}"),
            OutboxStatus::Ready | OutboxStatus::Taken => panic!("nothing is left lying: {item:?}"),
            OutboxStatus::Dropped => {
                assert!(by_hand().any(|(_, verb, _)| *verb == Verb::Drop), "nobody dropped it: {item:?}");
            }
            OutboxStatus::Failed | OutboxStatus::Unknown | OutboxStatus::Suppressed | OutboxStatus::Expired => {}
        }
    }
}

fn what_is_dropped_leaves_no_more(outcome: &Outcome) {
    let mut story: BTreeMap<EffectId, BTreeMap<usize, Option<Verb>>> = BTreeMap::new();
    for (effect, place, _) in outcome.world.claims.lock().unwrap().iter() {
        story.entry(effect.id).or_default().insert(*place, None);
    }
    for (effect, verb, place) in &outcome.durable.by_hand {
        story.entry(effect.id).or_default().insert(*place, Some(*verb));
    }
    for (effect, story) in story {
        let steps: Vec<Option<Verb>> = story.into_values().collect();
        for two in steps.windows(2) {
            assert_ne!(two, [Some(Verb::Drop), None], "{effect} was dropped, and left all the same");
        }
    }
}

fn nothing_is_left_of_who_was_erased(outcome: &Outcome) {
    let durable = &outcome.durable;
    for Erased { user, profiles, place } in &outcome.told.erased {
        for (effect, claimed, _) in outcome.world.claims.lock().unwrap().iter() {
            let is_theirs = profiles.contains(&effect.profile) && !effect.body.is_removal();
            assert!(!is_theirs || claimed < place, "{user} was erased, and {effect:?} left all the same");
        }
    }
    let is_erased = |profile: &ProfileId| durable.erased.contains(profile);
    for entry in &durable.journal {
        let Target::Profile(profile) = entry.target else { continue };
        let is_bare = matches!(entry.body, EntryBody::Erase | EntryBody::Erased | EntryBody::Skip(_));
        assert!(is_bare || !is_erased(&profile), "the journal tells of somebody who was erased: {entry:?}");
    }
    for (profile, saved) in durable.profiles.iter().filter(|(profile, _)| is_erased(profile)) {
        let profile = (profile, snapshot::decode(&saved.snapshot).unwrap());
        assert!(
            profile.1.is_erased() && profile.1.traits().is_empty() && profile.1.consents().is_empty(),
            "{profile:?}"
        );
    }
    assert!(!durable.history.values().any(|(profile, _)| is_erased(profile)), "history");
    assert!(!durable.identities.values().any(is_erased), "identifiers");
    assert!(!durable.memberships.keys().any(|(profile, _)| is_erased(profile)), "memberships");
    assert!(!durable.outbox.values().any(|item| is_erased(&item.effect.profile)), "effects");
}
