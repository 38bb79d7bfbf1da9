//! What waits for a shard, in the order of the journal, and how far the shard has come in it. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::model::{Entry, EntryBody, Offset, ProfileId, Target, Timestamp};

use super::super::board::Amount;
use super::super::customer::Task;
use super::Item;

#[derive(Debug)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    /// All entries up to here were worked on.
    applied: Offset,
    /// All wakes up to here are due.
    now: Timestamp,
    /// Nothing came since the last look.
    is_quiet: bool,
}

/// What is to be done next of what waits.
#[derive(Debug)]
pub(super) enum Next {
    /// An entry that was worked on before the last stop.
    Known(Arc<Entry>),
    /// An entry for everyone.
    Broadcast(Arc<Entry>),
    /// Entries for profiles, as a batch.
    Entries(BTreeMap<ProfileId, Arc<Task>>, Portion),
    /// Time has passed.
    Tick,
    Checkpoint,
}

/// A piece of the queue that a batch is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Portion {
    /// Its last entry: the shard has come so far when the batch is done.
    pub(super) end: Offset,
    pub(super) amount: Amount,
}

impl Queue {
    /// `applied`: the last entry that the shard has worked on.
    pub(super) fn new(applied: Offset) -> Self {
        Self { items: VecDeque::new(), applied, now: Timestamp::MIN, is_quiet: true }
    }

    pub(super) fn feed(&mut self, items: Vec<Item>) {
        self.is_quiet = false;
        self.items.extend(items);
    }

    pub(super) fn applied(&self) -> Offset {
        self.applied
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Looks again from now on whether anything comes.
    pub(super) fn look(&mut self) {
        self.is_quiet = self.items.is_empty();
    }

    /// Whether the next is a broadcast that profiles can take in only with their histories.
    pub(super) fn asks_for_history(&self) -> bool {
        let Some(Item::Entry(entry)) = self.items.front() else { return false };
        let asks = matches!(&entry.body, EntryBody::Deploy(deploy) if !deploy.unknown.is_empty());
        asks && entry.offset > self.applied && entry.target == Target::Everyone
    }

    /// Takes out what is next, `limit` entries at most.
    pub(super) fn next(&mut self, limit: usize) -> Option<Next> {
        Some(match self.items.pop_front()? {
            Item::Entry(entry) if entry.offset <= self.applied => Next::Known(entry),
            Item::Entry(entry) => match entry.target {
                Target::Everyone => {
                    self.applied = entry.offset;
                    Next::Broadcast(entry)
                }
                Target::Profile(profile) => self.entries(profile, entry, limit),
            },
            Item::Tick { up_to, head } => {
                (self.now, self.applied) = (self.now.max(up_to), self.applied.max(head));
                Next::Tick
            }
            Item::Checkpoint { head } => {
                self.applied = self.applied.max(head);
                Next::Checkpoint
            }
        })
    }

    /// Takes out also what follows of entries for profiles.
    fn entries(&mut self, profile: ProfileId, entry: Arc<Entry>, limit: usize) -> Next {
        let mut portion = Portion { end: entry.offset, amount: Amount::of_entry(&entry) };
        let mut tasks: BTreeMap<ProfileId, Vec<Arc<Entry>>> = [(profile, vec![entry])].into();
        while portion.amount.items < limit
            && let Some(Item::Entry(entry)) = self.items.front()
            && let Target::Profile(profile) = entry.target
        {
            portion.end = entry.offset;
            portion.amount.add(Amount::of_entry(entry));
            tasks.entry(profile).or_default().push(entry.clone());
            self.items.pop_front();
        }
        let tasks = tasks.into_iter().map(|(profile, entries)| (profile, Arc::new(Task::Entries(entries)))).collect();
        Next::Entries(tasks, portion)
    }

    /// The batch was worked on that was made of this.
    pub(super) fn worked_on(&mut self, portion: Portion) {
        self.applied = portion.end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(offset: u64, target: Target) -> Item {
        let body = EntryBody::ScheduleFired { journey: "weekly".to_owned(), at: Timestamp(0) };
        Item::Entry(Arc::new(Entry { offset: Offset(offset), received_at: Timestamp(0), target, body }))
    }

    fn of(offset: u64, profile: u128) -> Item {
        entry(offset, Target::Profile(ProfileId(profile)))
    }

    #[test]
    fn entries_for_profiles_are_taken_together_up_to_what_concerns_everyone() {
        let mut queue = Queue::new(Offset(1));
        queue.feed(vec![of(1, 7), of(2, 7), of(3, 8), of(4, 7), entry(5, Target::Everyone), of(6, 7)]);
        let Some(Next::Known(known)) = queue.next(9) else { panic!("it was worked on before") };
        assert_eq!((known.offset, queue.applied()), (Offset(1), Offset(1)));
        let Some(Next::Entries(tasks, portion)) = queue.next(9) else { panic!("entries come next") };
        assert_eq!((portion.end, portion.amount.items), (Offset(4), 3));
        let count = |profile| match &*tasks[&ProfileId(profile)] {
            Task::Entries(entries) => entries.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!((tasks.len(), count(7), count(8)), (2, 2, 1));
        assert_eq!(queue.applied(), Offset(1), "not before the batch is done");
        queue.worked_on(portion);
        assert_eq!(queue.applied(), Offset(4));
        let Some(Next::Broadcast(_)) = queue.next(9) else { panic!("a broadcast comes next") };
        assert_eq!(queue.applied(), Offset(5));
    }

    #[test]
    fn a_batch_is_of_so_many_entries_and_no_more() {
        let mut queue = Queue::new(Offset(0));
        queue.feed((1..=5).map(|offset| of(offset, 7)).collect());
        let ends = std::iter::from_fn(|| match queue.next(2)? {
            Next::Entries(_, portion) => Some(portion.end.0),
            other => panic!("{other:?}"),
        });
        assert_eq!(ends.collect::<Vec<_>>(), [2, 4, 5]);
    }

    #[test]
    fn time_passes_in_the_order_of_the_journal_and_never_backwards() {
        let mut queue = Queue::new(Offset(3));
        queue.feed(vec![Item::Tick { up_to: Timestamp(50), head: Offset(9) }]);
        queue.feed(vec![Item::Tick { up_to: Timestamp(40), head: Offset(8) }, Item::Checkpoint { head: Offset(11) }]);
        while queue.next(9).is_some() {}
        assert_eq!((queue.now(), queue.applied()), (Timestamp(50), Offset(11)));
        assert!(!queue.is_quiet());
        queue.look();
        assert!(queue.is_quiet());
    }
}
