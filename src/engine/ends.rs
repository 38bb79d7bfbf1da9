//! What is known of when time alone changes something: for each source the first instant at which it may. Kept beside the
//! profile, so that an event looks only at the sources that it touched.

use crate::lang::rules::{AggregateIndex, HoldIndex, RecallIndex, TrailIndex};
use crate::lang::window::Calendar;
use crate::model::Timestamp;

/// Something whose answer time alone can change: a memory, or the dates among the traits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Trail(TrailIndex),
    Aggregate(AggregateIndex),
    Recall(RecallIndex),
    Hold(HoldIndex),
    Dates,
}

/// The ends of all sources that have one, by source, as of an instant and a calendar.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    pub(super) calendar: Calendar,
    /// Each is after this.
    pub(super) after: Timestamp,
    by_source: Vec<(Source, Timestamp)>,
}

impl Ends {
    pub(super) fn none(calendar: Calendar, after: Timestamp) -> Self {
        Self { calendar, after, by_source: Vec::new() }
    }

    pub(super) fn set(&mut self, source: Source, end: Option<Timestamp>) {
        match (self.by_source.binary_search_by_key(&source, |(known, _)| *known), end) {
            (Ok(at), Some(end)) => self.by_source[at].1 = end,
            (Ok(at), None) => drop(self.by_source.remove(at)),
            (Err(at), Some(end)) => self.by_source.insert(at, (source, end)),
            (Err(_), None) => {}
        }
    }

    /// The sources that end something up to `now`.
    pub(super) fn up_to(&self, now: Timestamp) -> impl Iterator<Item = Source> {
        self.by_source.iter().filter(move |(_, end)| *end <= now).map(|(source, _)| *source)
    }

    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.by_source.iter().map(|(_, end)| *end).min()
    }
}

/// The ends as far as they are known. They say nothing that the rest of the profile does not say, so profiles that differ
/// in them alone are equal.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownEnds {
    ends: Option<Ends>,
    /// Sources that changed since.
    touched: Vec<Source>,
}

impl PartialEq for KnownEnds {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl KnownEnds {
    /// A source is not what it was.
    pub(super) fn touch(&mut self, source: Source) {
        if self.ends.is_some() {
            self.touched.push(source);
        }
    }

    /// Bytes of what is known.
    pub(super) fn held(&self) -> usize {
        let known = self.ends.as_ref().map_or(0, |ends| ends.by_source.capacity());
        known * size_of::<(Source, Timestamp)>() + self.touched.capacity() * size_of::<Source>()
    }

    /// Anything may have changed: the program, or all at once.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// What was known, and which of it is not so any more.
    pub(super) fn take(&mut self) -> (Option<Ends>, Vec<Source>) {
        (self.ends.take(), std::mem::take(&mut self.touched))
    }

    pub(super) fn know(&mut self, ends: Ends) {
        self.ends = Some(ends);
    }
}
