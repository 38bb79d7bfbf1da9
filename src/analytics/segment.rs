//! How a segment grew and shrank.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use serde::Serialize;

use crate::model::{Span, Timestamp};
use crate::store::tables::{membership, membership_change};
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
    // Whole days since 1970; both databases divide whole numbers to whole numbers.
    let day = Expr::col(membership_change::Column::At).div(Span::DAY.0);
    let rows: Vec<(i64, bool, i64)> = membership_change::Entity::find()
        .select_only()
        .column_as(day, "day")
        .column(membership_change::Column::Entered)
        .column_as(membership_change::Column::Profile.count(), "changes")
        .filter(membership_change::Column::Segment.eq(segment))
        .group_by(Expr::col("day"))
        .group_by(membership_change::Column::Entered)
        .into_tuple()
        .all(&store.read)
        .await?;
    let mut changes: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for (day, is_entry, count) in rows {
        let (entered, exited) = changes.entry(day).or_default();
        *(if is_entry { entered } else { exited }) += count;
    }
    let members = membership::Entity::find().filter(membership::Column::Segment.eq(segment)).count(&store.read).await?;
    let mut report = SegmentReport {
        segment: segment.to_owned(),
        members: i64::try_from(members).unwrap_or(i64::MAX),
        entered: 0,
        exited: 0,
        days: Vec::with_capacity(changes.len()),
    };
    for (day, (entered, exited)) in changes {
        report.entered += entered;
        report.exited += exited;
        let day = Timestamp(day.saturating_mul(Span::DAY.0));
        report.days.push(SegmentDay { day, entered, exited, members: report.entered - report.exited });
    }
    Ok(report)
}
