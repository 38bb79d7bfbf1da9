//! A person who was erased, or is being: how far it has come, and the receipt. Nothing in it is of the person.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "erasure")]
pub struct Model {
    /// The entry of the journal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub entry: i64,
    pub at: i64,
    /// They are not to be known again.
    pub suppressed: bool,
    /// See `store::clean_up`.
    pub stage: String,
    /// How far the stage has come: the last row that it looked at.
    pub cursor: String,
    /// Of the journal: up to where it can hold anything.
    pub until: i64,
    /// Rows that were removed, by place, as JSON.
    #[sea_orm(column_type = "Text")]
    pub removed: String,
    pub ended_at: Option<i64>,
    /// What could not be done, for people.
    #[sea_orm(column_type = "Text")]
    pub trouble: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
