//! Profiles of one shard are neighbours in the order of ids: what is saved together lies together, in every table that begins
//! with a profile. Before, a shard's profiles were spread evenly over all of them.

use sea_orm_migration::prelude::*;

use crate::model::limit::SHARDS;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// A profile may come to a shard that is further than its own was. So all of them begin where the last of them is: what a
    /// profile has seen it knows itself.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let database = manager.get_connection();
        // A shard that never saved anything has no row.
        let all = format!(
            "DELETE FROM shard_offset WHERE (SELECT COUNT(*) FROM shard_offset) < {SHARDS}; \
             UPDATE shard_offset SET applied = (SELECT MIN(applied) FROM shard_offset), \
             time = (SELECT MIN(time) FROM shard_offset)"
        );
        database.execute_unprepared(&all).await?;
        let place = if database.get_database_backend() == sea_orm::DbBackend::Postgres { "strpos" } else { "instr" };
        let digit = |nth: u8| format!("({place}('0123456789abcdef', substr(id, {nth}, 1)) - 1)");
        let shard = format!("UPDATE profile SET shard = {} * 16 + {}", digit(1), digit(2));
        database.execute_unprepared(&shard).await?;
        Ok(())
    }
}
