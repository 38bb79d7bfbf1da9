//! What the engine failed on: it is done again, carefully, when everything before is saved; what fails then is set aside.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::{Offset, ProfileId};

use super::super::batch::Mode;
use super::super::customer::{Poison, Task};
use super::{Choice, Plan, Shard};

#[derive(Debug, Default)]
pub(super) struct Again {
    waiting: VecDeque<(ProfileId, Arc<Task>)>,
    /// The first entry of what is being done again.
    from: Option<Offset>,
}

impl Again {
    /// Whether nothing is to be done again, apart from what is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn add(&mut self, profile: ProfileId, task: Arc<Task>) {
        self.waiting.push_back((profile, task));
    }

    /// Takes out what is done again now: one profile's task, and its first entry.
    fn begin(&mut self) -> Option<(ProfileId, Arc<Task>, Option<Offset>)> {
        let (profile, task) = self.waiting.pop_front()?;
        self.from = task.first();
        Some((profile, task, self.from))
    }

    /// A batch is over: if it did something again, that is done.
    pub(super) fn end(&mut self) {
        self.from = None;
    }

    /// The first entry of all that is or was to be done again and is not done.
    pub(super) fn oldest(&self) -> Option<Offset> {
        self.waiting.iter().filter_map(|(_, task)| task.first()).chain(self.from).min()
    }
}

impl Shard {
    /// The next of what is to be done again, one customer at a time.
    pub(super) fn careful(&mut self) -> Choice {
        // What was emitted is in the store first: what is loaded from there then emits nothing when it is done again.
        if !self.pending.is_all_saved() {
            return Choice::Nothing;
        }
        let after = self.replay_after();
        let Some((profile, task, first)) = self.again.begin() else { return Choice::Nothing };
        let known = first.map_or(self.queue.applied(), |first| Offset(first.0 - 1));
        Choice::Batch(Plan { tasks: [(profile, task)].into(), mode: Mode::Careful { after, known }, portion: None })
    }

    /// Keeps what the engine failed on, and passes over it from now on.
    pub(super) fn set_aside(&mut self, poison: Poison) {
        let Some(skip) = self.pending.quarantine(poison, self.queue.applied()) else { return };
        let after = self.replay_after();
        self.in_force.pass_over(skip, after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Entry, EntryBody, Target, Timestamp};

    fn entries(profile: ProfileId, offset: u64) -> Arc<Task> {
        let body = EntryBody::ScheduleFired { journey: "weekly".to_owned(), at: Timestamp(0) };
        let target = Target::Profile(profile);
        Arc::new(Task::Entries(vec![Arc::new(Entry {
            offset: Offset(offset),
            received_at: Timestamp(0),
            target,
            body,
        })]))
    }

    #[test]
    fn a_replay_finds_what_failed_until_it_was_done_again() {
        let (ada, bob) = (ProfileId(1), ProfileId(2));
        let mut again = Again::default();
        again.add(ada, entries(ada, 4));
        again.add(bob, entries(bob, 7));
        again.add(ada, Arc::new(Task::CatchUp));
        let begun = again.begin().map(|(profile, _, first)| (profile, first));
        assert_eq!((begun, again.oldest()), (Some((ada, Some(Offset(4)))), Some(Offset(4))));
        again.end();
        assert_eq!(again.oldest(), Some(Offset(7)));
        again.begin();
        again.end();
        assert_eq!((again.oldest(), again.is_empty()), (None, false), "what has no entry is done again as well");
        again.begin();
        assert!(again.is_empty());
    }
}
