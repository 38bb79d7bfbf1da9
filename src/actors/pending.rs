//! What a shard has to hand to the state writer next: one commit in the making. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::Effect;
use crate::engine::skip::Skip;
use crate::engine::transition::{Lifted, Relay};
use crate::intake::POISON;
use crate::model::event::PLATFORM_SOURCE;
use crate::model::text::{REASON_CHARS, storable};
use crate::model::{EntryBody, Offset, ProfileId, ShardId, Skipped, Timestamp};
use crate::store::journal::{Mistake, Quarantined};
use crate::store::state::{Poisoned, Reached, SavedProfile, ShardCommit};

use super::customer::{Failed, Poison, Told};

/// Rows of one commit beyond which a shard waits for its writer.
const FULL: usize = 4_096;
/// States of one commit, about: as long as it is written, the journal waits.
pub(super) const STATES: usize = 32;
/// About what an effect takes: its variables are the traits of its customer.
const EFFECT: usize = 1_024;

pub(super) struct Pending {
    /// Its profiles stand beside it, the last state of each.
    commit: ShardCommit,
    profiles: BTreeMap<ProfileId, SavedProfile>,
    is_empty: bool,
    /// About what it takes.
    bytes: usize,
    /// How far the store knows the shard to be.
    reached: Reached,
    /// The commit that is on its way to the store.
    saving: Option<Saving>,
    /// Effects are on their way beside it.
    is_emitting: bool,
}

/// What is known of a commit while it is on its way.
struct Saving {
    /// How far the store knows the shard to be once it has it.
    reached: Reached,
    bytes: usize,
}

impl Pending {
    /// `reached`: how far the store knows the shard to be.
    pub(super) fn new(shard: ShardId, reached: Reached) -> Self {
        let Reached { offset, time } = reached;
        Self {
            commit: ShardCommit { time, ..ShardCommit::empty(shard, offset) },
            profiles: BTreeMap::new(),
            is_empty: true,
            bytes: 0,
            reached,
            saving: None,
            is_emitting: false,
        }
    }

    /// The store has the commit that was on its way.
    pub(super) fn saved(&mut self) {
        if let Some(saving) = self.saving.take() {
            self.reached = saving.reached;
        }
    }

    /// The store has the effects that were on their way.
    pub(super) fn emitted(&mut self) {
        self.is_emitting = false;
    }

    pub(super) fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    pub(super) fn is_emitting(&self) -> bool {
        self.is_emitting
    }

    /// Whether the store has everything that was added.
    pub(super) fn is_all_saved(&self) -> bool {
        self.is_empty && !self.is_saving() && !self.is_emitting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    pub(super) fn is_full(&self) -> bool {
        let commit = &self.commit;
        let emitted = commit.memberships.len() + commit.effects.len() + commit.facts.len() + commit.relays.len();
        emitted + commit.lifted.len() + self.profiles.len() + commit.history.len() > FULL
    }

    /// Whether there are as many states as one commit is to have.
    pub(super) fn has_enough_states(&self) -> bool {
        self.profiles.len() >= STATES
    }

    /// About what it takes, what is on its way to the store included.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.saving.as_ref().map_or(0, |saving| saving.bytes)
    }

    pub(super) fn has(&self, profile: ProfileId) -> bool {
        self.profiles.contains_key(&profile)
    }

    /// Whether the store's offset for this shard lags behind.
    pub(super) fn is_behind(&self, offset: Offset) -> bool {
        self.commit.offset < offset
    }

    /// Adds a customer's state, with all that was told since it was saved last.
    pub(super) fn add(&mut self, saved: SavedProfile, told: Told) {
        self.is_empty = false;
        let profile = saved.id;
        self.bytes += size_of::<SavedProfile>() + saved.snapshot.len() + told.bytes();
        self.profiles.insert(profile, saved);
        let commit = &mut self.commit;
        commit.memberships.extend(told.memberships.into_iter().map(|change| (profile, change)));
        commit.facts.extend(told.facts.into_iter().map(|fact| (profile, fact)));
        commit.history.extend(told.counted.into_iter().map(|entry| (profile, Arc::unwrap_or_clone(entry))));
    }

