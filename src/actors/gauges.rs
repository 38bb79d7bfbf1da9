//! What the platform counts of itself, for those who watch over it. It decides nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use hdrhistogram::Histogram;

use crate::engine::Fact;
use crate::model::Timestamp;
use crate::store::state::ShardCommit;

use super::memory::MemoryReading;

/// Milliseconds: longer is counted as this.
const LONGEST: u64 = 60 * 60 * 1_000;

/// Counters since the start, and how long decisions took.
#[derive(Debug)]
pub(super) struct Gauges {
    entries: AtomicU64,
    effects: AtomicU64,
    steps: AtomicU64,
    profiles_saved: AtomicU64,
    /// Of all shards together.
    counts: [AtomicUsize; 4],
    commits: AtomicU64,
    let_go: AtomicU64,
    /// By channel: whether its effects wait because the far side does not answer.
    holding: Mutex<BTreeMap<String, bool>>,
    /// From the instant of the decision's cause to the effect in the outbox, in milliseconds.
    effect_delay: Mutex<Option<Histogram<u64>>>,
}

/// How many a shard holds in memory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Profiles whose last state is not in the store yet.
    pub(super) unsaved: usize,
    /// Customers that are live.
    pub(super) live: usize,
    /// Bytes of the packed states of those that rest.
    pub(super) packed: usize,
    /// Wakes of profiles.
    pub(super) wakes: usize,
}

impl Counts {
    fn numbers(self) -> [usize; 4] {
        [self.unsaved, self.live, self.packed, self.wakes]
    }
}

/// What they say at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// Entries of the journal that were appended.
    pub entries: u64,
    /// Entries and ticks that are on their way through the shards.
    pub waiting: u64,
    /// Walks over customers, for deploys and schedules, that are to come or under way.
    pub sweeps: u64,
    /// Effects that were put into the outbox.
    pub effects: u64,
    /// Steps of journeys that were decided, durably.
    pub steps: u64,
    /// Snapshots that were written.
    pub profiles_saved: u64,
    /// Profiles whose last state is not in the store yet; the journal has what it takes to make it again.
    pub profiles_unsaved: u64,
    /// Customers that are live.
    pub customers_live: u64,
    /// Bytes of the packed states of live customers that rest.
    pub customers_live_packed: u64,
    /// Wakes of profiles that are in memory: those of the near future, and of profiles that are not saved.
    pub wakes_in_memory: u64,
    /// What is held in memory for customers, beside what may be.
    pub memory: MemoryReading,
    /// Transactions of state.
    pub commits: u64,
    /// Events of the platform, such as clicks, that came while too much waited and were let go.
    pub let_go: u64,
    /// By channel that carried something: whether its effects wait because the far side does not answer.
    pub holding: BTreeMap<String, bool>,
    /// From an entry's `received_at` (or a wake's instant) to the effect in the outbox: quantile and milliseconds.
    pub effect_delay: Vec<(f64, u64)>,
}

impl Gauges {
    pub(super) fn new() -> Self {
        Self {
            entries: AtomicU64::new(0),
            effects: AtomicU64::new(0),
            steps: AtomicU64::new(0),
            profiles_saved: AtomicU64::new(0),
            counts: Default::default(),
            commits: AtomicU64::new(0),
            let_go: AtomicU64::new(0),
            holding: Mutex::default(),
            effect_delay: Mutex::new(Histogram::new_with_max(LONGEST, 3).ok()),
        }
    }

    pub(super) fn appended(&self, entries: usize) {
        self.entries.fetch_add(entries as u64, Ordering::Relaxed);
    }

    /// An event of the platform was let go.
    pub(super) fn let_go(&self) {
        self.let_go.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts what one transaction made durable.
    pub(super) fn committed(&self, commits: &[ShardCommit], now: Timestamp) {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let steps = commits.iter().flat_map(|commit| &commit.facts);
        let steps = steps.filter(|(_, fact)| matches!(fact, Fact::Step { .. })).count();
        self.steps.fetch_add(steps as u64, Ordering::Relaxed);
        let saved: usize = commits.iter().map(|commit| commit.profiles.len()).sum();
        self.profiles_saved.fetch_add(saved as u64, Ordering::Relaxed);
        let mut effects = commits.iter().flat_map(|commit| &commit.effects).peekable();
        if effects.peek().is_none() {
            return;
        }
        let mut delays = self.effect_delay.lock().unwrap_or_else(PoisonError::into_inner);
        for effect in effects {
            self.effects.fetch_add(1, Ordering::Relaxed);
            if let Some(delays) = delays.as_mut() {
                delays.saturating_record(u64::try_from(now.0 - effect.decided_at.0).unwrap_or_default());
            }
        }
    }

    /// A shard holds this `now`, and held that `before`.
    pub(super) fn counts(&self, before: Counts, now: Counts) {
        for ((total, now), before) in self.counts.iter().zip(now.numbers()).zip(before.numbers()) {
            total.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
        }
    }

    /// Whether effects of a channel wait because its far side does not answer.
    pub(super) fn holding(&self, channel: &str, is_holding: bool) {
        let mut channels = self.holding.lock().unwrap_or_else(PoisonError::into_inner);
        channels.insert(channel.to_owned(), is_holding);
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    pub(super) fn read(&self, waiting: usize, sweeps: usize, memory: MemoryReading) -> Reading {
        let [profiles_unsaved, customers_live, customers_live_packed, wakes_in_memory] =
            self.counts.each_ref().map(|total| total.load(Ordering::Relaxed) as u64);
        let delays = self.effect_delay.lock().unwrap_or_else(PoisonError::into_inner);
        let quantile = |at: f64| delays.as_ref().map_or(0, |delays| delays.value_at_quantile(at));
        Reading {
            entries: self.entries.load(Ordering::Relaxed),
            waiting: waiting as u64,
            sweeps: sweeps as u64,
            effects: self.effects.load(Ordering::Relaxed),
            steps: self.steps.load(Ordering::Relaxed),
            profiles_saved: self.profiles_saved.load(Ordering::Relaxed),
            profiles_unsaved,
            customers_live,
            customers_live_packed,
            wakes_in_memory,
            memory,
            commits: self.commits(),
            let_go: self.let_go.load(Ordering::Relaxed),
            holding: self.holding.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            effect_delay: [0.5, 0.99, 0.999].map(|at| (at, quantile(at))).into(),
        }
    }
}
