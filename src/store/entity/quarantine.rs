//! What was refused or set aside, with the reason.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "quarantine")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub source: String,
    pub received_at: i64,
    pub code: String,
    #[sea_orm(column_type = "Text")]
    pub reason: String,
    #[sea_orm(column_type = "Text")]
    pub payload: String,
    /// Each thing that is wrong, with its place, as JSON; rows of earlier versions have the reason alone.
    #[sea_orm(column_type = "Text")]
    pub mistakes: Option<String>,
    /// The call by which it came; rows of earlier versions, and what came by no call, have none.
    pub call: Option<String>,
    /// Hashes of whom it names, with a blank between them; rows of earlier versions have none.
    #[sea_orm(column_type = "Text")]
    pub named: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
