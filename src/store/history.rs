//! The history of profiles: every event that counted.

use std::collections::HashMap;

use sea_orm::sea_query::{Condition, Expr};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::engine::backfill::{self, Past};
use crate::model::{Event, Offset, ProfileId, Timestamp};

use super::entity::{history, membership_change, merged_profile};
use super::error::parse_id;
use super::{Database, StoreError};

/// An event of a profile's history, with the journal's two coordinates.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct HistoryItem {
    pub offset: Offset,
    pub received_at: Timestamp,
    pub event: Event,
}

impl HistoryItem {
    fn of(row: &history::Model) -> Result<Self, StoreError> {
        let event = serde_json::from_str(&row.event)
            .map_err(|error| StoreError::Corrupt(format!("event at offset {}: {error}", row.entry)))?;
        Ok(Self { offset: Offset(row.entry as u64), received_at: Timestamp(row.received_at), event })
    }
}

/// Which events of the history are read whole: of one of these names, or of one of these kinds.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub names: Vec<String>,
    /// As `EventKind::as_str` has them.
    pub kinds: Vec<&'static str>,
}

impl Wanted {
    /// Whether it names no event at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.kinds.is_empty()
    }
}

/// An event of the history, whole only where it was wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub offset: Offset,
    pub happened_at: Timestamp,
    pub event: Option<Event>,
}

/// An entry into a segment or an exit from it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MembershipItem {
    pub segment: String,
    pub at: Timestamp,
    pub entered: bool,
    pub cause: String,
}

impl Database {
    /// The newest events of a profile and of those merged into it, newest first.
    ///
    /// # Errors
    /// The database failed, or a row is damaged.
    pub async fn profile_history(&self, profile: ProfileId, limit: u64) -> Result<Vec<HistoryItem>, StoreError> {
        let rows = history::Entity::find()
            .filter(history::Column::Profile.is_in(self.lineage(profile).await?))
            .order_by_desc(history::Column::Entry)
            .limit(limit)
            .all(&self.read)
            .await?;
        rows.iter().map(HistoryItem::of).collect()
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
        let mut query = history::Entity::find()
            .filter(history::Column::Profile.is_in(owners.keys().map(ToString::to_string)))
            .filter(history::Column::Entry.lt(i64::try_from(wanted.before.0).unwrap_or(i64::MAX)));
        if let Some(names) = &wanted.names {
            query = query.filter(history::Column::Name.is_in(names));
        }
        let mut pasts: HashMap<ProfileId, Vec<Past>> = HashMap::new();
        for row in query.all(&self.read).await? {
            let HistoryItem { offset, received_at, event } = HistoryItem::of(&row)?;
            for (owner, joined) in owners.get(&parse_id::<ProfileId>(&row.profile)?).into_iter().flatten() {
                let past = Past { offset, joined: *joined, received_at, event: event.clone() };
                pasts.entry(*owner).or_default().push(past);
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

    /// The events before `before` of all profiles, `limit` at most, newest first. Those that `wanted` does not name
    /// come without their text, which may be long.
    ///
    /// # Errors
    /// The database failed, or a row is damaged.
    pub async fn recorded_before(
        &self,
        before: Offset,
        wanted: &Wanted,
        limit: u64,
    ) -> Result<Vec<Recorded>, StoreError> {
        let is_wanted = Condition::any()
            .add(history::Column::Name.is_in(&wanted.names))
            .add(history::Column::Kind.is_in(wanted.kinds.iter().copied()));
        // The walk goes by the primary key alone: a condition on the name would have the database go by the name's
        // index and sort what it finds there, for each block anew.
        let text: Expr = Expr::case(is_wanted, Expr::col(history::Column::Event)).into();
        let rows: Vec<(i64, i64, Option<String>)> = history::Entity::find()
            .select_only()
            .columns([history::Column::Entry, history::Column::HappenedAt])
            .column_as(text, "event")
            .filter(history::Column::Entry.lt(i64::try_from(before.0).unwrap_or(i64::MAX)))
            .order_by_desc(history::Column::Entry)
            .limit(limit)
            .into_tuple()
            .all(&self.read)
            .await?;
        rows.into_iter()
            .map(|(entry, happened_at, text)| {
                let event = text.as_deref().map(serde_json::from_str).transpose();
                let event = event.map_err(|error| StoreError::Corrupt(format!("event at offset {entry}: {error}")))?;
                Ok(Recorded { offset: Offset(entry as u64), happened_at: Timestamp(happened_at), event })
            })
            .collect()
    }

    /// How often each of these events came and when the latest happened, by name; those that never came are missing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn event_totals(&self, names: &[&str]) -> Result<Vec<(String, i64, Timestamp)>, StoreError> {
        let rows: Vec<(String, i64, i64)> = history::Entity::find()
            .select_only()
            .column(history::Column::Name)
            .column_as(history::Column::Entry.count(), "events")
            .column_as(history::Column::HappenedAt.max(), "latest")
            .filter(history::Column::Name.is_in(names.iter().copied()))
            .group_by(history::Column::Name)
            .into_tuple()
            .all(&self.read)
            .await?;
        Ok(rows.into_iter().map(|(name, events, latest)| (name, events, Timestamp(latest))).collect())
    }

    /// Number of events that counted, of all profiles.
    ///
    /// # Errors
    /// The database failed.
    pub async fn events_recorded(&self) -> Result<u64, StoreError> {
        Ok(history::Entity::find().count(&self.read).await?)
    }

    /// The message ids of all events that counted, with how often each did: once, always. For checks.
    ///
    /// # Errors
    /// The database failed.
    pub async fn message_counts(&self) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(history::Entity::find()
            .select_only()
            .column(history::Column::MessageId)
            .column_as(history::Column::Entry.count(), "times")
            .group_by(history::Column::MessageId)
            .into_tuple()
            .all(&self.read)
            .await?)
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
