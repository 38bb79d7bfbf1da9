//! The wakes of a shard's profiles, in order of time. Pure.

use std::collections::{BTreeSet, HashMap};

use crate::model::{ProfileId, Timestamp};

#[derive(Debug, Default)]
pub(super) struct Wakes {
    by_time: BTreeSet<(Timestamp, ProfileId)>,
    by_profile: HashMap<ProfileId, Timestamp>,
}

impl Wakes {
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

    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Profiles with a wake at or before `up_to`, earliest first.
    pub(super) fn due(&self, up_to: Timestamp) -> Vec<ProfileId> {
        self.by_time.iter().take_while(|(at, _)| *at <= up_to).map(|(_, profile)| *profile).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_word_on_a_profile_counts() {
        let mut wakes = Wakes::default();
        let (a, b) = (ProfileId(1), ProfileId(2));
        wakes.set(a, Some(Timestamp(10)));
        wakes.set(b, Some(Timestamp(5)));
        wakes.set(a, Some(Timestamp(3)));
        assert_eq!(wakes.due(Timestamp(9)), [a, b]);
        assert_eq!(wakes.due(Timestamp(4)), [a]);
        wakes.set(a, None);
        assert_eq!(wakes.earliest(), Some(Timestamp(5)));
    }
}
