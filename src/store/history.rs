//! The history of profiles: every event that counted, by profile. The events of a profile that are saved together are
//! one row, packed, so that a past is read in few pieces, and the journal need not be kept for it.

use std::collections::{BTreeMap, HashMap};

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::engine::backfill::{self, Past};
use crate::model::{Entry, EntryBody, Event, Offset, ProfileId, Timestamp, packed};

use super::bulk::{Bulk, Conflict, Row, row};
use super::entity::{event_tally, history, membership_change, merged_profile};
use super::error::parse_id;
use super::state::ShardCommit;
use super::{Database, StoreError};

/// An event of a profile's history, with the journal's two coordinates.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct HistoryItem {
    pub offset: Offset,
    pub received_at: Timestamp,
    pub event: Event,
}

/// Where a walk over all histories stands; begins at [`Self::NEWEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(i64);

impl Place {
    pub const NEWEST: Self = Self(i64::MAX);
}

/// Events that were saved together.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    pub profile: ProfileId,
    /// Oldest first.
    pub items: Vec<HistoryItem>,
}

/// An entry into a segment or an exit from it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MembershipItem {
    pub segment: String,
    pub at: Timestamp,
    pub entered: bool,
    pub cause: String,
}

const HISTORY: Bulk = Bulk {
    table: "history",
    columns: &["profile", "first_entry", "last_entry", "received_at", "events"],
    conflict: Conflict::Ignore,
};
const TALLIES: Bulk = Bulk {
    table: "event_tally",
    columns: &["name", "events", "latest"],
    conflict: Conflict::Clause(
        "ON CONFLICT (name) DO UPDATE SET events = event_tally.events + excluded.events, \
         latest = CASE WHEN excluded.latest > event_tally.latest THEN excluded.latest ELSE event_tally.latest END",
    ),
};

/// How often events counted and when the latest happened, by name.
pub(super) type Tallies = BTreeMap<String, (i64, i64)>;

/// Whether these commits were made before: a transaction is there as a whole or not at all, so one row tells.
pub(super) async fn is_there(transaction: &DatabaseTransaction, commits: &[ShardCommit]) -> Result<bool, StoreError> {
    let Some((profile, entry)) = commits.iter().find_map(|commit| commit.history.first()) else { return Ok(false) };
    let found = history::Entity::find()
        .select_only()
        .column(history::Column::Id)
        .filter(history::Column::Profile.eq(profile.to_string()))
        .filter(history::Column::FirstEntry.lte(entry.offset.0 as i64))
        .filter(history::Column::LastEntry.gte(entry.offset.0 as i64))
        .into_tuple::<i64>()
        .one(transaction)
        .await?;
    Ok(found.is_some())
}

pub(super) async fn write(transaction: &DatabaseTransaction, commits: &[ShardCommit]) -> Result<(), StoreError> {
    let (mut rows, mut tallies) = (Vec::new(), Tallies::new());
    for commit in commits {
        for together in commit.history.chunk_by(|(one, _), (next, _)| one == next) {
            let items: Vec<HistoryItem> = together.iter().filter_map(|(_, entry)| item(entry)).collect();
            rows.extend(stretch_row(together[0].0, &items));
            tally(&mut tallies, &items);
        }
    }
    HISTORY.write(transaction, rows).await?;
    write_tallies(transaction, tallies).await
}

pub(super) async fn write_stretches(database: &impl ConnectionTrait, stretches: &[Stretch]) -> Result<(), StoreError> {
    let rows = stretches.iter().filter_map(|stretch| stretch_row(stretch.profile, &stretch.items)).collect();
    Ok(HISTORY.write(database, rows).await?)
}

pub(super) async fn write_tallies(database: &impl ConnectionTrait, tallies: Tallies) -> Result<(), StoreError> {
    let rows = tallies.into_iter().map(|(name, (events, latest))| row![name, events, latest]).collect();
    Ok(TALLIES.write(database, rows).await?)
}

