//! Who may write has a row.

use sea_orm_migration::prelude::*;

use crate::store::lease::make_table;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A server has it before it changes anything else.
        make_table(manager.get_connection()).await
    }
}
