//! What profiles pass over because the engine failed on it: written with the state that did, and again with the entry
//! that tells the journal of it; read before a replay.

use std::ops::RangeInclusive;

use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use crate::engine::skip::Skip;
use crate::model::{Offset, ProfileId, Skipped, Timestamp};

use super::bulk::{Bulk, Conflict, Row, row};
use super::entity::skip;
use super::error::parse_id;
use super::{Database, StoreError};

pub(super) const SKIPS: Bulk =
    Bulk { table: "skip", columns: &["id", "profile", "entry", "wake", "place"], conflict: Conflict::Ignore };

pub(super) async fn write(
    transaction: &DatabaseTransaction,
    skips: impl Iterator<Item = Skip>,
) -> Result<(), StoreError> {
    Ok(SKIPS.write(transaction, rows(skips)).await?)
}

pub(super) fn rows(skips: impl Iterator<Item = Skip>) -> Vec<Row> {
    let row = |skip: Skip| {
        let (entry, wake) = match skip.skipped {
            Skipped::Entry(offset) => (Some(offset.0 as i64), None),
            Skipped::Wake(at) => (None, Some(at.0)),
        };
        row![skip.id(), skip.profile.to_string(), entry, wake, skip.place.0 as i64]
    };
    skips.map(row).collect()
}

impl Database {
    /// The entry among these that a profile passes over.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn skipped_among(
        &self,
        profile: ProfileId,
        entries: RangeInclusive<i64>,
    ) -> Result<Option<Offset>, StoreError> {
        let row = skip::Entity::find()
            .filter(skip::Column::Profile.eq(profile.to_string()))
            .filter(skip::Column::Entry.between(*entries.start(), *entries.end()))
            .one(&self.read)
            .await?;
        Ok(row.and_then(|row| row.entry).map(|entry| Offset(entry as u64)))
    }

    /// What a replay that begins after `after` has to pass over.
    ///
    /// # Errors
    /// The database failed, or a row is damaged.
    pub async fn skips(&self, after: Offset) -> Result<Vec<Skip>, StoreError> {
        let rows = skip::Entity::find().filter(skip::Column::Place.gt(after.0 as i64)).all(&self.write).await?;
        rows.into_iter().map(read).collect()
    }
}

fn read(row: skip::Model) -> Result<Skip, StoreError> {
    let skipped = match (row.entry, row.wake) {
        (Some(offset), None) => Skipped::Entry(Offset(offset as u64)),
        (None, Some(at)) => Skipped::Wake(Timestamp(at)),
        _ => return Err(StoreError::Corrupt(format!("the skip `{}`", row.id))),
    };
    Ok(Skip { profile: parse_id(&row.profile)?, skipped, place: Offset(row.place as u64) })
}
