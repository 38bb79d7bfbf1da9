//! What people decide about effects: those that failed are sent again, those that shall not leave are dropped.
//!
//! A server that is running need not be asked: it touches only what is ready or taken, and sees what becomes ready here.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, ExprTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use crate::engine::transition::{AUDIENCE_SYNC, Relay};
use crate::model::{EffectId, EntryBody, Offset, Timestamp};

use super::commit::write_relays;
use super::entity::outbox;
use super::outbox::{OutboxStatus, read_what_is_known};
use super::outcome::event_of;
use super::{Database, StoreError};

/// Which effects; what is empty selects everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub effects: Vec<EffectId>,
    pub statuses: Vec<OutboxStatus>,
    pub destination: Option<String>,
    pub journey: Option<String>,
    /// Only what was decided before this instant.
    pub decided_before: Option<Timestamp>,
}

/// What can be sent again: nothing of it is under way, and the far side has not taken it for certain.
pub const RETRIABLE: [OutboxStatus; 3] = [OutboxStatus::Failed, OutboxStatus::Unknown, OutboxStatus::Dropped];
/// What can be dropped: all that may still leave, or be sent again.
pub const DROPPABLE: [OutboxStatus; 3] = [OutboxStatus::Ready, OutboxStatus::Failed, OutboxStatus::Unknown];

/// What is said of an effect that was dropped.
pub const DROPPED: &str = "dropped, by hand";

impl Selection {
    pub(super) fn condition(&self) -> Condition {
        let mut all = Condition::all();
        if !self.effects.is_empty() {
            all = all.add(outbox::Column::Effect.is_in(self.effects.iter().map(ToString::to_string)));
        }
        if !self.statuses.is_empty() {
            all = all.add(outbox::Column::Status.is_in(self.statuses.iter().map(|status| status.as_str())));
        }
        if let Some(destination) = &self.destination {
            all = all.add(outbox::Column::Destination.eq(destination));
        }
        if let Some(journey) = &self.journey {
            all = all.add(outbox::Column::Journey.eq(journey));
        }
        if let Some(before) = self.decided_before {
            all = all.add(outbox::Column::DecidedAt.lt(before.0));
        }
        all
    }

    /// Those of the selection that are in one of these states.
    fn among(&self, statuses: &[OutboxStatus]) -> Condition {
        self.condition().add(outbox::Column::Status.is_in(statuses.iter().map(|status| status.as_str())))
    }
}

impl Database {
    /// Makes those of the selected effects ready again that are [`RETRIABLE`] and not too old by now, as if they had not
    /// been tried. Returns how many.
    ///
    /// # Errors
    /// The database failed: nothing changed.
    pub async fn retry_effects(&self, selection: &Selection, now: Timestamp) -> Result<u64, StoreError> {
        let transaction = self.begin().await?;
        let in_time = outbox::Column::ExpiresAt.is_null().or(outbox::Column::ExpiresAt.gt(now.0));
        let done = outbox::Entity::update_many()
            .col_expr(outbox::Column::Status, Expr::value(OutboxStatus::Ready.as_str()))
            .col_expr(outbox::Column::Attempts, Expr::value(0))
            .col_expr(outbox::Column::NotBefore, Expr::value(now.0))
            .col_expr(outbox::Column::Queue, Expr::value(""))
            .col_expr(outbox::Column::UpdatedAt, Expr::value(now.0))
            .col_expr(outbox::Column::Detail, Expr::value("to be sent again, by hand"))
            .filter(selection.among(&RETRIABLE))
            .filter(in_time)
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(done.rows_affected)
    }

    /// Takes those of the selected effects out of the way that are [`DROPPABLE`]. Returns how many.
    ///
    /// # Errors
    /// The database failed: nothing changed.
    pub async fn drop_effects(&self, selection: &Selection, now: Timestamp) -> Result<u64, StoreError> {
        let transaction = self.begin().await?;
        let dropped = drop_in(&transaction, selection, now).await?;
        transaction.commit().await?;
        Ok(dropped)
    }
}

/// The dropping itself. The people concerned by updates of audiences hear of it by way of the relays: what did not leave the
/// far side does not hold, or holds still.
pub(super) async fn drop_in(
    transaction: &DatabaseTransaction,
    selection: &Selection,
    now: Timestamp,
) -> Result<u64, StoreError> {
    // No claim takes meanwhile what is told to be dropped.
    let mut told = outbox::Entity::find()
        .filter(selection.among(&DROPPABLE))
        .filter(outbox::Column::Channel.eq(AUDIENCE_SYNC))
        .order_by_asc(outbox::Column::Effect);
    if transaction.get_database_backend() == DbBackend::Postgres {
        told = told.lock_exclusive();
    }
    let mut relays = Vec::new();
    for row in told.all(transaction).await? {
        let effect = read_what_is_known(&row)?;
        let event = event_of(&effect, OutboxStatus::Dropped, Some(DROPPED.to_owned()), now);
        relays.push(Relay {
            id: format!("dropped:{}:{}", effect.id, now.0),
            to: effect.profile,
            body: EntryBody::Event(event),
        });
    }
    write_relays(transaction, relays.iter().map(|relay| (Offset(0), relay))).await?;
    let done = outbox::Entity::update_many()
        .col_expr(outbox::Column::Status, Expr::value(OutboxStatus::Dropped.as_str()))
        .col_expr(outbox::Column::UpdatedAt, Expr::value(now.0))
        .col_expr(outbox::Column::Detail, Expr::value(DROPPED))
        .filter(selection.among(&DROPPABLE))
        .exec(transaction)
        .await?;
    Ok(done.rows_affected)
}
