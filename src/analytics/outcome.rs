//! What became of effects, counted.

use sea_orm::{ColumnTrait, EntityTrait, QueryOrder, QuerySelect};
use serde::Serialize;

use crate::store::outbox::OutboxStatus;
use crate::store::tables::outbox;
use crate::store::{Database, StoreError};

/// Numbers of effects by where they stand. Every effect is counted once, in one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// Decided, and not settled yet: waiting for its turn or for another try, or on its way.
    pub queued: i64,
    pub sent: i64,
    pub failed: i64,
    /// The far side fell silent after it had everything.
    pub unknown: i64,
    /// Consent was withdrawn between the decision and the door.
    pub suppressed: i64,
    /// It waited until it was too late to say.
    pub expired: i64,
}

impl Outcomes {
    /// Adds a number of effects of one status, as the column words it. A word of a later version counts as queued:
    /// what it means is not known here, so it is not called settled.
    pub(super) fn add(&mut self, status: &str, effects: i64) {
        let is = |one: OutboxStatus| one.as_str() == status;
        let number = if is(OutboxStatus::Sent) {
            &mut self.sent
        } else if is(OutboxStatus::Failed) {
            &mut self.failed
        } else if is(OutboxStatus::Unknown) {
            &mut self.unknown
        } else if is(OutboxStatus::Suppressed) {
            &mut self.suppressed
        } else if is(OutboxStatus::Expired) {
            &mut self.expired
        } else {
            &mut self.queued
        };
        *number += effects;
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        self.queued += other.queued;
        self.sent += other.sent;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.suppressed += other.suppressed;
        self.expired += other.expired;
    }
}

/// What became of the effects of one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DestinationReport {
    /// The channel's name in `tidewater.yaml`.
    pub destination: String,
    #[serde(flatten)]
    pub outcomes: Outcomes,
}

/// What became of all effects, by destination in order of name.
///
/// # Errors
/// The database failed.
pub async fn delivery_report(store: &Database) -> Result<Vec<DestinationReport>, StoreError> {
    let rows: Vec<(String, String, i64)> = outbox::Entity::find()
        .select_only()
        .columns([outbox::Column::Destination, outbox::Column::Status])
        .column_as(outbox::Column::Effect.count(), "effects")
        .group_by(outbox::Column::Destination)
        .group_by(outbox::Column::Status)
        .order_by_asc(outbox::Column::Destination)
        .into_tuple()
        .all(&store.read)
        .await?;
    let mut report: Vec<DestinationReport> = Vec::new();
    for (destination, status, effects) in rows {
        if report.last().is_none_or(|last| last.destination != destination) {
            report.push(DestinationReport { destination, outcomes: Outcomes::default() });
        }
        if let Some(last) = report.last_mut() {
            last.outcomes.add(&status, effects);
        }
    }
    Ok(report)
}
