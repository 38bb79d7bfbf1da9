//! What a profile passes over because the engine failed on it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "skip")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub profile: String,
    /// The entry, or the instant of the wake: one of the two.
    pub entry: Option<i64>,
    pub wake: Option<i64>,
    /// A replay that begins after this entry does not meet it any more.
    pub place: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
