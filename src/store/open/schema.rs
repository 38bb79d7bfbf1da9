//! Whether a database has the schema of this program, and how it comes to have it.

use sea_orm::{DatabaseConnection, DbErr, EntityTrait};
use sea_orm_migration::{MigratorTrait, seaql_migrations};

use super::super::StoreError;
use super::super::migration::Migrator;

/// Brings the schema up to date.
pub(super) async fn migrate(database: &DatabaseConnection) -> Result<(), StoreError> {
    let unusable =
        |error: DbErr| StoreError::Unusable(format!("the database's schema cannot be brought up to date: {error}"));
    Migrator::install(database).await.map_err(unusable)?;
    let applied = Migrator::get_migration_models(database).await.map_err(unusable)?;
    let known: Vec<String> = Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
    if let Some(later) = applied.iter().find(|one| !known.contains(&one.version)) {
        return Err(StoreError::Unusable(format!(
            "the database was used by a newer Tidewater (its schema has `{}`, which this program does not know): \
             run that version, or restore a backup from before",
            later.version
        )));
    }
    Migrator::up(database, None).await.map_err(unusable)
}

/// Whether the schema lacks something.
pub(super) async fn is_pending(database: &DatabaseConnection) -> Result<bool, StoreError> {
    let applied = match seaql_migrations::Entity::find().all(database).await {
        Ok(applied) => applied.into_iter().map(|one| one.version).collect(),
        // There is none yet.
        Err(_) => Vec::new(),
    };
    Ok(Migrator::migrations().iter().any(|migration| !applied.contains(&migration.name().to_owned())))
}

/// Whether the schema is exactly what this program would make it.
pub(super) async fn must_be_of_this_version(database: &DatabaseConnection) -> Result<(), StoreError> {
    let applied = seaql_migrations::Entity::find().all(database).await;
    let applied =
        applied.map_err(|error| StoreError::Unusable(format!("this is no database of Tidewater: {error}")))?;
    let mut applied: Vec<String> = applied.into_iter().map(|one| one.version).collect();
    applied.sort();
    let mut known: Vec<String> = Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
    known.sort();
    if applied == known {
        return Ok(());
    }
    let message = "another version of Tidewater made this database: look at it with that version";
    Err(StoreError::Unusable(message.to_owned()))
}
