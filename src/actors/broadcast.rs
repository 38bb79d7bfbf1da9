//! Entries that concern every profile of a shard: a deploy, a schedule, a rank.
//!
//! A profile takes a broadcast in before whatever comes for it next, or when the shard's sweep comes to it, whichever is
//! earlier. So a wave over millions holds up nobody, and each profile still sees everything in the order of the journal.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::{Entry, Offset, ProfileId};
use crate::workspace::Program;

/// A broadcast, and the program that decides on it.
#[derive(Debug, Clone)]
pub(super) struct Broadcast {
    pub(super) entry: Arc<Entry>,
    pub(super) program: Arc<Program>,
    /// Of a deploy: the program before it. Time up to the entry belongs to that one.
    pub(super) before: Option<Arc<Program>>,
}

/// The broadcasts that not every profile has seen, in order, and how far the sweep over them has come.
#[derive(Debug, Default)]
pub(super) struct Broadcasts {
    active: Arc<Vec<Broadcast>>,
    sweeps: VecDeque<Sweep>,
}

/// The walk over all profiles for one broadcast.
#[derive(Debug)]
struct Sweep {
    offset: Offset,
    /// Profiles that the store may not know yet.
    unsaved: VecDeque<ProfileId>,
    /// The last of the store's profiles that was visited.
    cursor: Option<ProfileId>,
}

/// Whom to visit next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Visit {
    These(Vec<ProfileId>),
    /// The store's profiles after this one.
    StoredAfter(Option<ProfileId>),
}

impl Broadcasts {
    /// Begins a broadcast; `unsaved` are the profiles that the store may not know.
    pub(super) fn begin(&mut self, broadcast: Broadcast, unsaved: Vec<ProfileId>) {
        self.sweeps.push_back(Sweep { offset: broadcast.entry.offset, unsaved: unsaved.into(), cursor: None });
        Arc::make_mut(&mut self.active).push(broadcast);
    }

    /// All that some profile may not have seen, in order.
    pub(super) fn active(&self) -> Arc<Vec<Broadcast>> {
        self.active.clone()
    }

    /// The entry from which a replay has to begin so that everyone sees all of them.
    pub(super) fn oldest(&self) -> Option<Offset> {
        self.sweeps.front().map(|sweep| sweep.offset)
    }

    /// Whom the sweep visits next, `limit` at most. `None` when there is nothing to sweep.
    pub(super) fn next(&mut self, limit: usize) -> Option<Visit> {
        let sweep = self.sweeps.front_mut()?;
        if sweep.unsaved.is_empty() {
            return Some(Visit::StoredAfter(sweep.cursor));
        }
        let count = limit.min(sweep.unsaved.len());
        Some(Visit::These(sweep.unsaved.drain(..count).collect()))
    }

    /// The store's next profiles up to here are being visited.
    pub(super) fn reached(&mut self, last: ProfileId) {
        if let Some(sweep) = self.sweeps.front_mut() {
            sweep.cursor = Some(last);
        }
    }

    /// There is nobody left to visit for the oldest broadcast.
    pub(super) fn end(&mut self) {
        self.sweeps.pop_front();
        if !self.active.is_empty() {
            Arc::make_mut(&mut self.active).remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EntryBody, Target, Timestamp};

    fn broadcast(offset: u64) -> Broadcast {
        let body = EntryBody::ScheduleFired { journey: "weekly".to_owned(), at: Timestamp(0) };
        let entry = Entry { offset: Offset(offset), received_at: Timestamp(0), target: Target::Everyone, body };
        let program = crate::workspace::compile(vec![("tidewater.yaml".to_owned(), String::new())], &|_| None).program;
        Broadcast { entry: Arc::new(entry), program: program.unwrap(), before: None }
    }

    #[test]
    fn the_unsaved_are_visited_first_and_each_broadcast_is_swept_in_its_turn() {
        let mut broadcasts = Broadcasts::default();
        assert_eq!(broadcasts.next(2), None);
        broadcasts.begin(broadcast(5), vec![ProfileId(1), ProfileId(2), ProfileId(3)]);
        broadcasts.begin(broadcast(9), Vec::new());
        assert_eq!((broadcasts.oldest(), broadcasts.active().len()), (Some(Offset(5)), 2));
        assert_eq!(broadcasts.next(2), Some(Visit::These(vec![ProfileId(1), ProfileId(2)])));
        assert_eq!(broadcasts.next(2), Some(Visit::These(vec![ProfileId(3)])));
        assert_eq!(broadcasts.next(2), Some(Visit::StoredAfter(None)));
        broadcasts.reached(ProfileId(7));
        assert_eq!(broadcasts.next(2), Some(Visit::StoredAfter(Some(ProfileId(7)))));
        broadcasts.end();
        assert_eq!((broadcasts.oldest(), broadcasts.active().len()), (Some(Offset(9)), 1));
        assert_eq!(broadcasts.next(2), Some(Visit::StoredAfter(None)));
    }
}
