//! Entries of one group commit of the journal.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "journal_block")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub first_offset: i64,
    pub last_offset: i64,
    pub received_at: i64,
    /// See `model::packed`.
    pub entries: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
