//! Effects are claimed in turns: the lane of each, the queue that it stands in, and its place among changes of one
//! instant.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

/// Column, type, and what rows of before have.
const COLUMNS: [(&str, &str); 3] = [("lane", "varchar"), ("queue", "varchar"), ("ordinal", "bigint")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let database = manager.get_connection();
        for (column, kind) in COLUMNS {
            // Version 1 makes its tables as they are today, so a new database has the columns already.
            if !manager.has_column("outbox", column).await? {
                let default = if kind == "bigint" { "0" } else { "''" };
                let add = format!("ALTER TABLE outbox ADD COLUMN {column} {kind} NOT NULL DEFAULT {default}");
                database.execute_unprepared(&add).await?;
            }
        }
        // Which of the mails that wait are transactional stands in their bodies alone: they wait as marketing does.
        let lanes = "UPDATE outbox SET lane = CASE WHEN consent IS NULL THEN '0' ELSE '1' END || COALESCE(journey, '') \
                     WHERE status = 'ready' AND lane = ''";
        database.execute_unprepared(lanes).await?;
        let index = "CREATE INDEX IF NOT EXISTS outbox_turn ON outbox (destination, queue, lane, not_before, effect) \
                     WHERE status = 'ready'";
        database.execute_unprepared(index).await?;
        Ok(())
    }
}
