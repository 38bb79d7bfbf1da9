//! A group commit of the journal: entries as a JSON array.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "journal_block")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub first_offset: i64,
    pub last_offset: i64,
    pub received_at: i64,
    #[sea_orm(column_type = "Text")]
    pub entries: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
