//! The only clock of the platform. Everything below takes time as data.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::{Span, Timestamp};

/// Tells the time: the machine's, or one that is moved by hand (the demo, tests). Clones share it.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Machine(Arc<Mutex<Guard>>),
    Hand(Arc<AtomicI64>),
}

/// Leaps of the machine's clock that are not believed. Smaller ones are corrections, and followed.
const LEAP: Span = Span::HOUR;

/// Holds the machine's wall clock against its steady one. A wall clock that leaps would end every wait that falls into the
/// leap, and nobody could take the messages back; so time goes on from before, until the next start.
#[derive(Debug)]
struct Guard {
    steady: Duration,
    wall: Timestamp,
    has_leapt: bool,
}

impl Guard {
    /// The present, from what both clocks say.
    fn read(&mut self, steady: Duration, wall: Timestamp) -> Timestamp {
        let passed = i64::try_from(steady.saturating_sub(self.steady).as_millis()).unwrap_or(i64::MAX);
        let expected = self.wall + Span(passed);
        let is_leap = wall.0.abs_diff(expected.0) > LEAP.0.unsigned_abs();
        if is_leap && !self.has_leapt {
            tracing::error!(
                says = %wall, expected = %expected,
                "the machine's clock has leapt; time goes on from before. If the clock is right now, restart the server"
            );
        }
        self.has_leapt = is_leap;
        self.steady = steady;
        self.wall = if is_leap { expected } else { wall };
        self.wall
    }
}

fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Time since the first time that anyone asked, by a clock that nobody can set.
fn steady_clock() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

impl Clock {
    /// The machine's clock, guarded against leaps.
    #[must_use]
    pub fn system() -> Self {
        let guard = Guard { steady: steady_clock(), wall: wall_clock(), has_leapt: false };
        Self { source: Source::Machine(Arc::new(Mutex::new(guard))) }
    }

    /// A clock that stands still at `start` until it is moved.
    #[must_use]
    pub fn virtual_from(start: Timestamp) -> Self {
        Self { source: Source::Hand(Arc::new(AtomicI64::new(start.0))) }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::Hand(instant) => Timestamp(instant.load(Ordering::SeqCst)),
            Source::Machine(guard) => {
                let mut guard = guard.lock().unwrap_or_else(PoisonError::into_inner);
                guard.read(steady_clock(), wall_clock())
            }
        }
    }

    /// Whether the clock is moved by hand.
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        matches!(self.source, Source::Hand(_))
    }

    /// Moves a virtual clock forward; the machine's clock is left alone.
    pub fn advance(&self, span: Span) {
        if let Source::Hand(instant) = &self.source {
            instant.fetch_add(span.0.max(0), Ordering::SeqCst);
        }
    }

    /// Moves a virtual clock forward to `at`; never backwards. The machine's clock is left alone.
    pub fn set(&self, at: Timestamp) {
        if let Source::Hand(instant) = &self.source {
            instant.fetch_max(at.0, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_moves_only_forward_and_for_all_its_clones() {
        let clock = Clock::virtual_from(Timestamp(1_000));
        let other = clock.clone();
        clock.advance(Span(500));
        assert_eq!(other.now(), Timestamp(1_500));
        other.set(Timestamp(1_200));
        assert_eq!(clock.now(), Timestamp(1_500));
    }

    #[test]
    fn small_corrections_are_followed_and_leaps_are_not() {
        let mut guard = Guard { steady: Duration::ZERO, wall: Timestamp(0), has_leapt: false };
        let second = |n: u64| Duration::from_secs(n);
        assert_eq!(guard.read(second(1), Timestamp(1_250)), Timestamp(1_250), "a step of a quarter of a second");
        let year = Span::DAY.times(365).0;
        assert_eq!(guard.read(second(2), Timestamp(year)), Timestamp(2_250), "a year in a second");
        assert_eq!(guard.read(second(5), Timestamp(year + 3_000)), Timestamp(5_250), "time goes on from before");
        assert_eq!(guard.read(second(6), Timestamp(6_100)), Timestamp(6_100), "the clock was set right again");
        let back = Timestamp(-2 * Span::HOUR.0);
        assert_eq!(guard.read(second(7), back), Timestamp(7_100), "nor does time stand still for hours");
    }
}
