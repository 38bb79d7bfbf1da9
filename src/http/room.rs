//! What bodies of requests take while they arrive, all of them together: a bound that no number of senders passes.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::limit::BATCH_BYTES;

/// The part of `memory` that bodies may take.
const PART: usize = 8;
/// Bytes that they may take however little `memory` is: a batch of the largest must come through.
const AT_LEAST: usize = 2 * BATCH_BYTES;

/// The room for bodies.
#[derive(Debug)]
pub(super) struct Room {
    allowed: usize,
    taken: AtomicUsize,
    /// Of it, by those who have shown no key yet. They leave half of it to the others.
    by_strangers: AtomicUsize,
}

impl Room {
    /// `memory`: bytes that the settings allow in all.
    pub(super) fn new(memory: usize) -> Self {
        Self { allowed: (memory / PART).max(AT_LEAST), taken: AtomicUsize::new(0), by_strangers: AtomicUsize::new(0) }
    }

    /// A place for one body, of nothing yet; it is given back when it is dropped.
    pub(super) fn place(&self, is_stranger: bool) -> Place<'_> {
        Place { room: self, is_stranger, bytes: 0 }
    }
}

/// What one body takes.
#[derive(Debug)]
pub(super) struct Place<'a> {
    room: &'a Room,
    is_stranger: bool,
    bytes: usize,
}

impl Place<'_> {
    /// Takes so many bytes in all; false where there is no room for them.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let Room { allowed, taken, by_strangers } = self.room;
        if self.is_stranger && !take(by_strangers, more, allowed / 2) {
            return false;
        }
        if !take(taken, more, *allowed) {
            if self.is_stranger {
                by_strangers.fetch_sub(more, Ordering::Relaxed);
            }
            return false;
        }
        self.bytes += more;
        true
    }

    /// Gives back what it takes.
    pub(super) fn empty(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.room.taken.fetch_sub(bytes, Ordering::Relaxed);
        if self.is_stranger {
            self.room.by_strangers.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.empty();
    }
}

fn take(taken: &AtomicUsize, more: usize, allowed: usize) -> bool {
    let added = |taken: usize| taken.checked_add(more).filter(|sum| *sum <= allowed);
    taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bodies_share_one_room_and_strangers_half_of_it() {
        let room = Room::new(0);
        let (half, whole) = (room.allowed / 2, room.allowed);
        let (mut stranger, mut other) = (room.place(true), room.place(true));
        assert!(stranger.grow(half - 10) && stranger.grow(half - 10) && other.grow(10));
        assert!(!other.grow(11), "half of it is full");
        let mut known = room.place(false);
        assert!(known.grow(half) && !known.grow(half + 1), "the other half is not");
        drop(stranger);
        assert!(!other.grow(half + 1) && known.grow(whole - 10) && !other.grow(11));
        known.empty();
        assert!(other.grow(half));
        drop((known, other));
        assert_eq!((room.taken.into_inner(), room.by_strangers.into_inner()), (0, 0));
    }
}
