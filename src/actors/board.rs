//! What actors on different threads know of each other without asking: a few numbers and the programs in use.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::model::limit::SHARDS;
use crate::model::weight::Weight;
use crate::model::{Entry, ShardId, Timestamp};
use crate::workspace::Program;

use super::Clock;
use super::gauges::Gauges;
use super::memory::Memory;

/// Entries that may be journaled and not yet applied before sources are asked to come back later. What the platform
/// itself reports (outcomes, relays, schedules) is always taken: its amount is bounded by what was decided before.
pub const WAITING_LIMIT: usize = 50_000;

/// What may be in trouble by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Journal,
    State,
    Shards,
}

/// How much is on its way through the shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) items: usize,
    pub(super) bytes: usize,
}

impl Amount {
    /// Of what takes no memory to speak of, or is one for all shards.
    pub(super) fn of(items: usize) -> Self {
        Self { items, bytes: 0 }
    }

    /// An entry for one profile.
    pub(super) fn of_entry(entry: &Arc<Entry>) -> Self {
        Self { items: 1, bytes: entry.held() }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.items += more.items;
        self.bytes += more.bytes;
    }
}

/// Shared by all actors of one platform.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) clock: Clock,
    /// The journal's time: it may run a little ahead of a clock that stands still or was set back.
    journal_time: AtomicI64,
    waiting: AtomicUsize,
    waiting_limit: usize,
    /// Shards' walks over all their profiles that are under way.
    sweeps: AtomicUsize,
    shards: Vec<Gauge>,
    is_stopping: AtomicBool,
    trouble: RwLock<BTreeMap<Part, String>>,
    programs: RwLock<BTreeMap<String, Arc<Program>>>,
    in_force: RwLock<Arc<Program>>,
    pub(super) gauges: Gauges,
    pub(super) memory: Memory,
}

#[derive(Debug)]
struct Gauge {
    /// The first instant at which a profile of the shard may have to be woken.
    earliest_wake: AtomicI64,
    /// A tick is on its way: another would tell the shard nothing that it will not hear.
    is_ticked: AtomicBool,
}

impl Board {
    /// `memory`: bytes that may be held for customers.
    pub(super) fn new(clock: Clock, program: Arc<Program>, memory: usize, waiting_limit: usize) -> Self {
        let gauge = || Gauge { earliest_wake: AtomicI64::new(Timestamp::MAX.0), is_ticked: AtomicBool::new(false) };
        Self {
            clock,
            journal_time: AtomicI64::new(Timestamp::MIN.0),
            waiting: AtomicUsize::new(0),
            waiting_limit,
            sweeps: AtomicUsize::new(0),
            shards: (0..SHARDS).map(|_| gauge()).collect(),
            is_stopping: AtomicBool::new(false),
            trouble: RwLock::new(BTreeMap::new()),
            programs: RwLock::new([(program.version.clone(), program.clone())].into()),
            in_force: RwLock::new(program),
            gauges: Gauges::new(),
            memory: Memory::new(memory),
        }
    }

    /// The present, never before what the journal holds.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now().max(Timestamp(self.journal_time.load(Ordering::SeqCst)))
    }

    /// Notes that something was received at this instant.
    pub(super) fn note_journal_time(&self, at: Timestamp) {
        self.journal_time.fetch_max(at.0, Ordering::SeqCst);
    }

    /// Entries and ticks that are on their way through the shards.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(super) fn sent_to_shard(&self, Amount { items, bytes }: Amount) {
        self.waiting.fetch_add(items, Ordering::SeqCst);
        self.memory.waits(bytes);
    }

    pub(super) fn done_by_shard(&self, Amount { items, bytes }: Amount) {
        self.waiting.fetch_sub(items, Ordering::SeqCst);
        self.memory.is_done(bytes);
    }

    /// Walks of shards over all their profiles that are to come or under way.
    pub(super) fn sweeps(&self) -> usize {
        self.sweeps.load(Ordering::SeqCst)
    }

    pub(super) fn add_sweeps(&self, count: usize) {
        self.sweeps.fetch_add(count, Ordering::SeqCst);
    }

    pub(super) fn end_sweep(&self) {
        self.sweeps.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether sources have to wait.
    pub(super) fn is_full(&self) -> bool {
        self.waiting() >= self.waiting_limit || self.memory.is_full()
    }

    pub(super) fn set_earliest_wake(&self, shard: ShardId, at: Timestamp) {
        self.gauge(shard).earliest_wake.store(at.0, Ordering::SeqCst);
    }

    /// Whether a profile of the shard has a wake at or before `up_to`.
    pub(super) fn is_due(&self, shard: ShardId, up_to: Timestamp) -> bool {
        self.gauge(shard).earliest_wake.load(Ordering::SeqCst) <= up_to.0
    }

    /// Whether any profile has a wake at or before `up_to`.
    pub(super) fn is_any_due(&self, up_to: Timestamp) -> bool {
        self.shards.iter().any(|gauge| gauge.earliest_wake.load(Ordering::SeqCst) <= up_to.0)
    }

    /// Marks that a tick is under way; false if one was already.
    pub(super) fn begin_tick(&self, shard: ShardId) -> bool {
        !self.gauge(shard).is_ticked.swap(true, Ordering::SeqCst)
    }

    pub(super) fn end_tick(&self, shard: ShardId) {
        self.gauge(shard).is_ticked.store(false, Ordering::SeqCst);
    }

    fn gauge(&self, shard: ShardId) -> &Gauge {
        &self.shards[usize::from(shard.0)]
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    /// Why nothing can be taken from sources, if so.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.read().unwrap_or_else(PoisonError::into_inner).values().next().cloned()
    }

    pub(super) fn set_trouble(&self, part: Part, reason: String) {
        self.trouble.write().unwrap_or_else(PoisonError::into_inner).insert(part, reason);
    }

    /// This part is well again.
    pub(super) fn end_trouble(&self, part: Part) {
        self.trouble.write().unwrap_or_else(PoisonError::into_inner).remove(&part);
    }

    /// Makes a program known under the version that the journal names it by.
    pub(super) fn add_program(&self, version: &str, program: Arc<Program>) {
        let mut programs = self.programs.write().unwrap_or_else(PoisonError::into_inner);
        programs.insert(version.to_owned(), program);
    }

    /// The program that was deployed last.
    pub(super) fn in_force(&self) -> Arc<Program> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn put_in_force(&self, program: Arc<Program>) {
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = program;
    }

    pub(super) fn program(&self, version: &str) -> Option<Arc<Program>> {
        self.programs.read().unwrap_or_else(PoisonError::into_inner).get(version).cloned()
    }
}
