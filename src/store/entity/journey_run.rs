//! A passage of a profile through a journey.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "journey_run")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub run: String,
    pub profile: String,
    pub journey: String,
    pub run_key: String,
    pub started_at: i64,
    pub ended_at: Option<i64>,
    pub reason: Option<String>,
    pub goal_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
