//! What is in the quarantine says whom it names, by hashes: of some payloads that cannot be told any more.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Version 1 makes its tables as they are today, so a new database has the column already.
        if !manager.has_column("quarantine", "named").await? {
            let add = "ALTER TABLE quarantine ADD COLUMN named text";
            manager.get_connection().execute_unprepared(add).await?;
        }
        Ok(())
    }
}
