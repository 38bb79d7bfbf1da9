//! How a segment grew and shrank.

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde::Serialize;

use crate::model::{Span, Timestamp};
use crate::store::tables::{membership, segment_day};
use crate::store::{Database, StoreError};

/// A segment and its days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentReport {
    pub segment: String,
    /// Members now.
    pub members: i64,
    /// Entries and exits since the beginning; one profile may do so many times.
    pub entered: i64,
    pub exited: i64,
    /// Days on which anything changed, oldest first.
    pub days: Vec<SegmentDay>,
}

/// One day, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SegmentDay {
    /// Its midnight.
    pub day: Timestamp,
    pub entered: i64,
    pub exited: i64,
    /// Members at its end.
    pub members: i64,
}

/// The report of a segment; one that never had a member has an empty report.
///
/// # Errors
/// The database failed.
pub async fn segment_report(store: &Database, segment: &str) -> Result<SegmentReport, StoreError> {
    let days = segment_day::Entity::find()
        .filter(segment_day::Column::Segment.eq(segment))
        .order_by_asc(segment_day::Column::Day)
        .all(&store.read)
        .await?;
    let members = membership::Entity::find().filter(membership::Column::Segment.eq(segment)).count(&store.read).await?;
    let mut report = SegmentReport {
        segment: segment.to_owned(),
        members: i64::try_from(members).unwrap_or(i64::MAX),
        entered: 0,
        exited: 0,
        days: Vec::with_capacity(days.len()),
    };
    for segment_day::Model { day, entered, exited, .. } in days {
        report.entered += entered;
        report.exited += exited;
        let day = Timestamp(day.saturating_mul(Span::DAY.0));
        report.days.push(SegmentDay { day, entered, exited, members: report.entered - report.exited });
    }
    Ok(report)
}