pub(super) fn tally(tallies: &mut Tallies, items: &[HistoryItem]) {
    for HistoryItem { event, .. } in items {
        // Names repeat: most are there already.
        match tallies.get_mut(&event.name) {
            Some((events, latest)) => (*events, *latest) = (*events + 1, (*latest).max(event.timestamp.0)),
            None => drop(tallies.insert(event.name.clone(), (1, event.timestamp.0))),
        }
    }
}

fn stretch_row(profile: ProfileId, items: &[HistoryItem]) -> Option<Row> {
    let first = items.iter().map(|item| item.offset).min()?;
    let last = items.iter().max_by_key(|item| item.offset)?;
    let (first, last, received_at) = (first.0 as i64, last.offset.0 as i64, last.received_at.0);
    Some(row![profile.to_string(), first, last, received_at, packed::pack(items)])
}

fn item(entry: &Entry) -> Option<HistoryItem> {
    let EntryBody::Event(event) = &entry.body else { return None };
    Some(HistoryItem { offset: entry.offset, received_at: entry.received_at, event: event.clone() })
}

fn items(row: &history::Model) -> Result<Vec<HistoryItem>, StoreError> {
    packed::unpack(&row.events)
        .map_err(|error| StoreError::Corrupt(format!("the events {} of {}: {error}", row.id, row.profile)))
}

impl Database {
    /// The newest events of a profile and of those merged into it, newest first.
    ///
    /// # Errors
    /// The database failed, or a row is damaged.
    pub async fn profile_history(&self, profile: ProfileId, limit: u64) -> Result<Vec<HistoryItem>, StoreError> {
        // Each row holds an event at least, its last: the newest events are in the rows that end last.
        let rows = history::Entity::find()
            .filter(history::Column::Profile.is_in(self.lineage(profile).await?))
            .order_by_desc(history::Column::LastEntry)
            .limit(limit)
            .all(&self.read)
            .await?;
        let mut newest = Vec::new();
        for row in &rows {
            newest.extend(items(row)?);
        }
        newest.sort_by_key(|item| std::cmp::Reverse(item.offset));
        newest.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(newest)
    }

    /// What is wanted of the histories of profiles, those merged into them included; in no order.
    ///
    /// # Errors
    /// The database failed, or a row is damaged.
    pub async fn pasts(
        &self,
        profiles: &[ProfileId],
        wanted: &backfill::Wanted,
    ) -> Result<HashMap<ProfileId, Vec<Past>>, StoreError> {
        let owners = self.owners(profiles).await?;
        let rows = history::Entity::find()
            .filter(history::Column::Profile.is_in(owners.keys().map(ToString::to_string)))
            .filter(history::Column::FirstEntry.lt(i64::try_from(wanted.before.0).unwrap_or(i64::MAX)))
            .all(&self.read)
            .await?;
        let is_wanted = |item: &HistoryItem| {
            item.offset < wanted.before && wanted.names.as_ref().is_none_or(|names| names.contains(&item.event.name))
        };
        let mut pasts: HashMap<ProfileId, Vec<Past>> = HashMap::new();
        for row in rows {
            let owners = owners.get(&parse_id::<ProfileId>(&row.profile)?);
            for HistoryItem { offset, received_at, event } in items(&row)?.into_iter().filter(is_wanted) {
                for (owner, joined) in owners.into_iter().flatten() {
                    let past = Past { offset, joined: *joined, received_at, event: event.clone() };
                    pasts.entry(*owner).or_default().push(past);
                }
            }
        }
        Ok(pasts)
    }

