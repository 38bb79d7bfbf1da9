//! Which customers of a shard are live, and which are let go. Pure.
//!
//! A customer that nothing is happening to, and whose last state the store has, can be let go at any moment between two
//! batches, by dropping the only address: its mailbox is empty then, so there is no draining state.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::ProfileId;

/// A customer that nothing happened to for this long is let go.
const IDLE: Duration = Duration::from_secs(5 * 60);
/// What a live customer takes, about, however little is known of them (the actor, and maps that have room to grow), and how
/// much larger than packed (not compressed) the rest is in memory. See the live idle customer of `tidewater bench profiles`.
const ACTOR_BYTES: usize = 5_000;
const INFLATION: usize = 5;

#[derive(Debug)]
struct Slot<A> {
    address: A,
    touched: Instant,
    /// Bytes of its state, packed; 0 while they are not known.
    packed: usize,
}

/// The live customers of a shard, by address.
#[derive(Debug)]
pub(super) struct Slots<A> {
    live: HashMap<ProfileId, Slot<A>>,
    /// Of all of them.
    packed: usize,
    /// Bytes that live customers may take, about.
    budget: usize,
}

impl<A> Slots<A> {
    pub(super) fn new(budget: usize) -> Self {
        Self { live: HashMap::new(), packed: 0, budget }
    }

    pub(super) fn address(&self, profile: ProfileId) -> Option<&A> {
        self.live.get(&profile).map(|slot| &slot.address)
    }

    /// Notes that a customer is live from now on.
    pub(super) fn keep(&mut self, profile: ProfileId, address: A, now: Instant) {
        self.discard(profile);
        self.live.insert(profile, Slot { address, touched: now, packed: 0 });
    }

    /// Notes that a live customer was busy just now; `at_rest` are the bytes of its state, packed, where they are known.
    pub(super) fn touch(&mut self, profile: ProfileId, at_rest: Option<usize>, now: Instant) {
        let Some(slot) = self.live.get_mut(&profile) else { return };
        slot.touched = now;
        if let Some(packed) = at_rest {
            self.packed = self.packed + packed - slot.packed;
            slot.packed = packed;
        }
    }

    /// Forgets a customer whose state cannot be trusted any more.
    pub(super) fn discard(&mut self, profile: ProfileId) {
        if let Some(slot) = self.live.remove(&profile) {
            self.packed -= slot.packed;
        }
    }

    pub(super) fn is_over_budget(&self) -> bool {
        self.bytes() > self.budget
    }

    /// What the live customers take, about.
    fn bytes(&self) -> usize {
        self.live.len() * ACTOR_BYTES + self.packed * INFLATION
    }

    /// How many are live.
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// Bytes of the states of the live, packed, as far as they are known.
    pub(super) fn packed(&self) -> usize {
        self.packed
    }

    /// Lets go of those that have been idle for long. `is_held` tells who must stay.
    pub(super) fn sweep(&mut self, now: Instant, is_held: impl Fn(ProfileId) -> bool) {
        self.let_go(|profile, slot| now.saturating_duration_since(slot.touched) >= IDLE && !is_held(profile));
    }

    /// Keeps the live customers near the budget by letting go of those that were idle longest; trims to three quarters,
    /// so that it is not done each time.
    pub(super) fn trim(&mut self, is_held: impl Fn(ProfileId) -> bool) {
        if !self.is_over_budget() {
            return;
        }
        let mut idle: Vec<(Instant, ProfileId)> =
            self.live.iter().filter(|(id, _)| !is_held(**id)).map(|(id, slot)| (slot.touched, *id)).collect();
        idle.sort_unstable();
        for (_, profile) in idle {
            if self.bytes() <= self.budget / 4 * 3 {
                return;
            }
            self.discard(profile);
        }
    }

    fn let_go(&mut self, goes: impl Fn(ProfileId, &Slot<A>) -> bool) {
        let packed = &mut self.packed;
        self.live.retain(|profile, slot| {
            let stays = !goes(*profile, slot);
            if !stays {
                *packed -= slot.packed;
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_are_let_go_first_and_the_unsaved_stay() {
        let start = Instant::now();
        let mut slots = Slots::new(8 * ACTOR_BYTES);
        for n in 0..9_u64 {
            slots.keep(ProfileId(u128::from(n)), n, start + Duration::from_secs(n));
        }
        slots.trim(|profile| profile == ProfileId(0));
        assert_eq!(slots.len(), 6);
        assert_eq!((slots.address(ProfileId(0)), slots.address(ProfileId(3))), (Some(&0), None));
        assert_eq!(slots.address(ProfileId(4)), Some(&4));
    }

    #[test]
    fn idle_customers_are_let_go_and_busy_ones_stay() {
        let start = Instant::now();
        let mut slots = Slots::new(8 * ACTOR_BYTES);
        slots.keep(ProfileId(1), 1, start);
        slots.touch(ProfileId(1), Some(10_000), start);
        slots.keep(ProfileId(2), 2, start + IDLE);
        assert!(slots.is_over_budget());
        slots.touch(ProfileId(1), None, start);
        assert_eq!((slots.len(), slots.packed()), (2, 10_000), "what is known of a state is not forgotten");
        slots.sweep(start + IDLE, |_| false);
        assert_eq!((slots.address(ProfileId(1)), slots.address(ProfileId(2))), (None, Some(&2)));
        assert_eq!(slots.packed(), 0);
        assert!(!slots.is_over_budget());
    }
}
