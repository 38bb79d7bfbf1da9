//! The whole journal through the engine alone, from zero and from every checkpoint: what was lived is that, to the byte.

use std::collections::{BTreeMap, BTreeSet};

use tidewater::engine::{Effect, snapshot};
use tidewater::model::ProfileId;

use crate::replay::{Checkpoints, Replay};
use crate::run::Outcome;

/// Compares what was lived with a replay from zero, and that with one from every checkpoint. Returns the replay.
pub fn agrees(outcome: &Outcome) -> Replay {
    let (replay, replayed) = replayed(outcome, Checkpoints::Never);
    compare(outcome, (&replay, &replayed), Checkpoints::Always);
    assert_eq!(outcome.durable.profiles.len(), replayed.len(), "who is known");
    for (id, saved) in &outcome.durable.profiles {
        let (saved_text, replayed) = (text(&saved.snapshot), text(&replayed[id]));
        assert_eq!(saved_text, replayed, "the saved state of {id} and that of a replay from zero");
        assert_eq!(saved.wake, replay.profiles[id].wake(), "the wake of {id}");
        assert!(saved.wake.is_none_or(|wake| wake > outcome.end), "every wake that was due was fired");
    }
    let is_known = |effect: &&Effect| !outcome.durable.erased.contains(&effect.profile);
    let decided: Vec<&Effect> = outcome.durable.outbox.values().map(|item| &item.effect).filter(is_known).collect();
    assert_eq!(decided, replay.effects.values().filter(is_known).collect::<Vec<_>>(), "effects, by id");
    let changes: BTreeSet<_> = outcome.durable.changes.keys().cloned().collect();
    assert_eq!(changes, replay.changes, "changes of memberships");
    let members = replay.profiles.iter().flat_map(|(id, profile)| {
        profile.memberships().map(|(segment, since)| ((*id, segment.to_owned()), since)).collect::<Vec<_>>()
    });
    assert_eq!(outcome.durable.memberships, members.collect(), "memberships");
    replay
}

type States = BTreeMap<ProfileId, Vec<u8>>;

fn replayed(outcome: &Outcome, checkpoints: Checkpoints) -> (Replay, States) {
    let mut replay = Replay::of(&outcome.durable.journal, &outcome.programs, checkpoints);
    replay.pass(outcome.end);
    let states = replay.profiles.iter().map(|(id, profile)| (*id, snapshot::encode(profile))).collect();
    (replay, states)
}

fn compare(outcome: &Outcome, (from_zero, states): (&Replay, &States), checkpoints: Checkpoints) {
    let (replay, replayed) = replayed(outcome, checkpoints);
    assert!(replayed == *states, "states of a replay from zero, and one with a checkpoint: {checkpoints:?}");
    assert_eq!(replay.effects, from_zero.effects, "effects of a replay from zero, and one with a checkpoint");
    assert_eq!(replay.changes, from_zero.changes, "changes of a replay from zero, and one with a checkpoint");
}

/// From the checkpoint after each entry, one replay each. Returns how many.
pub fn agrees_from_each_checkpoint(outcome: &Outcome) -> usize {
    let (replay, states) = replayed(outcome, Checkpoints::Never);
    for entry in &outcome.durable.journal {
        compare(outcome, (&replay, &states), Checkpoints::At(entry.offset));
    }
    outcome.durable.journal.len()
}

fn text(snapshot: &[u8]) -> String {
    String::from_utf8_lossy(snapshot).into_owned()
}
