//! An erasure says what it could not do.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The table is made as it is today, so a new database has the column already.
        if !manager.has_column("erasure", "trouble").await? {
            let add = "ALTER TABLE erasure ADD COLUMN trouble text";
            manager.get_connection().execute_unprepared(add).await?;
        }
        Ok(())
    }
}
