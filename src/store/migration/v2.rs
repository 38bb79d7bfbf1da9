//! Version 2: which program came into force with which entry, up to which instant a shard let time pass, and which entry
//! merged a profile into another.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ConnectionTrait, Schema};
use sea_orm_migration::prelude::*;

use crate::model::Timestamp;
use crate::store::entity::{deploy, merged_profile, setting, shard_offset};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// What version 1 had noted as active was deployed before everything that is still to be applied.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let schema = Schema::new(manager.get_database_backend());
        manager.create_table(schema.create_table_from_entity(deploy::Entity)).await?;
        let active = Query::select()
            .expr(Expr::val(0))
            .column(setting::Column::Value)
            .from(setting::Entity)
            .and_where(Expr::col(setting::Column::Name).eq("active_program"))
            .to_owned();
        let mut insert = Query::insert();
        insert.into_table(deploy::Entity).columns([deploy::Column::Offset, deploy::Column::Version]);
        insert.select_from(active).map_err(|error| DbErr::Custom(error.to_string()))?;
        manager.get_connection().execute(&insert).await?;
        // Version 1 makes its tables as they are today, so a new database has the columns already.
        if !manager.has_column("merged_profile", "entry").await? {
            let entry = ColumnDef::new(merged_profile::Column::Entry).big_integer().not_null().default(0).take();
            let alter = Table::alter().table(merged_profile::Entity).add_column(entry).to_owned();
            manager.alter_table(alter).await?;
        }
        if !manager.has_column("shard_offset", "time").await? {
            let time =
                ColumnDef::new(shard_offset::Column::Time).big_integer().not_null().default(Timestamp::MIN.0).take();
            let alter = Table::alter().table(shard_offset::Entity).add_column(time).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
