//! In the end an audience holds at the far side whom it should hold, and nobody else.

use std::collections::BTreeSet;

use tidewater::engine::{Effect, EffectBody, Profile};
use tidewater::lang::rules::AudienceSync;
use tidewater::model::audience_hash::hashed;
use tidewater::model::{ConsentKey, ConsentState};
use tidewater::store::outbox::{OutboxItem, OutboxStatus};
use tidewater::workspace::Program;

use crate::replay::Replay;
use crate::run::Outcome;

/// Changes that fail in a row after which the far side is left alone with somebody.
const GIVEN_UP: usize = 4;

pub fn hold_who_belongs_there(outcome: &Outcome, replay: &Replay) {
    let program = &*replay.program;
    let audiences = outcome.world.audiences.lock().unwrap();
    for sync in program.rules.audience_syncs.iter().filter(|sync| sync.segment.is_some()) {
        let held = audiences.get(&sync.name).cloned().unwrap_or_default();
        let wanted: BTreeSet<String> = replay
            .profiles
            .values()
            .filter(|profile| profile.merged_into().is_none() && belongs(profile, sync, program))
            .filter_map(|profile| Some(hashed("email", profile.traits().get("email")?.as_text()?)))
            .collect();
        for person in held.symmetric_difference(&wanted) {
            let (changes, is_held) = (changes(outcome, &sync.name, person), held.contains(person));
            assert!(
                is_excused(outcome, &sync.name, &changes)
                    || is_excused_by_an_erasure(outcome, &sync.name, person, is_held),
                "{person} is {} the audience `{}` and should not be: {changes:#?}",
                if is_held { "in" } else { "missing in" },
                sync.name
            );
        }
    }
}

fn belongs(profile: &Profile, sync: &AudienceSync, program: &Program) -> bool {
    let segment = sync.segment.map(|segment| &program.rules.segments[segment.at()].name);
    let is_member = profile.memberships().any(|(name, _)| Some(name) == segment.map(String::as_str));
    let purpose = sync.purpose.map(|index| ConsentKey::Purpose(program.rules.purposes[index].name.clone()));
    let is_suppressed = profile.consent(&ConsentKey::Everything) == Some(ConsentState::Withdrawn);
    is_member && !is_suppressed && purpose.is_none_or(|key| profile.consent(&key) == Some(ConsentState::Given))
}

/// Whether an effect changes the place of a person in an audience.
fn concerns(effect: &Effect, name: &str, person: &str) -> bool {
    matches!(&effect.body, EffectBody::Audience { audience, identifiers, .. }
        if audience == name && identifiers.iter().any(|(kind, value)| hashed(kind, value) == person))
}

/// What was told of a person to an audience, in order.
fn changes<'a>(outcome: &'a Outcome, name: &str, person: &str) -> Vec<&'a OutboxItem> {
    in_order(outcome, |item| concerns(&item.effect, name, person))
}

fn in_order(outcome: &Outcome, is_meant: impl Fn(&&OutboxItem) -> bool) -> Vec<&OutboxItem> {
    let mut changes: Vec<&OutboxItem> = outcome.durable.outbox.values().filter(is_meant).collect();
    changes.sort_by_key(|item| (item.effect.decided_at, item.effect.body.ordinal()));
    changes
}

/// Whether the far side was left alone with somebody, or somebody decided otherwise by hand. Outcomes of what a profile
/// told that was merged into another are nobody's.
fn is_excused(outcome: &Outcome, name: &str, changes: &[&OutboxItem]) -> bool {
    // What failed in a row may have told of the person by another address.
    let is_of_them = |item: &&OutboxItem| {
        let is_of_audience = matches!(&item.effect.body, EffectBody::Audience { audience, .. } if audience == name);
        is_of_audience && changes.iter().any(|change| change.effect.profile == item.effect.profile)
    };
    let told = in_order(outcome, is_of_them);
    let failures = told.iter().rev().take_while(|item| item.status != OutboxStatus::Sent).count();
    let by_hand =
        told.iter().any(|item| outcome.durable.by_hand.iter().any(|(effect, ..)| effect.id == item.effect.id));
    let has_failed_for_a_loser = changes
        .iter()
        .any(|item| item.status != OutboxStatus::Sent && outcome.durable.merged.contains_key(&item.effect.profile));
    failures >= GIVEN_UP || by_hand || has_failed_for_a_loser
}

/// Of somebody who was erased the outbox tells no more; the world saw it. The far side may hold them still where it was asked
/// to let go and did not, or somebody forbade to ask. It may lack who came by the same address since, where the old one was
/// taken out last.
fn is_excused_by_an_erasure(outcome: &Outcome, name: &str, person: &str, is_held: bool) -> bool {
    let receipts = outcome.world.receipts.lock().unwrap();
    let is_of_erased = |effect: &Effect| outcome.durable.erased.contains(&effect.profile);
    let concerned = || receipts.iter().filter(|receipt| concerns(&receipt.effect, name, person));
    if is_held {
        let last = concerned().next_back();
        let was_refused =
            last.is_some_and(|last| last.effect.body.is_removal() && is_of_erased(&last.effect) && !last.is_taken);
        let by_hand = outcome.durable.by_hand.iter();
        let mut by_hand = by_hand.filter(|(effect, ..)| is_of_erased(effect) && concerns(effect, name, person));
        was_refused || by_hand.next().is_some()
    } else {
        let last = concerned().rfind(|receipt| receipt.is_taken);
        last.is_some_and(|last| last.effect.body.is_removal() && is_of_erased(&last.effect))
    }
}
