//! Who may write: one row. See `store::lease`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lease")]
pub struct Model {
    /// Raised by each takeover. It is the key, so that a takeover waits for whoever holds on to the row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub fence: i64,
    pub holder: String,
    pub since: i64,
    /// Milliseconds of the database's clock; past: nobody has it.
    pub until: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
