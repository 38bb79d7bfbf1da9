//! Erasures have tables: who was erased, by what they are recognised, and how far it has come.

use sea_orm::Schema;
use sea_orm_migration::prelude::*;

use crate::store::entity::{erased_identifier, erased_profile, erasure};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let schema = Schema::new(manager.get_database_backend());
        manager.create_table(schema.create_table_from_entity(erasure::Entity)).await?;
        manager.create_table(schema.create_table_from_entity(erased_profile::Entity)).await?;
        manager.create_table(schema.create_table_from_entity(erased_identifier::Entity)).await
    }
}