    /// These profiles and all that were merged into them, each with whose history it is part of and since which entry:
    /// its own, and that of each of its winners that is asked for.
    async fn owners(&self, profiles: &[ProfileId]) -> Result<HashMap<ProfileId, Vec<(ProfileId, Offset)>>, StoreError> {
        let mut owners: HashMap<ProfileId, Vec<(ProfileId, Offset)>> = HashMap::new();
        let mut found: Vec<_> = profiles.iter().map(|profile| (*profile, *profile, Offset(0))).collect();
        while !found.is_empty() {
            let mut next = Vec::new();
            let ids = found.iter().map(|(member, ..)| member.to_string());
            let rows = merged_profile::Entity::find().filter(merged_profile::Column::Winner.is_in(ids));
            for row in rows.all(&self.read).await? {
                let (loser, winner): (ProfileId, ProfileId) = (parse_id(&row.loser)?, parse_id(&row.winner)?);
                let of_winner = found.iter().filter(|(member, ..)| *member == winner);
                let merge = Offset(row.entry as u64);
                next.extend(of_winner.map(|(_, owner, joined)| (loser, *owner, (*joined).max(merge))));
            }
            for (member, owner, joined) in found {
                owners.entry(member).or_default().push((owner, joined));
            }
            found = next;
        }
        Ok(owners)
    }

    /// The histories of all profiles, `limit` stretches at most, those saved last first, and where to go on; none at the
    /// end. `since`: what was received before is left out, as far as whole stretches go.
    ///
    /// # Errors
    /// The database failed, or a row is damaged.
    pub async fn stretches(
        &self,
        from: Place,
        since: Timestamp,
        limit: u64,
    ) -> Result<(Vec<Stretch>, Place), StoreError> {
        let rows = history::Entity::find()
            .filter(history::Column::Id.lt(from.0))
            .filter(history::Column::ReceivedAt.gte(since.0))
            .order_by_desc(history::Column::Id)
            .limit(limit)
            .all(&self.read)
            .await?;
        let place = rows.last().map_or(from, |row| Place(row.id));
        let stretch = |row: &history::Model| Ok(Stretch { profile: parse_id(&row.profile)?, items: items(row)? });
        Ok((rows.iter().map(stretch).collect::<Result<_, StoreError>>()?, place))
    }

    /// How often each of these events came and when the latest happened, by name; those that never came are missing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn event_totals(&self, names: &[&str]) -> Result<Vec<(String, i64, Timestamp)>, StoreError> {
        let rows = event_tally::Entity::find()
            .filter(event_tally::Column::Name.is_in(names.iter().copied()))
            .all(&self.read)
            .await?;
        Ok(rows.into_iter().map(|row| (row.name, row.events, Timestamp(row.latest))).collect())
    }

    /// Number of events that counted, of all profiles.
    ///
    /// # Errors
    /// The database failed.
    pub async fn events_recorded(&self) -> Result<u64, StoreError> {
        let rows: Vec<i64> = event_tally::Entity::find()
            .select_only()
            .column_as(Expr::col(event_tally::Column::Events), "events")
            .into_tuple()
            .all(&self.read)
            .await?;
        Ok(rows.iter().sum::<i64>().unsigned_abs())
    }

    /// The message ids of all events that counted, with how often each did: once, always. For checks.
    ///
    /// # Errors
    /// The database failed.
    pub async fn message_counts(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        let mut place = Place::NEWEST;
        loop {
            let (stretches, next) = self.stretches(place, Timestamp::MIN, STRETCHES).await?;
            if stretches.is_empty() {
                return Ok(counts.into_iter().collect());
            }
            place = next;
            for item in stretches.into_iter().flat_map(|stretch| stretch.items) {
                *counts.entry(item.event.message_id).or_default() += 1;
            }
        }
    }

    /// The newest changes of a profile's memberships, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn membership_history(&self, profile: ProfileId, limit: u64) -> Result<Vec<MembershipItem>, StoreError> {
        let rows = membership_change::Entity::find()
            .filter(membership_change::Column::Profile.eq(profile.to_string()))
            .order_by_desc(membership_change::Column::At)
            .limit(limit)
            .all(&self.read)
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| MembershipItem {
                segment: row.segment,
                at: Timestamp(row.at),
                entered: row.entered,
                cause: row.cause,
            })
            .collect())
    }
}

/// Stretches that a walk reads at once: bounds memory.
pub const STRETCHES: u64 = 1_000;
