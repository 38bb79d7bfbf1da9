//! Which events came, how often, and from how many people.

use sea_orm::sea_query::{Expr, ExprTrait, Order};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use crate::model::Timestamp;
use crate::store::tables::history;
use crate::store::{Database, StoreError};

/// One kind of event over a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventCount {
    pub name: String,
    pub events: i64,
    /// How many profiles had at least one.
    pub profiles: i64,
    /// The latest instant at which one happened.
    pub last: Timestamp,
}

/// Events that happened from `from` up to and without `until`, the most frequent first.
///
/// # Errors
/// The database failed.
pub async fn activity_report(
    store: &Database,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<EventCount>, StoreError> {
    let events = history::Column::Entry.count();
    let rows: Vec<(String, i64, i64, i64)> = history::Entity::find()
        .select_only()
        .column(history::Column::Name)
        .column_as(events.clone(), "events")
        .column_as(Expr::col(history::Column::Profile).count_distinct(), "profiles")
        .column_as(history::Column::HappenedAt.max(), "last")
        .filter(history::Column::HappenedAt.gte(from.0))
        .filter(history::Column::HappenedAt.lt(until.0))
        .group_by(history::Column::Name)
        .order_by(events, Order::Desc)
        .order_by_asc(history::Column::Name)
        .into_tuple()
        .all(&store.read)
        .await?;
    let counts = rows.into_iter().map(|(name, events, profiles, last)| EventCount {
        name,
        events,
        profiles,
        last: Timestamp(last),
    });
    Ok(counts.collect())
}
