//! What is counted as it is written, so that a report need not read all that ever happened.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;

use crate::engine::MembershipChange;
use crate::model::{Event, Span};

use super::StoreError;
use super::bulk::{Bulk, Conflict, row};

/// Counts of one transaction, to be added to those that are there.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By name: how many, and when the latest happened.
    events: BTreeMap<String, (i64, i64)>,
    /// By segment and day: entries and exits.
    segments: BTreeMap<(String, i64), (i64, i64)>,
}

const EVENTS: Bulk = Bulk {
    table: "event_tally",
    columns: &["name", "events", "latest"],
    conflict: Conflict::Clause(
        "ON CONFLICT (name) DO UPDATE SET events = event_tally.events + excluded.events, \
         latest = CASE WHEN excluded.latest > event_tally.latest THEN excluded.latest ELSE event_tally.latest END",
    ),
};
const SEGMENTS: Bulk = Bulk {
    table: "segment_day",
    columns: &["segment", "day", "entered", "exited"],
    conflict: Conflict::Clause(
        "ON CONFLICT (segment, day) DO UPDATE SET entered = segment_day.entered + excluded.entered, \
         exited = segment_day.exited + excluded.exited",
    ),
};

impl Tally {
    pub(super) fn events<'a>(&mut self, events: impl IntoIterator<Item = &'a Event>) {
        for event in events {
            // Names repeat: most are there already.
            match self.events.get_mut(&event.name) {
                Some((events, latest)) => (*events, *latest) = (*events + 1, (*latest).max(event.timestamp.0)),
                None => drop(self.events.insert(event.name.clone(), (1, event.timestamp.0))),
            }
        }
    }

    pub(super) fn changes<'a>(&mut self, changes: impl IntoIterator<Item = &'a MembershipChange>) {
        for change in changes {
            let day = change.at.0.div_euclid(Span::DAY.0);
            let (entered, exited) = self.segments.entry((change.segment.clone(), day)).or_default();
            *(if change.entered { entered } else { exited }) += 1;
        }
    }

    pub(super) async fn write(self, database: &impl ConnectionTrait) -> Result<(), StoreError> {
        let events = self.events.into_iter().map(|(name, (events, latest))| row![name, events, latest]);
        EVENTS.write(database, events.collect()).await?;
        let segments = self.segments.into_iter();
        let segments = segments.map(|((segment, day), (entered, exited))| row![segment, day, entered, exited]);
        Ok(SEGMENTS.write(database, segments.collect()).await?)
    }
}
