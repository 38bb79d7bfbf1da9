//! What a shard holds in memory, beside its share of what is allowed.

use super::super::board::Board;
use super::super::gauges::Counts;
use super::super::memory::{Held, Share};
use super::{BATCH, Shard};

/// How much a shard may hold, and what others know of what it holds.
pub(super) struct Holding {
    pub(super) share: Share,
    held: Held,
    counts: Counts,
}

impl Holding {
    pub(super) fn new(share: Share) -> Self {
        Self { share, held: Held::default(), counts: Counts::default() }
    }

    fn tell(&mut self, board: &Board, held: Held, counts: Counts) {
        board.memory.held(std::mem::replace(&mut self.held, held), held);
        board.gauges.counts(std::mem::replace(&mut self.counts, counts), counts);
    }
}

impl Shard {
    pub(super) fn held(&self) -> Held {
        Held { customers: self.slots.bytes(), unsaved: self.unsaved.bytes(), saving: self.pending.bytes() }
    }

    /// Whether what is to be saved is so much that the shard waits for its writer.
    pub(super) fn is_pending_full(&self) -> bool {
        self.pending.is_full() || self.holding.share.is_much_saving(self.pending.bytes())
    }

    /// Tells others what this shard holds now.
    pub(super) fn tell(&mut self) {
        let Self { unsaved, slots, wakes, .. } = &*self;
        let counts =
            Counts { unsaved: unsaved.behind(), live: slots.len(), packed: slots.packed(), wakes: wakes.len() };
        self.holding.tell(&self.board, self.held(), counts);
    }

    /// Tells others when a profile of this shard is to be woken next.
    pub(super) fn tell_wakes(&self) {
        self.board.set_earliest_wake(self.id, self.wakes.earliest());
    }

    /// Keeps what the shard holds near its share.
    pub(super) fn make_room(&mut self) {
        let (share, held) = (self.holding.share, self.held());
        if !share.is_full(held) {
            return;
        }
        if self.to_save.is_empty() {
            self.to_save.extend(self.unsaved.oldest_of(BATCH));
        }
        let unsaved = &self.unsaved;
        self.slots.trim(share.for_customers(held), |profile| unsaved.holds(profile));
    }
}
