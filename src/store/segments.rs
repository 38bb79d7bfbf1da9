//! Who is in which segment.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use crate::model::{ProfileId, Timestamp};

use super::among::AT_ONCE;
use super::entity::{identity, membership, segment_day};
use super::error::parse_id;
use super::identity::Identifier;
use super::{Database, StoreError};

/// A member of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub profile: ProfileId,
    pub identifiers: Vec<Identifier>,
    pub since: Timestamp,
}

/// A segment and the number of its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentSize {
    pub segment: String,
    pub members: i64,
}

impl Database {
    /// Members of a segment in order of profile id, after `after`, `limit` at most.
    ///
    /// # Errors
    /// The database failed.
    pub async fn segment_members(
        &self,
        segment: &str,
        after: Option<ProfileId>,
        limit: u64,
    ) -> Result<Vec<Member>, StoreError> {
        let mut query = membership::Entity::find().filter(membership::Column::Segment.eq(segment));
        if let Some(after) = after {
            query = query.filter(membership::Column::Profile.gt(after.to_string()));
        }
        let rows = query.order_by_asc(membership::Column::Profile).limit(limit).all(&self.read).await?;
        let mut known: HashMap<String, Vec<Identifier>> = HashMap::with_capacity(rows.len());
        for rows in rows.chunks(AT_ONCE) {
            let identifiers = identity::Entity::find()
                .filter(identity::Column::Profile.is_in(rows.iter().map(|row| row.profile.as_str())))
                .order_by_desc(identity::Column::Kind)
                .order_by_asc(identity::Column::Value)
                .all(&self.read)
                .await?;
            for one in identifiers {
                known.entry(one.profile).or_default().push(Identifier { kind: one.kind, value: one.value });
            }
        }
        rows.into_iter()
            .map(|row| {
                let identifiers = known.remove(&row.profile).unwrap_or_default();
                Ok(Member { profile: parse_id(&row.profile)?, identifiers, since: Timestamp(row.since) })
            })
            .collect()
    }

    /// How often each segment was entered and left, by name.
    ///
    /// # Errors
    /// The database failed.
    pub async fn segment_traffic(&self) -> Result<BTreeMap<String, (i64, i64)>, StoreError> {
        let rows = segment_day::Entity::find().all(&self.read).await?;
        let mut traffic: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for row in rows {
            let (entries, exits) = traffic.entry(row.segment).or_default();
            (*entries, *exits) = (*entries + row.entered, *exits + row.exited);
        }
        Ok(traffic)
    }

    /// Sizes of all segments that have members, by name.
    ///
    /// # Errors
    /// The database failed.
    pub async fn segment_sizes(&self) -> Result<Vec<SegmentSize>, StoreError> {
        let rows: Vec<(String, i64)> = membership::Entity::find()
            .select_only()
            .column(membership::Column::Segment)
            .column_as(membership::Column::Profile.count(), "members")
            .group_by(membership::Column::Segment)
            .order_by_asc(membership::Column::Segment)
            .into_tuple()
            .all(&self.read)
            .await?;
        Ok(rows.into_iter().map(|(segment, members)| SegmentSize { segment, members }).collect())
    }
}
