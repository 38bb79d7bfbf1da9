//! In the end an audience holds at the far side whom it should hold, and nobody else.

use std::collections::{BTreeMap, BTreeSet};

use tidewater::engine::{EffectBody, Profile};
use tidewater::lang::rules::AudienceSync;
use tidewater::model::{ConsentKey, ConsentState, ProfileId};
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
        let belongs: BTreeMap<&str, ProfileId> = replay
            .profiles
            .values()
            .filter(|profile| profile.merged_into().is_none() && belongs(profile, sync, program))
            .filter_map(|profile| Some((profile.traits().get("email")?.as_text()?, profile.id())))
            .collect();
        let wanted: BTreeSet<String> = belongs.keys().map(|address| (*address).to_owned()).collect();
        for address in held.symmetric_difference(&wanted) {
            let changes = changes(outcome, &sync.name, address);
            assert!(
                is_excused(outcome, &changes),
                "{address} is {} the audience `{}` and should not be: {changes:#?}",
                if held.contains(address) { "in" } else { "missing in" },
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

/// What was told of an address to an audience, in order.
fn changes<'a>(outcome: &'a Outcome, name: &str, address: &str) -> Vec<&'a OutboxItem> {
    let concerns = |item: &&OutboxItem| {
        matches!(&item.effect.body, EffectBody::Audience { audience, identifiers, .. }
            if audience == name && identifiers.values().any(|value| value == address))
    };
    let mut changes: Vec<&OutboxItem> = outcome.durable.outbox.values().filter(concerns).collect();
    changes.sort_by_key(|item| (item.effect.decided_at, item.effect.body.ordinal()));
    changes
}

/// Whether the far side was left alone with somebody, or somebody decided otherwise by hand. Outcomes of what a profile
/// told that was merged into another are nobody's.
fn is_excused(outcome: &Outcome, changes: &[&OutboxItem]) -> bool {
    let failures = changes.iter().rev().take_while(|item| item.status != OutboxStatus::Sent).count();
    let by_hand =
        changes.iter().any(|item| outcome.durable.by_hand.iter().any(|(effect, ..)| *effect == item.effect.id));
    let has_failed_for_a_loser = changes
        .iter()
        .any(|item| item.status != OutboxStatus::Sent && outcome.durable.merged.contains_key(&item.effect.profile));
    failures >= GIVEN_UP || by_hand || has_failed_for_a_loser
}
