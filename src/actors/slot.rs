//! Which customers of a shard are live, and which are let go. Pure.
//!
//! A shard works on one batch at a time and waits for its commit, so a customer is either live with everything saved,
//! or not there and loaded from its snapshot on first need. That is why there is no draining state: a customer is let
//! go only between batches, when its mailbox is empty, by dropping the only address.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::model::ProfileId;
use crate::model::limit::SHARDS;

/// Live customers of the whole platform at most, when shards are filled evenly: the memory budget at a few kilobytes
/// each.
const LIVE: usize = 100_000;
const LIVE_PER_SHARD: usize = LIVE / SHARDS as usize;
/// A customer that nothing happened to for this long is let go.
const IDLE: Duration = Duration::from_secs(5 * 60);

#[derive(Debug)]
struct Slot<A> {
    address: A,
    touched: Instant,
}

/// The live customers of a shard, by address.
#[derive(Debug)]
pub(super) struct Slots<A> {
    live: HashMap<ProfileId, Slot<A>>,
    capacity: usize,
}

impl<A: Clone> Slots<A> {
    pub(super) fn new() -> Self {
        Self::with_capacity(LIVE_PER_SHARD)
    }

    fn with_capacity(capacity: usize) -> Self {
        Self { live: HashMap::new(), capacity }
    }

    pub(super) fn address(&self, profile: ProfileId) -> Option<A> {
        self.live.get(&profile).map(|slot| slot.address.clone())
    }

    /// Notes that a customer is live and was busy just now.
    pub(super) fn keep(&mut self, profile: ProfileId, address: A, now: Instant) {
        self.live.insert(profile, Slot { address, touched: now });
    }

    /// Forgets a customer whose state cannot be trusted any more.
    pub(super) fn discard(&mut self, profile: ProfileId) {
        self.live.remove(&profile);
    }

    /// Lets go of those that have been idle for long, and of the longest idle ones beyond the capacity.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.live.retain(|_, slot| now.saturating_duration_since(slot.touched) < IDLE);
        self.trim();
    }

    /// Keeps the number of live customers near the capacity; trims to three quarters, so that it is not done each time.
    pub(super) fn trim(&mut self) {
        if self.live.len() <= self.capacity {
            return;
        }
        let mut touched: Vec<Instant> = self.live.values().map(|slot| slot.touched).collect();
        touched.sort_unstable();
        let surplus = self.live.len() - self.capacity * 3 / 4;
        let mut left = surplus;
        let limit = touched[surplus - 1];
        self.live.retain(|_, slot| {
            let goes = left > 0 && slot.touched <= limit;
            left -= usize::from(goes);
            !goes
        });
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.live.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_are_let_go_first() {
        let start = Instant::now();
        let mut slots = Slots::with_capacity(8);
        for n in 0..9_u64 {
            slots.keep(ProfileId(u128::from(n)), n, start + Duration::from_secs(n));
        }
        slots.trim();
        assert_eq!(slots.len(), 6);
        assert_eq!(slots.address(ProfileId(2)), None);
        assert_eq!(slots.address(ProfileId(3)), Some(3));
    }

    #[test]
    fn idle_customers_are_let_go_and_busy_ones_stay() {
        let start = Instant::now();
        let mut slots = Slots::with_capacity(8);
        slots.keep(ProfileId(1), 1, start);
        slots.keep(ProfileId(2), 2, start + IDLE);
        slots.sweep(start + IDLE);
        assert_eq!((slots.address(ProfileId(1)), slots.address(ProfileId(2))), (None, Some(2)));
    }
}