    /// Adds what cannot wait for the state: it is decided again, with the same ids, should the state be lost.
    pub(super) fn emit(&mut self, profile: ProfileId, effects: Vec<Effect>, lifted: Vec<Lifted>, relays: Vec<Relay>) {
        self.is_empty &= effects.is_empty() && lifted.is_empty() && relays.is_empty();
        self.bytes += effects.len() * EFFECT;
        self.commit.effects.extend(effects);
        self.commit.lifted.extend(lifted.into_iter().map(|lifted| (profile, lifted)));
        self.commit.relays.extend(relays);
    }

    /// Takes the effects alone out, and what stops them no more, which wait for no state: a commit that says nothing new of
    /// how far the shard has come. One such commit is on its way at a time.
    pub(super) fn take_effects(&mut self) -> Option<ShardCommit> {
        // What was decided without something that was passed over is not in the store before that is.
        if self.is_emitting || !self.commit.poison.is_empty() {
            return None;
        }
        let effects = std::mem::take(&mut self.commit.effects);
        let lifted = std::mem::take(&mut self.commit.lifted);
        self.bytes -= effects.len() * EFFECT;
        let Reached { offset, time } = self.reached;
        self.is_empty = self.profiles.is_empty() && self.commit.relays.is_empty();
        self.is_emitting = !(effects.is_empty() && lifted.is_empty());
        let emitted = ShardCommit { effects, lifted, time, ..ShardCommit::empty(self.commit.shard, offset) };
        self.is_emitting.then_some(emitted)
    }

    /// Keeps what could not be done, with the reason. What is passed over is told to the journal as well. `applied`: the
    /// last entry that the shard worked on.
    pub(super) fn quarantine(&mut self, poison: Poison, applied: Offset) -> Option<Skip> {
        let Poison { profile, what, reason } = poison;
        self.is_empty = false;
        let skip = what.skipped().map(|skipped| {
            // Time is passed over in the state that goes with this.
            let place = if let Skipped::Entry(offset) = skipped { offset } else { applied };
            Skip { profile, skipped, place }
        });
        tracing::error!(%profile, skipped = ?skip.map(|skip| skip.skipped), "the engine failed; see the quarantine");
        self.commit.relays.extend(skip.as_ref().map(Relay::skip));
        if let Failed::Entry(entry) = &what {
            self.commit.relays.extend(Relay::in_place_of(entry));
        }
        let (source, received_at, payload) = match &what {
            Failed::Entry(entry) => {
                let source = match &entry.body {
                    EntryBody::Event(event) => event.source.clone(),
                    _ => PLATFORM_SOURCE.to_owned(),
                };
                (source, entry.received_at, serde_json::to_string(&**entry).unwrap_or_default())
            }
            Failed::Wake(at) => (PLATFORM_SOURCE.to_owned(), *at, String::new()),
            Failed::Profile => (PLATFORM_SOURCE.to_owned(), Timestamp(0), String::new()),
        };
        let doing = match what {
            Failed::Entry(_) => "could not apply it",
            Failed::Wake(_) => "could not do what was due at this instant",
            Failed::Profile => "could not go on with this profile",
        };
        // A panic may say anything.
        let reason = storable(&reason, REASON_CHARS);
        let mistakes = vec![Mistake::of_all(format!("the engine {doing}: {reason}"))];
        let row = Quarantined {
            source,
            received_at,
            code: POISON.to_owned(),
            mistakes,
            call: None,
            payload,
            names: Vec::new(),
        };
        self.commit.poison.push(Poisoned { profile, skip, row });
        skip
    }

    /// Takes the commit out, which is on its way from now on. Once it is durable a replay of the shard begins after `offset`, and time goes on after `time`.
    pub(super) fn take(&mut self, offset: Offset, time: Timestamp) -> ShardCommit {
        // A start replays from before the last tick: what the store knows of time stays.
        let time = self.commit.time.max(time);
        let next = ShardCommit { time, ..ShardCommit::empty(self.commit.shard, offset) };
        let mut commit = std::mem::replace(&mut self.commit, next);
        (commit.offset, commit.time) = (offset, time);
        commit.profiles = std::mem::take(&mut self.profiles).into_values().collect();
        debug_assert!(!self.is_saving(), "one commit of a shard at a time");
        self.saving = Some(Saving { reached: Reached { offset, time }, bytes: std::mem::take(&mut self.bytes) });
        self.is_empty = true;
        commit
    }
}
