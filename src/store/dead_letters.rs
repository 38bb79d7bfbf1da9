//! What people decide about effects: those that failed are sent again, those that shall not leave are dropped.
//!
//! A server that is running need not be asked: it touches only what is ready or taken, and sees what becomes ready here.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter};

use crate::model::{EffectId, Timestamp};

use super::entity::outbox;
use super::outbox::OutboxStatus;
use super::{Database, StoreError};

/// Which effects; what is empty selects everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub effects: Vec<EffectId>,
    pub statuses: Vec<OutboxStatus>,
    pub destination: Option<String>,
    pub journey: Option<String>,
}

/// What can be sent again: nothing of it is under way, and the far side has not taken it for certain.
pub const RETRIABLE: [OutboxStatus; 3] = [OutboxStatus::Failed, OutboxStatus::Unknown, OutboxStatus::Dropped];
/// What can be dropped: all that may still leave, or be sent again.
pub const DROPPABLE: [OutboxStatus; 3] = [OutboxStatus::Ready, OutboxStatus::Failed, OutboxStatus::Unknown];

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
            .exec(&self.write)
            .await?;
        Ok(done.rows_affected)
    }

    /// Takes those of the selected effects out of the way that are [`DROPPABLE`]. Returns how many.
    ///
    /// # Errors
    /// The database failed: nothing changed.
    pub async fn drop_effects(&self, selection: &Selection, now: Timestamp) -> Result<u64, StoreError> {
        let done = outbox::Entity::update_many()
            .col_expr(outbox::Column::Status, Expr::value(OutboxStatus::Dropped.as_str()))
            .col_expr(outbox::Column::UpdatedAt, Expr::value(now.0))
            .col_expr(outbox::Column::Detail, Expr::value("dropped, by hand"))
            .filter(selection.among(&DROPPABLE))
            .exec(&self.write)
            .await?;
        Ok(done.rows_affected)
    }
}
