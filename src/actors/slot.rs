//! Which customers of a shard are live, and which are let go. Pure.
//!
//! A customer that nothing is happening to, and whose last state the store has, can be let go at any moment between two
//! batches, by dropping the only address: its mailbox is empty then, so there is no draining state.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::ProfileId;

use super::kept::Size;

/// A customer that nothing happened to for this long is let go.
const IDLE: Duration = Duration::from_secs(5 * 60);
/// What a live customer takes beside its state, about: the actor, its places in the maps of its shard and of the resolver, and
/// what the allocator rounds up. See the live idle customer of `tidewater bench profiles`.
const ACTOR_BYTES: usize = 2_000;

#[derive(Debug)]
struct Slot<A> {
    address: A,
    touched: Instant,
    size: Size,
}

/// The live customers of a shard, by address.
#[derive(Debug)]
pub(super) struct Slots<A> {
    live: HashMap<ProfileId, Slot<A>>,
    /// Of all of them.
    total: Size,
}

impl<A> Slots<A> {
    pub(super) fn new() -> Self {
        Self { live: HashMap::new(), total: Size::default() }
    }

    pub(super) fn address(&self, profile: ProfileId) -> Option<&A> {
        self.live.get(&profile).map(|slot| &slot.address)
    }

    /// Notes that a customer is live from now on.
    pub(super) fn keep(&mut self, profile: ProfileId, address: A, now: Instant) {
        self.discard(profile);
        self.live.insert(profile, Slot { address, touched: now, size: Size::default() });
    }

    /// Notes that a live customer was busy just now, and takes so much.
    pub(super) fn touch(&mut self, profile: ProfileId, size: Size, now: Instant) {
        let Some(slot) = self.live.get_mut(&profile) else {
            debug_assert!(false, "{profile} worked and is not live: what it did would be forgotten");
            return;
        };
        self.total = self.total + size - slot.size;
        (slot.touched, slot.size) = (now, size);
    }

    /// Whether something happened to a live customer since then.
    pub(super) fn is_busy_since(&self, profile: ProfileId, since: Instant) -> bool {
        self.live.get(&profile).is_some_and(|slot| slot.touched >= since)
    }

    /// Those whose state is unpacked though nothing happened to them since before then, `limit` at most. `is_held` tells
    /// of whom that is to stay so.
    pub(super) fn at_work_since(
        &self,
        before: Instant,
        is_held: impl Fn(ProfileId) -> bool,
        limit: usize,
    ) -> Vec<ProfileId> {
        let idle =
            self.live.iter().filter(|(id, slot)| slot.size.is_at_work() && slot.touched <= before && !is_held(**id));
        let mut idle: Vec<ProfileId> = idle.map(|(id, _)| *id).collect();
        idle.sort_unstable();
        idle.truncate(limit);
        idle
    }

    /// Forgets a customer whose state cannot be trusted any more.
    pub(super) fn discard(&mut self, profile: ProfileId) {
        if let Some(slot) = self.live.remove(&profile) {
            self.total = self.total - slot.size;
        }
    }

    /// What the live customers take, about.
    pub(super) fn bytes(&self) -> usize {
        self.live.len() * ACTOR_BYTES + self.total.bytes
    }

    /// How many are live.
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// Bytes of the packed states of those that rest.
    pub(super) fn packed(&self) -> usize {
        self.total.packed
    }

    /// Lets go of those that have been idle for long. `is_held` tells who must stay.
    pub(super) fn sweep(&mut self, now: Instant, is_held: impl Fn(ProfileId) -> bool) {
        self.let_go(|profile, slot| now.saturating_duration_since(slot.touched) >= IDLE && !is_held(profile));
    }

    /// Lets go of those that were idle longest, until the others take no more than this many bytes.
    pub(super) fn trim(&mut self, bytes: usize, is_held: impl Fn(ProfileId) -> bool) {
        if self.bytes() <= bytes {
            return;
        }
        let mut idle: Vec<(Instant, ProfileId)> =
            self.live.iter().filter(|(id, _)| !is_held(**id)).map(|(id, slot)| (slot.touched, *id)).collect();
        idle.sort_unstable();
        for (_, profile) in idle {
            if self.bytes() <= bytes {
                return;
            }
            self.discard(profile);
        }
    }

    fn let_go(&mut self, goes: impl Fn(ProfileId, &Slot<A>) -> bool) {
        let total = &mut self.total;
        self.live.retain(|profile, slot| {
            let stays = !goes(*profile, slot);
            if !stays {
                *total = *total - slot.size;
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Slots<u32> {
        /// A customer that is live and takes so many bytes, all packed.
        fn live(&mut self, n: u32, bytes: usize, now: Instant) {
            let profile = ProfileId(u128::from(n));
            self.keep(profile, n, now);
            self.touch(profile, Size { bytes, packed: bytes }, now);
        }
    }

    #[test]
    fn the_longest_idle_are_let_go_first_and_the_unsaved_stay() {
        let start = Instant::now();
        let mut slots = Slots::new();
        for n in 0..9 {
            slots.live(n, 100, start + Duration::from_secs(u64::from(n)));
        }
        slots.trim(6 * (ACTOR_BYTES + 100), |profile| profile == ProfileId(0));
        assert_eq!((slots.len(), slots.bytes()), (6, 6 * (ACTOR_BYTES + 100)));
        assert_eq!((slots.address(ProfileId(0)), slots.address(ProfileId(3))), (Some(&0), None));
        assert_eq!(slots.address(ProfileId(4)), Some(&4));
        slots.trim(0, |profile| profile == ProfileId(0));
        assert_eq!(slots.len(), 1, "nobody else stays where there is no room");
    }

    #[test]
    fn who_is_not_busy_any_more_is_found_while_the_state_is_unpacked() {
        let start = Instant::now();
        let mut slots = Slots::new();
        let unpacked = Size { bytes: 500, packed: 0 };
        for (n, size) in [(1, unpacked), (2, Size { bytes: 100, packed: 100 }), (3, unpacked), (4, unpacked)] {
            slots.keep(ProfileId(n), n, start);
            slots.touch(ProfileId(n), size, start + Duration::from_secs(u64::from(n == 4)));
        }
        assert_eq!(slots.at_work_since(start, |profile| profile == ProfileId(3), 9), [ProfileId(1)]);
        assert_eq!(slots.at_work_since(start + IDLE, |_| false, 2), [ProfileId(1), ProfileId(3)]);
    }

    #[test]
    fn idle_customers_are_let_go_and_busy_ones_stay() {
        let start = Instant::now();
        let mut slots = Slots::new();
        slots.live(1, 10_000, start);
        slots.live(2, 1, start + IDLE);
        slots.live(1, 300, start);
        assert_eq!((slots.len(), slots.packed()), (2, 301), "what a customer took before does not count any more");
        assert!(slots.is_busy_since(ProfileId(2), start + IDLE) && !slots.is_busy_since(ProfileId(1), start + IDLE));
        slots.sweep(start + IDLE, |_| false);
        assert_eq!((slots.address(ProfileId(1)), slots.address(ProfileId(2))), (None, Some(&2)));
        assert_eq!((slots.packed(), slots.bytes()), (1, ACTOR_BYTES + 1));
    }
}
