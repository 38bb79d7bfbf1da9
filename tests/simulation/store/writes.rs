//! What the two writers change, each in one piece: an append to the journal, and a commit of states.

use std::hash::{DefaultHasher, Hash, Hasher};

use tidewater::engine::transition::Relay;
use tidewater::model::Offset;
use tidewater::store::identity::IdentityChange;
use tidewater::store::journal::{Append, Deny};
use tidewater::store::state::{Reached, ShardCommit};

use super::Durable;

fn mark(commits: &[ShardCommit]) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{commits:?}").hash(&mut hasher);
    hasher.finish()
}

impl Durable {
    pub(super) fn append(&mut self, append: &Append) {
        for entry in &append.entries {
            let next = self.journal.last().map_or(1, |last| last.offset.0 + 1);
            assert_eq!(entry.offset.0, next, "the journal has no gaps and no overlaps");
            assert!(self.journal.last().is_none_or(|last| last.received_at <= entry.received_at), "time runs forward");
            self.journal.push(entry.clone());
        }
        append.identities.iter().for_each(|change| self.identify(change));
        append.denies.iter().for_each(|deny| self.deny(deny));
        append.outbox.iter().for_each(|update| self.update(update));
        self.relays.retain(|_, relay| !append.relayed.contains(&relay.id));
        self.schedules.extend(append.schedules_fired.iter().cloned());
        append.erasures.iter().for_each(|erasure| self.begin_erasure(erasure));
    }

    fn identify(&mut self, change: &IdentityChange) {
        match change {
            IdentityChange::Add { identifier, profile } => {
                let key = (identifier.kind.clone(), identifier.value.clone());
                self.identities.entry(key).or_insert(*profile);
            }
            IdentityChange::Merge { loser, winner } => {
                self.identities.values_mut().filter(|profile| *profile == loser).for_each(|profile| *profile = *winner);
                self.merged.entry(*loser).or_insert(*winner);
                let refused: Vec<Deny> =
                    self.denies.values().filter(|deny| deny.profile == *loser && deny.denied).cloned().collect();
                for deny in refused {
                    let key = (*winner, deny.key.to_string());
                    let theirs = Deny { profile: *winner, ..deny };
                    self.denies.entry(key).or_insert(theirs).denied = true;
                }
            }
        }
    }

    fn deny(&mut self, deny: &Deny) {
        let profile = self.survivor(deny.profile);
        let key = (profile, deny.key.to_string());
        if self.denies.get(&key).is_none_or(|known| (known.at, known.denied) <= (deny.at, deny.denied)) {
            self.denies.insert(key, Deny { profile, ..deny.clone() });
        }
    }

    /// Once each: what is told twice would be counted twice. Only the very last commit may come again, where its answer was
    /// lost.
    pub(super) fn commit(&mut self, commits: &[ShardCommit]) {
        if std::mem::replace(&mut self.last_commit, mark(commits)) == mark(commits) {
            return;
        }
        for commit in commits {
            for saved in &commit.profiles {
                self.profiles.insert(saved.id, saved.clone());
            }
            for (profile, change) in &commit.memberships {
                let key = (*profile, change.segment.clone());
                let before = if change.entered {
                    self.memberships.insert(key, change.at)
                } else {
                    self.memberships.remove(&key)
                };
                assert_eq!(before.is_some(), !change.entered, "a change is told once: {profile} {change:?}");
                let key = (*profile, change.segment.clone(), change.at, change.entered);
                self.changes.insert(key, change.clone());
            }
            commit.effects.iter().for_each(|effect| self.decide(effect));
            for (profile, entry) in &commit.history {
                let Some(event) = entry.body.event() else { continue };
                let before = self.history.insert(entry.offset, (*profile, event.message_id.clone()));
                assert!(before.is_none(), "an entry counts once, and for one profile: {entry:?}");
            }
            for (ordinal, relay) in commit.relays.iter().enumerate() {
                self.hand_on(commit.offset, ordinal, relay);
            }
            self.poison.extend(commit.poison.iter().map(|poisoned| (poisoned.id(), poisoned.clone())));
            let Reached { offset, time } = Reached { offset: commit.offset, time: commit.time };
            let before = self.reached.entry(commit.shard).or_insert(Reached { offset, time });
            let is_behind = offset < before.offset || time < before.time;
            assert!(!is_behind || commit.profiles.is_empty(), "only effects come behind what was saved already");
            if !is_behind {
                *before = Reached { offset, time };
            }
        }
    }

    pub(super) fn hand_on(&mut self, created: Offset, ordinal: usize, relay: &Relay) {
        if !self.relays.values().any(|known| known.id == relay.id) {
            self.relays.insert((created.0, ordinal, relay.id.clone()), relay.clone());
        }
    }
}
