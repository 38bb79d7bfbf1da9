//! Whether a far side that does not answer is called at all: after some silence in a row nobody is sent there for a
//! while, then one to see. Time is passed in.

use crate::model::{Span, Timestamp};

/// Tries in a row that met silence.
const PATIENCE: u32 = 5;
const FIRST_PAUSE: Span = Span::SECOND.times(15);
const LONGEST_PAUSE: Span = Span::MINUTE.times(15);

/// What a channel knows of its far side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// It answers, as far as we know.
    Closed { silences: u32 },
    /// It does not: nobody is sent there before `until`.
    Open { until: Timestamp, pause: Span },
    /// One is on the way to see.
    Trial { pause: Span },
}

/// How a try went, as far as the far side is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// It said something, were it no.
    Answered,
    /// It could not be reached, or fell silent.
    Silent,
}

impl Breaker {
    #[must_use]
    pub fn new() -> Self {
        Self::Closed { silences: 0 }
    }

    /// How many may be sent there.
    #[must_use]
    pub fn room(&self, now: Timestamp) -> usize {
        match self {
            Self::Closed { .. } => usize::MAX,
            Self::Open { until, .. } => usize::from(*until <= now),
            Self::Trial { .. } => 0,
        }
    }

    /// When somebody may be sent there again.
    #[must_use]
    pub fn opens_at(&self) -> Option<Timestamp> {
        match self {
            Self::Open { until, .. } => Some(*until),
            Self::Closed { .. } | Self::Trial { .. } => None,
        }
    }

    /// Whether effects wait because the far side does not answer.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        !matches!(self, Self::Closed { .. })
    }

    /// A try is begun.
    #[must_use]
    pub fn began(self) -> Self {
        match self {
            Self::Open { pause, .. } => Self::Trial { pause },
            other => other,
        }
    }

    /// A try ended.
    #[must_use]
    pub fn ended(self, contact: Contact, now: Timestamp) -> Self {
        match (self, contact) {
            // Also from one that was begun before: it is there after all.
            (_, Contact::Answered) => Self::new(),
            (Self::Closed { silences }, Contact::Silent) if silences + 1 < PATIENCE => {
                Self::Closed { silences: silences + 1 }
            }
            (Self::Closed { .. }, Contact::Silent) => Self::Open { until: now + FIRST_PAUSE, pause: FIRST_PAUSE },
            (Self::Trial { pause }, Contact::Silent) => {
                let pause = pause.times(2).min(LONGEST_PAUSE);
                Self::Open { until: now + pause, pause }
            }
            // Others that were under way when it opened say nothing new.
            (Self::Open { .. }, Contact::Silent) => self,
        }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_in_a_row_opens_it_and_an_answer_in_between_does_not() {
        let now = Timestamp(0);
        let silent = |breaker: Breaker, times: u32| {
            (0..times).fold(breaker, |breaker, _| breaker.began().ended(Contact::Silent, now))
        };
        let patient = silent(Breaker::new(), PATIENCE - 1);
        assert_eq!(patient.room(now), usize::MAX);
        let again = silent(patient.ended(Contact::Answered, now), PATIENCE - 1);
        assert!(!again.is_holding());
        let open = silent(again, 1);
        assert_eq!((open.room(now), open.opens_at()), (0, Some(now + FIRST_PAUSE)));
        assert_eq!(silent(open.ended(Contact::Silent, now), 0), open, "what was under way changes nothing");
    }

    #[test]
    fn one_goes_to_see_and_the_pause_grows_up_to_its_bound() {
        let mut breaker = Breaker::Open { until: Timestamp(0) + FIRST_PAUSE, pause: FIRST_PAUSE };
        let mut expected = FIRST_PAUSE;
        for _ in 0..10 {
            let until = breaker.opens_at().unwrap();
            assert_eq!((breaker.room(until - Span(1)), breaker.room(until)), (0, 1));
            breaker = breaker.began();
            assert_eq!((breaker.room(until), breaker.opens_at()), (0, None), "one, not two");
            breaker = breaker.ended(Contact::Silent, until);
            expected = expected.times(2).min(LONGEST_PAUSE);
            assert_eq!(breaker.opens_at(), Some(until + expected));
        }
        assert_eq!(expected, LONGEST_PAUSE);
        assert_eq!(breaker.began().ended(Contact::Answered, Timestamp(9)), Breaker::new());
    }
}
