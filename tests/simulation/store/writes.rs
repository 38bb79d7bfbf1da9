//! What the two writers change, each in one piece: an append to the journal, and a commit of states.

use std::hash::{DefaultHasher, Hash, Hasher};

use tidewater::engine::transition::{Lifted, Relay};
use tidewater::model::{Entry, EntryBody, Offset, Target};
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
        append.denies.iter().for_each(|deny| self.deny(deny));
        append.identities.iter().for_each(|change| self.identify(change, &append.entries));
        append.outbox.iter().for_each(|update| self.update(update));
        self.relays.retain(|_, relay| !append.relayed.contains(&relay.id));
        self.schedules.extend(append.schedules_fired.iter().cloned());
        append.erasures.iter().for_each(|erasure| self.begin_erasure(erasure));
    }

    fn identify(&mut self, change: &IdentityChange, entries: &[Entry]) {
        match change {
            IdentityChange::Add { identifier, profile } => {
                let key = (identifier.kind.clone(), identifier.value.clone());
                self.identities.entry(key).or_insert(*profile);
            }
            IdentityChange::Merge { loser, winner } => {
                self.identities.values_mut().filter(|profile| *profile == loser).for_each(|profile| *profile = *winner);
                self.merged.entry(*loser).or_insert(*winner);
                let is_it = |entry: &&Entry| {
                    entry.target == Target::Profile(*loser) && matches!(entry.body, EntryBody::MergeAway { .. })
                };
                let merge = entries.iter().find(is_it).map_or(Offset(0), |entry| entry.offset);
                let refused = self.denies.iter().filter(|((profile, _), (denied, _))| profile == loser && *denied);
                let refused: Vec<_> = refused.map(|((_, key), (_, entry))| (key.clone(), *entry)).collect();
                for (key, entry) in refused {
                    let ours = self.denies.entry((*winner, key)).or_default();
                    *ours = (true, ours.1.max(entry).max(merge));
                }
            }
        }
    }

    fn deny(&mut self, deny: &Deny) {
        let profile = self.survivor(deny.profile);
        self.denies.insert((profile, deny.key.clone()), (true, deny.entry));
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
            for (profile, Lifted { key, up_to }) in &commit.lifted {
                let known = self.denies.get_mut(&(*profile, key.clone()));
                known.into_iter().filter(|(_, entry)| entry <= up_to).for_each(|(denied, _)| *denied = false);
            }
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
