//! What is denied says by which entry, in place of when the person said so: their clock decides nothing.

use sea_orm::ConnectionTrait;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let database = manager.get_connection();
        // Version 1 makes its tables as they are today, so a new database has the column already.
        if !manager.has_column("deny", "entry").await? {
            database.execute_unprepared("ALTER TABLE deny ADD COLUMN entry bigint NOT NULL DEFAULT 0").await?;
            // What was denied takes all of the journal so far into account: only what is said from now on lifts it.
            let known = "UPDATE deny SET entry = (SELECT COALESCE(MAX(last_offset), 0) FROM journal_block)";
            database.execute_unprepared(known).await?;
            database.execute_unprepared("ALTER TABLE deny DROP COLUMN at").await?;
        }
        Ok(())
    }
}
