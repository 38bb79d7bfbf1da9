//! Version 1: all tables of the first release.

use sea_orm::{DbBackend, Schema};
use sea_orm_migration::prelude::*;

use crate::store::entity::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let schema = Schema::new(manager.get_database_backend());
        let tables = [
            schema.create_table_from_entity(journal_block::Entity),
            schema.create_table_from_entity(identity::Entity),
            schema.create_table_from_entity(merged_profile::Entity),
            schema.create_table_from_entity(profile::Entity),
            schema.create_table_from_entity(shard_offset::Entity),
            schema.create_table_from_entity(membership::Entity),
            schema.create_table_from_entity(history::Entity),
            schema.create_table_from_entity(journey_run::Entity),
            schema.create_table_from_entity(journey_step::Entity),
            schema.create_table_from_entity(outbox::Entity),
            schema.create_table_from_entity(deny::Entity),
            schema.create_table_from_entity(relay::Entity),
            schema.create_table_from_entity(schedule_fired::Entity),
            schema.create_table_from_entity(quarantine::Entity),
            schema.create_table_from_entity(program::Entity),
            schema.create_table_from_entity(setting::Entity),
        ];
        for mut table in tables {
            if manager.get_database_backend() == DbBackend::Sqlite && SLIM.iter().any(|slim| is_named(&table, slim)) {
                table.extra("WITHOUT ROWID");
            }
            manager.create_table(table).await?;
        }
        for (table, column) in INDEXES {
            let index = Index::create().name(format!("{table}_{column}")).table(*table).col(*column).to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// Tables whose rows are little more than their key: on SQLite they are kept in the order of the key, instead of in two
/// trees.
const SLIM: &[&str] = &["identity", "membership", "journey_run", "journey_step", "deny"];

fn is_named(table: &TableCreateStatement, name: &str) -> bool {
    matches!(table.get_table_name(), Some(TableRef::Table(found, _)) if found.1.to_string() == name)
}

/// Columns that are looked up by.
const INDEXES: &[(&str, &str)] = &[
    ("identity", "profile"),
    ("merged_profile", "winner"),
    ("journey_run", "profile"),
    ("journey_run", "journey"),
    ("journey_step", "journey"),
    ("outbox", "profile"),
    ("outbox", "journey"),
    ("quarantine", "received_at"),
];
