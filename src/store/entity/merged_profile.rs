//! A profile that was merged into another.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "merged_profile")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub loser: String,
    pub winner: String,
    /// The entry of the merge.
    pub entry: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
