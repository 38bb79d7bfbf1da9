//! Who may write has a row.

use sea_orm::{ConnectionTrait, Schema};
use sea_orm_migration::prelude::*;

use crate::store::entity::lease;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let schema = Schema::new(manager.get_database_backend());
        manager.create_table(schema.create_table_from_entity(lease::Entity)).await?;
        let nobody = "INSERT INTO lease (fence, holder, since, until) VALUES (0, '', 0, 0)";
        manager.get_connection().execute_unprepared(nobody).await?;
        Ok(())
    }
}
