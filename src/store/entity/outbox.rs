//! An effect, from its decision to its outcome: also the record of deliveries.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub effect: String,
    pub profile: String,
    pub destination: String,
    pub channel: String,
    pub journey: Option<String>,
    pub run: Option<String>,
    pub step: Option<String>,
    pub consent: Option<String>,
    /// See `model::packed`.
    pub body: Vec<u8>,
    pub status: String,
    pub attempts: i32,
    pub not_before: i64,
    pub expires_at: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub detail: Option<String>,
    pub decided_at: i64,
    pub updated_at: i64,
    /// Whose turn it is: see `store::claim`.
    pub lane: String,
    /// The domain whose limit it waits for; empty for the queue of all others.
    pub queue: String,
    /// Among what was decided at one instant.
    pub ordinal: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
