//! What is to be done in the world, and what is to follow, is packed as other things at rest are: a bit that flips in an
//! address is told. The JSON of rows of before is read as it is.

use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A column of SQLite takes bytes whatever it was made for.
        if manager.get_database_backend() == DbBackend::Postgres {
            for table in ["outbox", "relay"] {
                let change =
                    format!("ALTER TABLE {table} ALTER COLUMN body TYPE bytea USING convert_to(body::text, 'UTF8')");
                manager.get_connection().execute_unprepared(&change).await?;
            }
        }
        Ok(())
    }
}
