//! The wakes of a shard's profiles, in order of time. Pure.
//!
//! The store holds the wake of every saved profile. In memory are those of the near future, as far as they were read,
//! and those of profiles whose last state is not saved: for these the store's word is out of date.

use std::collections::{BTreeSet, HashMap};

use crate::model::{ProfileId, Timestamp};

/// A place in the order of the store's wakes.
pub(super) type Place = (Timestamp, ProfileId);

#[derive(Debug)]
pub(super) struct Wakes {
    by_time: BTreeSet<Place>,
    by_profile: HashMap<ProfileId, Timestamp>,
    /// All wakes of saved profiles up to here are in memory.
    read_until: Place,
}

impl Wakes {
    pub(super) fn new() -> Self {
        Self {
            by_time: BTreeSet::new(),
            by_profile: HashMap::new(),
            read_until: (Timestamp::MIN, ProfileId(u128::MAX)),
        }
    }

    /// How many are in memory.
    pub(super) fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Notes when a profile is to be woken next, if at all.
    pub(super) fn set(&mut self, profile: ProfileId, at: Option<Timestamp>) {
        let old = match at {
            Some(at) => self.by_profile.insert(profile, at),
            None => self.by_profile.remove(&profile),
        };
        if let Some(old) = old {
            self.by_time.remove(&(old, profile));
        }
        if let Some(at) = at {
            self.by_time.insert((at, profile));
        }
    }

    /// The store has the profile's wake now: a far one need not be kept here.
    pub(super) fn saved(&mut self, profile: ProfileId) {
        if self.by_profile.get(&profile).is_some_and(|at| (*at, profile) > self.read_until) {
            self.set(profile, None);
        }
    }

    /// Where to go on reading the store's wakes.
    pub(super) fn read_until(&self) -> Place {
        self.read_until
    }

    /// From now on what is saved with a wake up to here stays in memory. Said before the store is asked, so that nothing
    /// falls between.
    pub(super) fn reading(&mut self, until: Place) {
        self.read_until = self.read_until.max(until);
    }

    /// The store's answer: all its wakes up to `until`. What is known here already is newer; a wake that is no longer
    /// true wakes for nothing, once.
    pub(super) fn read(&mut self, wakes: Vec<Place>, until: Place) {
        for (at, profile) in wakes {
            if !self.by_profile.contains_key(&profile) {
                self.set(profile, Some(at));
            }
        }
        // The answer may reach less far than was asked for.
        self.read_until = until;
    }

    /// The first instant at which something may be due: a wake, or one that was not read yet.
    pub(super) fn earliest(&self) -> Timestamp {
        let (at, profile) = self.read_until;
        let unread = if profile.0 == u128::MAX { Timestamp(at.0.saturating_add(1)) } else { at };
        self.by_time.first().map_or(unread, |(at, _)| (*at).min(unread))
    }

    /// Takes out profiles with a wake at or before `up_to`, earliest first, `limit` at most.
    pub(super) fn take_due(&mut self, up_to: Timestamp, limit: usize) -> Vec<ProfileId> {
        let due: Vec<Place> = self.by_time.iter().take_while(|(at, _)| *at <= up_to).take(limit).copied().collect();
        for (_, profile) in &due {
            self.set(*profile, None);
        }
        due.into_iter().map(|(_, profile)| profile).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: ProfileId = ProfileId(1);
    const BOB: ProfileId = ProfileId(2);

    #[test]
    fn only_the_last_word_on_a_profile_counts() {
        let mut wakes = Wakes::new();
        wakes.read(Vec::new(), (Timestamp(100), ProfileId(u128::MAX)));
        wakes.set(ADA, Some(Timestamp(10)));
        wakes.set(BOB, Some(Timestamp(5)));
        wakes.set(ADA, Some(Timestamp(3)));
        assert_eq!(wakes.earliest(), Timestamp(3));
        assert_eq!(wakes.take_due(Timestamp(4), 9), [ADA]);
        wakes.set(BOB, None);
        assert_eq!(wakes.earliest(), Timestamp(101), "what was not read yet may be due then");
    }

    #[test]
    fn far_wakes_are_left_to_the_store_once_it_has_them() {
        let mut wakes = Wakes::new();
        wakes.read(vec![(Timestamp(7), ADA)], (Timestamp(7), ADA));
        assert_eq!(wakes.earliest(), Timestamp(7), "another of the same instant may follow");
        wakes.set(ADA, Some(Timestamp(500)));
        wakes.set(BOB, Some(Timestamp(600)));
        wakes.reading((Timestamp(550), ProfileId(u128::MAX)));
        wakes.saved(ADA);
        wakes.saved(BOB);
        assert_eq!(wakes.len(), 1);
        // The store's answer is older than what is known of Ada here.
        wakes.read(vec![(Timestamp(8), ADA)], (Timestamp(550), ProfileId(u128::MAX)));
        assert_eq!(wakes.take_due(Timestamp(1_000), 9), [ADA]);
        assert_eq!(wakes.take_due(Timestamp(1_000), 9), []);
    }
}
