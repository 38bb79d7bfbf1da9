//! When an event happened, for senders whose clock is wrong.

use crate::model::{Span, Timestamp};

/// The moment at which an event happened, by our clock.
///
/// `sent_at` shows how far the sender's clock is off: `received - (sent - happened)`, as the Segment spec has it. Without
/// `sent_at` the sender's word stands; without `happened` it is now. The sequencer presses what is left in the future.
pub(super) fn happened_at(
    happened: Option<Timestamp>,
    sent_at: Option<Timestamp>,
    received_at: Timestamp,
) -> Timestamp {
    match (happened, sent_at) {
        (Some(happened), Some(sent)) => received_at - Span(sent.0.saturating_sub(happened.0)),
        (Some(happened), None) => happened,
        (None, _) => received_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_clock_that_is_off_is_corrected_by_when_it_sent() {
        let received = at("2026-03-01T12:00:00Z");
        let a_day_ahead = happened_at(Some(at("2026-03-02T11:50:00Z")), Some(at("2026-03-02T12:00:00Z")), received);
        assert_eq!(a_day_ahead, at("2026-03-01T11:50:00Z"));
        assert_eq!(happened_at(Some(at("2026-02-01T00:00:00Z")), None, received), at("2026-02-01T00:00:00Z"));
        assert_eq!(happened_at(None, Some(at("2020-01-01T00:00:00Z")), received), received);
    }
}
