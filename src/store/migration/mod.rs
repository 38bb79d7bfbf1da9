//! The schema, version by version. A version that was released is never edited.

use sea_orm_migration::{MigrationTrait, MigratorTrait, async_trait};

mod denied_by_entry;
mod erasure_trouble;
mod erasures;
mod leases;
mod outbox_turns;
mod packed_effects;
mod quarantine_mistakes;
mod quarantine_names;
mod shards_in_order;
mod skips;
mod v1;
mod v2;
mod v3;

pub(super) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(v1::Migration),
            Box::new(v2::Migration),
            Box::new(v3::Migration),
            Box::new(outbox_turns::Migration),
            Box::new(skips::Migration),
            Box::new(leases::Migration),
            Box::new(quarantine_mistakes::Migration),
            Box::new(erasures::Migration),
            Box::new(shards_in_order::Migration),
            Box::new(denied_by_entry::Migration),
            Box::new(quarantine_names::Migration),
            Box::new(erasure_trouble::Migration),
            Box::new(packed_effects::Migration),
        ]
    }
}
