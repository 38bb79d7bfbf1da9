//! The only clock of the platform. Everything below takes time as data.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::{Span, Timestamp};

/// Tells the time: the machine's, or one that is moved by hand (the demo, tests). Clones share it.
#[derive(Debug, Clone)]
pub struct Clock {
    by_hand: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self { by_hand: None }
    }

    /// A clock that stands still at `start` until it is moved.
    #[must_use]
    pub fn virtual_from(start: Timestamp) -> Self {
        Self { by_hand: Some(Arc::new(AtomicI64::new(start.0))) }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.by_hand {
            Some(instant) => Timestamp(instant.load(Ordering::SeqCst)),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
        }
    }

    /// Whether the clock is moved by hand.
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        self.by_hand.is_some()
    }

    /// Moves a virtual clock forward; the machine's clock is left alone.
    pub fn advance(&self, span: Span) {
        if let Some(instant) = &self.by_hand {
            instant.fetch_add(span.0.max(0), Ordering::SeqCst);
        }
    }

    /// Moves a virtual clock forward to `at`; never backwards. The machine's clock is left alone.
    pub fn set(&self, at: Timestamp) {
        if let Some(instant) = &self.by_hand {
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
}
