//! What a shard has to hand to the state writer next: one commit in the making. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::Effect;
use crate::engine::transition::Relay;
use crate::model::event::PLATFORM_SOURCE;
use crate::model::{EntryBody, Offset, ProfileId, ShardId, Timestamp};
use crate::store::journal::Quarantined;
use crate::store::state::{Reached, SavedProfile, ShardCommit};

use super::customer::{Poison, Told};

/// Rows of one commit beyond which a shard waits for its writer.
const FULL: usize = 4_096;

pub(super) struct Pending {
    /// Its profiles stand beside it, the last state of each.
    commit: ShardCommit,
    profiles: BTreeMap<ProfileId, SavedProfile>,
    is_empty: bool,
    /// How far the store knows the shard to be.
    reached: Reached,
}

impl Pending {
    /// `reached`: how far the store knows the shard to be.
    pub(super) fn new(shard: ShardId, reached: Reached) -> Self {
        let Reached { offset, time } = reached;
        Self {
            commit: ShardCommit { time, ..ShardCommit::empty(shard, offset) },
            profiles: BTreeMap::new(),
            is_empty: true,
            reached,
        }
    }

    /// The store has a commit that told of this.
    pub(super) fn reached(&mut self, reached: Reached) {
        self.reached = reached;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    pub(super) fn is_full(&self) -> bool {
        let commit = &self.commit;
        let emitted = commit.memberships.len() + commit.effects.len() + commit.facts.len() + commit.relays.len();
        emitted + self.profiles.len() + commit.history.len() > FULL
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
        self.profiles.insert(profile, saved);
        let commit = &mut self.commit;
        commit.memberships.extend(told.memberships.into_iter().map(|change| (profile, change)));
        commit.facts.extend(told.facts.into_iter().map(|fact| (profile, fact)));
        commit.history.extend(told.counted.into_iter().map(|entry| (profile, Arc::unwrap_or_clone(entry))));
    }

    /// Adds what cannot wait for the state: it is decided again, with the same ids, should the state be lost.
    pub(super) fn emit(&mut self, effects: Vec<Effect>, relays: Vec<Relay>) {
        self.is_empty &= effects.is_empty() && relays.is_empty();
        self.commit.effects.extend(effects);
        self.commit.relays.extend(relays);
    }

    /// Takes the effects alone out, which wait for no state: a commit that says nothing new of how far the shard has come.
    pub(super) fn take_effects(&mut self) -> Option<ShardCommit> {
        let effects = std::mem::take(&mut self.commit.effects);
        let Reached { offset, time } = self.reached;
        self.is_empty = self.profiles.is_empty() && self.commit.relays.is_empty() && self.commit.poison.is_empty();
        (!effects.is_empty()).then(|| ShardCommit { effects, time, ..ShardCommit::empty(self.commit.shard, offset) })
    }

    /// Keeps what could not be applied, with the reason.
    pub(super) fn quarantine(&mut self, poison: Poison, applied: Offset) {
        let Poison { offset, entry, reason } = poison;
        self.is_empty = false;
        let offset = if entry.is_some() { offset } else { applied };
        tracing::error!(offset = offset.0, "an entry could not be applied; it is in quarantine");
        let source = entry.as_ref().and_then(|entry| match &entry.body {
            EntryBody::Event(event) => Some(event.source.clone()),
            _ => None,
        });
        let payload = entry.as_ref().and_then(|entry| serde_json::to_string(&**entry).ok());
        let row = Quarantined {
            source: source.unwrap_or_else(|| PLATFORM_SOURCE.to_owned()),
            received_at: entry.as_ref().map_or(Timestamp(0), |entry| entry.received_at),
            code: "poison".to_owned(),
            reason: format!("the engine could not apply it: {reason}"),
            payload: payload.unwrap_or_default(),
        };
        self.commit.poison.push((offset, row));
    }

    /// Takes the commit out. Once it is durable a replay of the shard begins after `offset`, and time goes on after `time`.
    pub(super) fn take(&mut self, offset: Offset, time: Timestamp) -> ShardCommit {
        // A start replays from before the last tick: what the store knows of time stays.
        let time = self.commit.time.max(time);
        let next = ShardCommit { time, ..ShardCommit::empty(self.commit.shard, offset) };
        let mut commit = std::mem::replace(&mut self.commit, next);
        (commit.offset, commit.time) = (offset, time);
        commit.profiles = std::mem::take(&mut self.profiles).into_values().collect();
        self.is_empty = true;
        commit
    }
}
