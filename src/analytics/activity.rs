//! Which events came, how often, and from how many people.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::model::{ProfileId, Timestamp};
use crate::store::history::{Place, STRETCHES};
use crate::store::{Database, StoreError};

/// One kind of event over a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventCount {
    pub name: String,
    pub events: i64,
    /// How many profiles had at least one.
    pub profiles: i64,
    /// The latest instant at which one happened.
    pub last: Timestamp,
}

/// Events that happened from `from` up to and without `until`, the most frequent first.
///
/// # Errors
/// The database failed, or a row is damaged.
pub async fn activity_report(
    store: &Database,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<EventCount>, StoreError> {
    let mut counts: HashMap<String, (i64, HashSet<ProfileId>, Timestamp)> = HashMap::new();
    let mut place = Place::NEWEST;
    loop {
        // Nothing happens after it was received.
        let (stretches, next) = store.stretches(place, from, STRETCHES).await?;
        if stretches.is_empty() {
            break;
        }
        place = next;
        for stretch in stretches {
            let events = stretch.items.into_iter().map(|item| item.event);
            for event in events.filter(|event| (from..until).contains(&event.timestamp)) {
                let (events, profiles, last) =
                    counts.entry(event.name).or_insert_with(|| (0, HashSet::new(), Timestamp::MIN));
                *events += 1;
                profiles.insert(stretch.profile);
                *last = event.timestamp.max(*last);
            }
        }
    }
    let count = |(name, (events, profiles, last)): (String, (i64, HashSet<ProfileId>, Timestamp))| EventCount {
        name,
        events,
        profiles: profiles.len() as i64,
        last,
    };
    let mut report: Vec<EventCount> = counts.into_iter().map(count).collect();
    report.sort_by(|one, other| (Reverse(one.events), &one.name).cmp(&(Reverse(other.events), &other.name)));
    Ok(report)
}
