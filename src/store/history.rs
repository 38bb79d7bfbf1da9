//! The history of profiles: every event that counted.

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::model::{Event, Offset, ProfileId, Timestamp};

use super::entity::{history, membership_change};
use super::{Store, StoreError};

/// An event of a profile's history, with the journal's two coordinates.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct HistoryItem {
    pub offset: Offset,
    pub received_at: Timestamp,
    pub event: Event,
}

/// An entry into a segment or an exit from it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MembershipItem {
    pub segment: String,
    pub at: Timestamp,
    pub entered: bool,
    pub cause: String,
}

impl Store {
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
        rows.into_iter()
            .map(|row| {
                let event = serde_json::from_str(&row.event)
                    .map_err(|error| StoreError::Corrupt(format!("event at offset {}: {error}", row.entry)))?;
                Ok(HistoryItem { offset: Offset(row.entry as u64), received_at: Timestamp(row.received_at), event })
            })
            .collect()
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
