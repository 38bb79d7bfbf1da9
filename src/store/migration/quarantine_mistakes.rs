//! What is in the quarantine says each of its mistakes by itself, and by which call it came.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (column, kind) in [("mistakes", "text"), ("call", "varchar")] {
            // Version 1 makes its tables as they are today, so a new database has the columns already.
            if !manager.has_column("quarantine", column).await? {
                let add = format!("ALTER TABLE quarantine ADD COLUMN {column} {kind}");
                manager.get_connection().execute_unprepared(&add).await?;
            }
        }
        Ok(())
    }
}
