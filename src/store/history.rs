//! The history of profiles: every event that counted and every change of a membership, by profile. What is saved together
//! is one row, packed, so that a past is read in few pieces, and the journal need not be kept for it.

use std::borrow::Borrow;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::MembershipChange;
use crate::engine::backfill::{self, Past};
use crate::model::{Entry, Event, Offset, ProfileId, Timestamp, packed};

use super::among;
use super::bulk::{Bulk, Conflict, Row, row};
use super::entity::{event_tally, history, merged_profile};
use super::error::parse_id;
use super::state::ShardCommit;
use super::tally::Tally;
use super::{Database, StoreError};

/// An event of a profile's history, with the journal's two coordinates; as it is read, or over one that is to be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryItem<E = Event> {
    pub offset: Offset,
    pub received_at: Timestamp,
    pub event: E,
}

/// Where a walk over all histories stands; begins at [`Self::NEWEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(i64);

impl Place {
    pub const NEWEST: Self = Self(i64::MAX);
}

/// What was saved together; as it is read, or over what is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch<E = Event, C = MembershipChange> {
    pub profile: ProfileId,
    /// Oldest first.
    pub items: Vec<HistoryItem<E>>,
    pub changes: Vec<C>,
}

const HISTORY: Bulk = Bulk {
    table: "history",
    columns: &["profile", "first_entry", "last_entry", "received_at", "events", "changes"],
    conflict: Conflict::Clause(""),
};

/// What commits tell of the past, and what that adds to the counts.
#[derive(Debug)]
pub(super) struct Rows {
    stretches: Vec<Row>,
    tally: Tally,
}

impl Rows {
    pub(super) fn of(commits: &[ShardCommit]) -> Self {
        let stretches = stretches(commits);
        let mut tally = Tally::default();
        for stretch in stretches.values() {
            tally.events(stretch.items.iter().map(|item| &*item.event));
            tally.changes(stretch.changes.iter().copied());
        }
        Self { stretches: stretches.values().map(Stretch::row).collect(), tally }
    }

    pub(super) async fn write(self, transaction: &DatabaseTransaction) -> Result<(), StoreError> {
        HISTORY.write(transaction, self.stretches).await?;
        self.tally.write(transaction).await
    }
}

fn stretches(commits: &[ShardCommit]) -> BTreeMap<ProfileId, Stretch<Cow<'_, Event>, &MembershipChange>> {
    let mut stretches: BTreeMap<ProfileId, Stretch<Cow<'_, Event>, &MembershipChange>> = BTreeMap::new();
    for commit in commits {
        for (profile, entry) in &commit.history {
            let Some(event) = entry.body.event() else { continue };
            let Entry { offset, received_at, .. } = *entry;
            Stretch::of(&mut stretches, *profile).items.push(HistoryItem { offset, received_at, event });
        }
        for (profile, change) in &commit.memberships {
            Stretch::of(&mut stretches, *profile).changes.push(change);
        }
    }
    stretches
}

pub(super) async fn write_stretches<'a, E, C>(
    database: &impl ConnectionTrait,
    stretches: impl Iterator<Item = &'a Stretch<E, C>>,
) -> Result<(), StoreError>
where
    E: Borrow<Event> + Serialize + 'a,
    C: Borrow<MembershipChange> + Serialize + 'a,
{
    Ok(HISTORY.write(database, stretches.map(Stretch::row).collect()).await?)
}

impl<E: Borrow<Event> + Serialize, C: Borrow<MembershipChange> + Serialize> Stretch<E, C> {
    /// The one of this profile.
    pub(super) fn of(stretches: &mut BTreeMap<ProfileId, Self>, profile: ProfileId) -> &mut Self {
        stretches.entry(profile).or_insert_with(|| Self { profile, items: Vec::new(), changes: Vec::new() })
    }

