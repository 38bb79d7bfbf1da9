//! Events that counted for a profile, and changes of its memberships: one row for what was saved together.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "history")]
pub struct Model {
    /// In the order in which they were saved.
    #[sea_orm(primary_key)]
    pub id: i64,
    pub profile: String,
    /// Offsets of its first and last event; 0 where it has none.
    pub first_entry: i64,
    pub last_entry: i64,
    /// When the last was received, or made the last change.
    pub received_at: i64,
    /// See `model::packed`; empty where there are none.
    pub events: Vec<u8>,
    pub changes: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
