//! Looks in data for what the rules of a workspace expect of it: see `lint::against`. It reads in blocks, so that
//! memory is bounded, and the newest first, so that the answers are of today where there is too much to read.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::snapshot;
use crate::lint::against::{Answers, EventTotal, LookedAt, Questions};
use crate::model::{Event, Timestamp};
use crate::store::history::{Place, STRETCHES};
use crate::store::{Database, StoreError};

/// How much is looked at for values, at most.
#[derive(Debug, Clone, Copy)]
pub struct AtMost {
    /// Events whose properties rules compare.
    pub events: u64,
    /// Events that are walked over to find them.
    pub rows: u64,
    pub profiles: u64,
}

impl Default for AtMost {
    fn default() -> Self {
        Self { events: 1_000_000, rows: 10_000_000, profiles: 200_000 }
    }
}

/// Rows of one query: bounds memory.
const BLOCK: u64 = 1_000;

/// What the data of a store says to the questions. `deployed` are the segments that are in force as they are written.
///
/// # Errors
/// The database failed, or a row is damaged.
pub async fn answers(
    store: &Database,
    questions: &Questions,
    deployed: BTreeSet<String>,
    at_most: AtMost,
) -> Result<Answers, StoreError> {
    let names: Vec<&str> = questions.event_names().collect();
    let mut events = BTreeMap::new();
    for (name, times, latest) in store.event_totals(&names).await? {
        events.insert(name, EventTotal { times: times.unsigned_abs(), latest });
    }
    let mut answers = Answers {
        tallies: questions.tallies(),
        newest: events.values().map(|total| total.latest).max(),
        events,
        profiles: store.profile_count().await?,
        deployed,
        looked_at: LookedAt { all_events: true, all_profiles: true, ..LookedAt::default() },
        ..Answers::default()
    };
    for size in store.segment_sizes().await? {
        answers.members.insert(size.segment, size.members.unsigned_abs());
    }
    for (segment, (entries, _)) in store.segment_traffic().await? {
        answers.entered.insert(segment, entries.unsigned_abs());
    }
    look_at_events(store, at_most, &mut answers).await?;
    look_at_profiles(store, at_most.profiles, &mut answers).await?;
    Ok(answers)
}

async fn look_at_events(store: &Database, at_most: AtMost, answers: &mut Answers) -> Result<(), StoreError> {
    let any_activity = answers.tallies.wants_any_activity();
    let names: BTreeSet<String> = answers.tallies.event_names().map(str::to_owned).collect();
    let is_wanted = |event: &Event| names.contains(&event.name) || (any_activity && event.is_activity());
    let (mut place, mut walked) = (Place::NEWEST, 0);
    loop {
        let (stretches, next) = store.stretches(place, Timestamp::MIN, STRETCHES).await?;
        if stretches.is_empty() {
            return Ok(());
        }
        place = next;
        for event in stretches.into_iter().flat_map(|stretch| stretch.items).map(|item| item.event) {
            if walked == at_most.rows || answers.looked_at.events == at_most.events {
                answers.looked_at.all_events = false;
                return Ok(());
            }
            walked += 1;
            answers.newest = answers.newest.max(Some(event.timestamp));
            if is_wanted(&event) {
                answers.tallies.note_event(&event);
                answers.looked_at.events += 1;
            }
        }
        // Without a question, the newest events tell how fresh the data is.
        if names.is_empty() && !any_activity {
            return Ok(());
        }
    }
}

async fn look_at_profiles(store: &Database, most: u64, answers: &mut Answers) -> Result<(), StoreError> {
    if !answers.tallies.wants_traits() {
        return Ok(());
    }
    let mut after = None;
    loop {
        let block = store.profiles_after(after, BLOCK).await?;
        let Some(last) = block.last() else { return Ok(()) };
        after = Some(last.id);
        for saved in &block {
            let profile = snapshot::decode(&saved.snapshot)
                .map_err(|error| StoreError::Corrupt(format!("profile {}: {error}", saved.id)))?;
            if profile.is_gone() {
                continue;
            }
            if answers.looked_at.profiles == most {
                answers.looked_at.all_profiles = false;
                return Ok(());
            }
            answers.tallies.note_traits(&profile.traits);
            answers.looked_at.profiles += 1;
        }
    }
}
