//! Which profiles of a shard have changed since they were saved, and since when. Pure.
//!
//! A change need not be saved at once: the journal can tell it again, and what it decides is then decided again, with the
//! same ids. So it is saved together with those that follow, and until then a replay has to begin before the oldest of
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Offset, ProfileId};

use super::customer::Told;

/// Over how long the saving of profiles is spread that changed at one moment.
const SPREAD: Duration = Duration::from_secs(8);

/// What is kept for a profile until it is saved.
#[derive(Debug)]
struct Change {
    /// The first entry that the saved state does not know.
    first: Offset,
    since: Instant,
    told: Told,
    /// What that takes.
    bytes: usize,
}

/// The changed profiles of a shard, and those whose state is on its way to the store.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    changes: BTreeMap<ProfileId, Change>,
    by_age: BTreeSet<(Offset, ProfileId)>,
    saving: BTreeSet<ProfileId>,
    /// Of all that is to be told of them.
    bytes: usize,
}

impl Unsaved {
    /// Notes that a profile changed by an entry, or by time after the entry before `first`.
    pub(super) fn note(&mut self, profile: ProfileId, first: Offset, told: Told, now: Instant) {
        let by_age = &mut self.by_age;
        let change = self.changes.entry(profile).or_insert_with(|| {
            by_age.insert((first, profile));
            Change { first, since: now, told: Told::default(), bytes: 0 }
        });
        let bytes = told.bytes();
        change.told.append(told);
        change.bytes += bytes;
        self.bytes += bytes;
    }

    /// What a profile told since it was saved last counts for nothing: it is to be told anew.
    pub(super) fn take_back(&mut self, profile: ProfileId) {
        let Some(change) = self.changes.get_mut(&profile) else { return };
        change.told = Told::default();
        self.bytes -= std::mem::take(&mut change.bytes);
    }

    /// A profile's state goes to the store: what was told since the last time goes with it.
    pub(super) fn save(&mut self, profile: ProfileId) -> Told {
        self.saving.insert(profile);
        let Some(change) = self.changes.remove(&profile) else { return Told::default() };
        self.by_age.remove(&(change.first, profile));
        self.bytes -= change.bytes;
        change.told
    }

    /// Everything that was on its way is in the store.
    pub(super) fn saved(&mut self, profiles: &[ProfileId]) {
        for profile in profiles {
            self.saving.remove(profile);
        }
    }

    /// Whether the store does not have the profile's last state.
    pub(super) fn holds(&self, profile: ProfileId) -> bool {
        self.changes.contains_key(&profile) || self.saving.contains(&profile)
    }

    /// The first entry that some state to be saved does not know.
    pub(super) fn oldest(&self) -> Option<Offset> {
        self.by_age.first().map(|(first, _)| *first)
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// About how many profiles the store does not have the last state of.
    pub(super) fn behind(&self) -> usize {
        self.changes.len() + self.saving.len()
    }

    /// About what is kept to be told takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Profiles that the store may not have at all.
    pub(super) fn profiles(&self) -> Vec<ProfileId> {
        self.changes.keys().chain(&self.saving).copied().collect()
    }

    /// Those that changed before this moment, each by its own share of [`SPREAD`]: what changed at one moment, such as
    /// after a start, is not due at one moment.
    pub(super) fn since(&self, before: Instant) -> Vec<ProfileId> {
        let changes = self.by_age.iter().filter_map(|(_, profile)| Some((*profile, self.changes.get(profile)?.since)));
        let share = |profile: ProfileId| Duration::from_millis(profile.0 as u64 % SPREAD.as_millis() as u64);
        let is_due = |(profile, since): &(ProfileId, Instant)| *since + share(*profile) <= before;
        changes.take_while(|(_, since)| *since <= before).filter(is_due).map(|(profile, _)| profile).collect()
    }

    /// Those that changed longest ago, `limit` at most.
    pub(super) fn oldest_of(&self, limit: usize) -> Vec<ProfileId> {
        self.by_age.iter().map(|(_, profile)| *profile).take(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_begins_before_the_oldest_change_that_is_not_saved() {
        let (mut unsaved, start) = (Unsaved::default(), Instant::now());
        let (ada, bob) = (ProfileId(1), ProfileId(2));
        unsaved.note(ada, Offset(3), Told::default(), start);
        unsaved.note(bob, Offset(4), Told::default(), start);
        unsaved.note(ada, Offset(5), Told::default(), start + SPREAD);
        assert_eq!(unsaved.oldest(), Some(Offset(3)));
        assert_eq!((unsaved.oldest_of(1), unsaved.since(start + SPREAD)), (vec![ada], vec![ada, bob]));
        assert_eq!(unsaved.since(start), [], "they are spread");
        unsaved.save(ada);
        assert!(unsaved.holds(ada), "until the store has it");
        assert_eq!(unsaved.oldest(), Some(Offset(4)));
        unsaved.saved(&[ada]);
        assert!(!unsaved.holds(ada));
        assert_eq!((unsaved.len(), unsaved.profiles()), (1, vec![bob]));
    }
}