    fn row(&self) -> Row {
        let first = self.items.iter().map(|item| item.offset.0 as i64).min().unwrap_or_default();
        let last = self.items.iter().max_by_key(|item| item.offset);
        let changed_at = self.changes.iter().map(|change| change.borrow().at.0).max().unwrap_or_default();
        let (last, received_at) = last.map_or((0, changed_at), |last| (last.offset.0 as i64, last.received_at.0));
        let (items, changes) = (packed_list(&self.items), packed_list(&self.changes));
        row![self.profile.to_string(), first, last, received_at, items, changes]
    }
}

fn packed_list<T: Serialize>(list: &[T]) -> Vec<u8> {
    if list.is_empty() { Vec::new() } else { packed::pack(list) }
}

fn unpacked_list<T: DeserializeOwned>(row: &history::Model, list: &[u8]) -> Result<Vec<T>, StoreError> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    packed::unpack(list)
        .map_err(|error| StoreError::Corrupt(format!("the past {} of {}: {error}", row.id, row.profile)))
}

fn items(row: &history::Model) -> Result<Vec<HistoryItem>, StoreError> {
    unpacked_list(row, &row.events)
}

impl Database {
    /// The newest events of a profile and of those merged into it, newest first.
    ///
    /// # Errors
    /// The database failed, or a row is damaged.
    pub async fn profile_history(&self, profile: ProfileId, limit: u64) -> Result<Vec<HistoryItem>, StoreError> {
        // Each row holds an event at least, its last: the newest events are in the rows that end last.
        let rows = history::Entity::find().order_by_desc(history::Column::LastEntry).limit(limit);
        let lineage = self.lineage_ids(profile).await?;
        let rows = among::find(&self.read, &rows, history::Column::Profile, &lineage).await?;
        let mut newest = Vec::new();
        for row in &rows {
            newest.extend(items(row)?);
        }
        newest.sort_by_key(|item| Reverse(item.offset));
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
        let before = i64::try_from(wanted.before.0).unwrap_or(i64::MAX);
        let rows = history::Entity::find().filter(history::Column::FirstEntry.lt(before));
        let profiles: Vec<String> = owners.keys().map(ToString::to_string).collect();
        let rows = among::find(&self.read, &rows, history::Column::Profile, &profiles).await?;
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
            let mut shares: HashMap<ProfileId, Vec<(ProfileId, Offset)>> = HashMap::new();
            for (member, owner, joined) in found {
                owners.entry(member).or_default().push((owner, joined));
                shares.entry(member).or_default().push((owner, joined));
            }
            let members: Vec<String> = shares.keys().map(ToString::to_string).collect();
            let merged = merged_profile::Entity::find();
            found = Vec::new();
            for row in among::find(&self.read, &merged, merged_profile::Column::Winner, &members).await? {
                let (loser, winner): (ProfileId, ProfileId) = (parse_id(&row.loser)?, parse_id(&row.winner)?);
                let merge = Offset(row.entry as u64);
                let of_winner = shares.get(&winner).into_iter().flatten();
                found.extend(of_winner.map(|(owner, joined)| (loser, *owner, (*joined).max(merge))));
            }
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
        let stretch = |row: &history::Model| {
            let (items, changes) = (items(row)?, unpacked_list(row, &row.changes)?);
            Ok(Stretch { profile: parse_id(&row.profile)?, items, changes })
        };
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
    /// The database failed, or a row is damaged.
    pub async fn membership_history(
        &self,
        profile: ProfileId,
        limit: u64,
    ) -> Result<Vec<MembershipChange>, StoreError> {
        // Each row holds a change at least, and a later row no earlier one.
        let rows = history::Entity::find()
            .filter(history::Column::Profile.eq(profile.to_string()))
            .filter(history::Column::Changes.ne(Vec::<u8>::new()))
            .order_by_desc(history::Column::Id)
            .limit(limit)
            .all(&self.read)
            .await?;
        let mut newest: Vec<MembershipChange> = Vec::new();
        for row in rows {
            newest.extend(unpacked_list::<MembershipChange>(&row, &row.changes)?.into_iter().rev());
        }
        newest.sort_by_key(|change| Reverse(change.at));
        newest.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(newest)
    }
}

/// Stretches that a walk reads at once: bounds memory.
pub const STRETCHES: u64 = 1_000;
