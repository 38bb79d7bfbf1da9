//! What is held in memory for customers, beside what `memory` in `tidewater.yaml` allows: the one account of bytes.
//!
//! Each shard has an equal share of it. When what a shard holds comes near to that, it saves sooner what is not saved yet, and
//! lets go of customers that rest. Where that does not do, because the store is slower than the sources, all of it is full
//! in the end, and sources are asked to come back later.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::limit::SHARDS;

/// What a shard holds, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Customers that are live.
    pub(super) customers: usize,
    /// What is to be told together with states that are not saved yet.
    pub(super) unsaved: usize,
    /// Commits that gather or are on their way to the store.
    pub(super) saving: usize,
}

impl Held {
    pub(super) fn sum(self) -> usize {
        self.customers + self.unsaved + self.saving
    }

    fn parts(self) -> [usize; 3] {
        [self.customers, self.unsaved, self.saving]
    }
}

/// How much a shard may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share(usize);

impl Share {
    /// From here on a shard makes room. The rest is for what waits to be worked on.
    pub(super) fn is_full(self, held: Held) -> bool {
        held.sum() > self.0 / 8 * 7
    }

    /// What customers may keep when room is made: a little less, so that it is not made again at once.
    pub(super) fn for_customers(self, held: Held) -> usize {
        (self.0 / 4 * 3).saturating_sub(held.unsaved + held.saving)
    }

    /// Whether there is so much to tell that its states are to be saved soon.
    pub(super) fn is_much_unsaved(self, held: Held) -> bool {
        held.unsaved > self.0 / 2
    }

    /// Whether a shard waits for its writer.
    pub(super) fn is_much_saving(self, bytes: usize) -> bool {
        bytes > self.0 / 2
    }
}

/// All that is held, by part.
#[derive(Debug)]
pub(super) struct Memory {
    allowed: usize,
    /// Of all shards together, as in [`Held`].
    held: [AtomicUsize; 3],
    /// Events on their way to the journal, and entries on their way through the shards.
    waiting: AtomicUsize,
}

/// Bytes by part, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryReading {
    pub allowed: usize,
    pub customers: usize,
    pub unsaved: usize,
    pub saving: usize,
    pub waiting: usize,
}

impl Memory {
    pub(super) fn new(allowed: usize) -> Self {
        Self { allowed, held: Default::default(), waiting: AtomicUsize::new(0) }
    }

    /// Of one shard.
    pub(super) fn share(&self) -> Share {
        Share(self.allowed / usize::from(SHARDS))
    }

    /// A shard holds this `now`, and held that `before`.
    pub(super) fn held(&self, before: Held, now: Held) {
        for ((total, now), before) in self.held.iter().zip(now.parts()).zip(before.parts()) {
            // In one step, as `is_full` may look in between.
            total.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
        }
    }

    /// So much more waits.
    pub(super) fn waits(&self, bytes: usize) {
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So much less waits.
    pub(super) fn is_done(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether sources have to wait.
    pub(super) fn is_full(&self) -> bool {
        let MemoryReading { allowed, customers, unsaved, saving, waiting } = self.read();
        customers + unsaved + saving + waiting >= allowed
    }

    pub(super) fn read(&self) -> MemoryReading {
        let [customers, unsaved, saving] = self.held.each_ref().map(|total| total.load(Ordering::Relaxed));
        let waiting = self.waiting.load(Ordering::Relaxed);
        MemoryReading { allowed: self.allowed, customers, unsaved, saving, waiting }
    }
}

/// Events on their way to the journal: they wait until this is dropped.
pub(super) struct Waiting<'a> {
    memory: &'a Memory,
    bytes: usize,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(memory: &'a Memory, bytes: usize) -> Self {
        memory.waits(bytes);
        Self { memory, bytes }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.memory.is_done(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_and_what_shards_hold_counts_together() {
        let memory = Memory::new(1_000);
        let held = Held { customers: 300, unsaved: 200, saving: 100 };
        memory.held(Held::default(), held);
        assert!(!memory.is_full());
        let waiting = Waiting::new(&memory, 400);
        assert!(memory.is_full());
        memory.held(held, Held { unsaved: 150, ..held });
        assert!(!memory.is_full());
        drop(waiting);
        assert_eq!(
            memory.read(),
            MemoryReading { allowed: 1_000, customers: 300, unsaved: 150, saving: 100, waiting: 0 }
        );
    }

    #[test]
    fn customers_give_way_to_what_is_not_saved() {
        let share = Share(8_000);
        let held = Held { customers: 6_500, unsaved: 400, saving: 100 };
        assert!(!share.is_full(held));
        let held = Held { unsaved: 1_500, ..held };
        assert_eq!((share.is_full(held), share.for_customers(held)), (true, 4_400));
        assert_eq!(share.for_customers(Held { unsaved: 9_000, ..held }), 0);
    }
}
