//! What a program would change against the one that is in force, over the customers that there are.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::backfill;
use crate::engine::rehearse::{Rehearsal, Rehearsed};
use crate::engine::{Effect, Fact, Profile, snapshot};
use crate::model::{ProfileId, Timestamp};
use crate::store::{Database, StoreError};
use crate::workspace::Program;

/// Profiles that are read at once.
const PAGE: u64 = 500;

/// What would change, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Customers that were looked at.
    pub profiles: u64,
    pub segments: BTreeMap<String, Sizes>,
    pub journeys: BTreeMap<String, Runs>,
    /// Effects that the deploy itself would decide, by channel.
    pub effects: BTreeMap<String, u64>,
    /// Segments that look at more of the past than was kept: each customer's history tells.
    pub backfilled: Vec<String>,
}

/// Members of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    pub before: u64,
    pub after: u64,
    pub entering: u64,
    pub leaving: u64,
}

/// Runs of a journey.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Runs {
    /// Under way now.
    pub open: u64,
    /// Of these, how many the deploy would end.
    pub ended: u64,
    /// How many the deploy would start.
    pub started: u64,
}

/// Tries `after` on every customer of a database in which `before` is in force. `tell` hears how many were looked at.
///
/// # Errors
/// The database failed, or a row is damaged.
pub async fn changes(
    database: &Database,
    before: &Program,
    after: &Program,
    now: Timestamp,
    mut tell: impl FnMut(u64),
) -> Result<Changes, StoreError> {
    let unknown = backfill::unknown(&before.rules, &after.rules);
    let rehearsal = Rehearsal { before, after, unknown: &unknown, now };
    let backfilled = backfill::segments_by(&before.rules, &after.rules, &unknown).into_iter().collect();
    let mut changes = Changes { backfilled, ..Changes::default() };
    let mut last: Option<ProfileId> = None;
    loop {
        let saved = database.profiles_after(last, PAGE).await?;
        let Some(end) = saved.last() else { return Ok(changes) };
        last = Some(end.id);
        let ids: Vec<ProfileId> = saved.iter().map(|saved| saved.id).collect();
        let mut pasts = match rehearsal.wanted() {
            Some(wanted) => database.pasts(&ids, &wanted).await?,
            None => std::collections::HashMap::new(),
        };
        for saved in saved {
            let profile = snapshot::decode(&saved.snapshot)
                .map_err(|error| StoreError::Corrupt(format!("profile {}: {error}", saved.id)))?;
            let history = pasts.remove(&saved.id).unwrap_or_default();
            if let Some(rehearsed) = rehearsal.try_on(&profile, &history) {
                changes.count(&profile, &rehearsed);
            }
        }
        tell(changes.profiles);
    }
}

impl Changes {
    fn count(&mut self, profile: &Profile, rehearsed: &Rehearsed) {
        self.profiles += 1;
        for name in rehearsed.before.union(&rehearsed.after) {
            let (was_in, is_in) = (rehearsed.before.contains(name), rehearsed.after.contains(name));
            let sizes = self.segments.entry(name.clone()).or_default();
            sizes.before += u64::from(was_in);
            sizes.after += u64::from(is_in);
            sizes.entering += u64::from(is_in && !was_in);
            sizes.leaving += u64::from(was_in && !is_in);
        }
        for journey in profile.open_journeys() {
            self.journeys.entry(journey.to_owned()).or_default().open += 1;
        }
        for fact in &rehearsed.transition.facts {
            match fact {
                Fact::RunStarted { journey, .. } => self.journeys.entry(journey.clone()).or_default().started += 1,
                Fact::RunEnded { journey, .. } => self.journeys.entry(journey.clone()).or_default().ended += 1,
                _ => {}
            }
        }
        for Effect { destination, .. } in &rehearsed.transition.effects {
            *self.effects.entry(destination.clone()).or_default() += 1;
        }
    }
}
