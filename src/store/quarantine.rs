//! The quarantine: what was refused or set aside, kept with its reason.

use sea_orm::{DatabaseTransaction, EntityTrait, QueryOrder, QuerySelect};

use crate::model::Timestamp;
use crate::model::id::hash_parts;

use super::bulk::{Bulk, Conflict, Row, row};
use super::entity::quarantine;
use super::state::Poisoned;
use super::{Database, StoreError};

/// What was refused at the door but could be read: kept with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    pub source: String,
    pub received_at: Timestamp,
    /// A short stable word: `invalid`, `forbidden_event`, `poison`, …
    pub code: String,
    /// For people: what is wrong and where.
    pub reason: String,
    /// The event as it came, as JSON.
    pub payload: String,
}

const QUARANTINE: Bulk = Bulk {
    table: "quarantine",
    columns: &["id", "source", "received_at", "code", "reason", "payload"],
    conflict: Conflict::Ignore,
};

/// Keeps what came to the door. The same thing twice in one instant is one.
pub(super) async fn write(transaction: &DatabaseTransaction, items: &[Quarantined]) -> Result<(), StoreError> {
    let rows = items.iter().map(|item| {
        let parts: [&[u8]; 4] = [
            item.source.as_bytes(),
            &item.received_at.0.to_be_bytes(),
            item.reason.as_bytes(),
            item.payload.as_bytes(),
        ];
        kept(format!("{:032x}", hash_parts("quarantine", &parts)), item)
    });
    Ok(QUARANTINE.write(transaction, rows.collect()).await?)
}

/// Keeps what the engine failed on.
pub(super) async fn write_poison(transaction: &DatabaseTransaction, poison: &[&Poisoned]) -> Result<(), StoreError> {
    let rows = poison.iter().map(|poisoned| kept(poisoned.id(), &poisoned.row));
    Ok(QUARANTINE.write(transaction, rows.collect()).await?)
}

fn kept(id: String, item: &Quarantined) -> Row {
    row![id, item.source.as_str(), item.received_at.0, item.code.as_str(), item.reason.as_str(), item.payload.as_str()]
}

impl Database {
    /// The quarantine, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn quarantine(&self, limit: u64) -> Result<Vec<(String, Quarantined)>, StoreError> {
        let rows = quarantine::Entity::find()
            .order_by_desc(quarantine::Column::ReceivedAt)
            .order_by_asc(quarantine::Column::Id)
            .limit(limit)
            .all(&self.read)
            .await?;
        Ok(rows.into_iter().map(|row| (row.id.clone(), item(row))).collect())
    }

    /// What is in the quarantine under this id.
    ///
    /// # Errors
    /// The database failed.
    pub async fn quarantined(&self, id: &str) -> Result<Option<Quarantined>, StoreError> {
        Ok(quarantine::Entity::find_by_id(id.to_owned()).one(&self.read).await?.map(item))
    }
}

fn item(row: quarantine::Model) -> Quarantined {
    let quarantine::Model { source, received_at, code, reason, payload, .. } = row;
    Quarantined { source, received_at: Timestamp(received_at), code, reason, payload }
}
