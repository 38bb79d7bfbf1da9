//! Opening a store: SQLite made as durable as it can be, PostgreSQL, and the settings that the store keeps about itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::sea_query::OnConflict;
use sea_orm::sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{self, Connection};
use sea_orm::{
    ActiveValue::Set, ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, Statement,
};
use sea_orm_migration::{MigratorTrait, seaql_migrations};

use crate::model::limit::SHARDS;

use super::entity::setting;
use super::migration::Migrator;
use super::transaction::first_turn;
use super::{Database, StoreError, lease};

/// Readers beside the writer.
const READERS: u32 = 4;

impl Database {
    /// Opens a store, makes it where it is not there, and brings its schema up to date.
    ///
    /// `url` is `sqlite://path/to/file.db` or `postgres://…`.
    ///
    /// # Errors
    /// The database cannot be reached or written, or belongs to a newer or differently sharded Tidewater.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Self::reach(url).await?;
        store.bring_up_to_date().await?;
        Ok(store)
    }

    /// Opens a store for a server, and makes it the one that writes before anything is changed. `holder` tells people who
    /// it is. What follows: [`Self::bring_up_to_date`], while the lease is renewed.
    ///
    /// # Errors
    /// As [`Self::open`]; or another server has it.
    pub async fn open_to_own(url: &str, holder: &str) -> Result<Self, StoreError> {
        Self::reach(url).await?.own(holder).await
    }

    async fn reach(url: &str) -> Result<Self, StoreError> {
        if let Some(path) = sqlite_path(url) {
            make_folder(path)?;
        }
        let write = connect(url, if is_sqlite(url) { 1 } else { READERS }, Access::Create).await?;
        let read = connect(url, READERS, Access::Use).await?;
        Ok(Self { write, read, fence: None, turn: first_turn() })
    }

    /// Brings the schema up to date. A server does so under its lease: nobody takes over in the middle of it. A command
    /// does not where a server has the database, which knows the schema that it has.
    ///
    /// # Errors
    /// The database failed, or belongs to a newer or differently sharded Tidewater, or to a server of an older one.
    pub async fn bring_up_to_date(&self) -> Result<(), StoreError> {
        if is_pending(&self.write).await?
            && let Some(owner) = self.owner().await?
        {
            return Err(StoreError::Unusable(format!(
                "the database has the schema of an earlier Tidewater, and a server of that ({owner}) is running on it: use \
                 the commands of its version, or stop it first"
            )));
        }
        let held = match self.fence {
            Some(_) => {
                let transaction = self.begin().await?;
                // It has nothing to do meanwhile, however long that takes.
                transaction.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
                Some(transaction)
            }
            None => None,
        };
        migrate(&self.write).await?;
        if let Some(held) = held {
            held.commit().await?;
        }
        self.check_shards().await
    }

    /// Opens a store that is there, for a command beside a running server.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub async fn open_existing(url: &str) -> Result<Self, StoreError> {
        must_exist(url)?;
        Self::open(url).await
    }

    /// Opens a store that is there so that nothing of it can change: its schema is left as it is, and the database
    /// refuses to write.
    ///
    /// # Errors
    /// There is none, or another version of Tidewater made it.
    pub async fn open_to_look(url: &str) -> Result<Self, StoreError> {
        must_exist(url)?;
        let read = connect(url, 1, Access::Look).await?;
        must_be_of_this_version(&read).await?;
        Ok(Self { write: read.clone(), read, fence: None, turn: first_turn() })
    }

    /// Whether the database answers and can be written to.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.put_setting("last_ping", "").await
    }

    /// A random secret of 32 bytes, made at first use and kept; such as the one that signs links.
    ///
    /// # Errors
    /// The database fails, or holds something else under this name.
    pub async fn secret(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD;
        let name = format!("secret:{name}");
        let read = |kept: &str| engine.decode(kept).map_err(|_| StoreError::Corrupt(format!("the setting `{name}`")));
        if let Some(kept) = self.setting(&name).await? {
            return read(&kept);
        }
        let fresh = engine.encode(rand::random::<[u8; 32]>());
        let row = setting::ActiveModel { name: Set(name.clone()), value: Set(fresh) };
        // Whoever comes first makes it; everyone reads what is there.
        let transaction = self.begin().await?;
        setting::Entity::insert(row)
            .on_conflict(OnConflict::column(setting::Column::Name).do_nothing().to_owned())
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        read(&self.setting(&name).await?.unwrap_or_default())
    }

    pub(super) async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let row = setting::Entity::find_by_id(name.to_owned()).one(&self.write).await?;
        Ok(row.map(|row| row.value))
    }

    pub(super) async fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        put(&transaction, name, value).await?;
        Ok(transaction.commit().await?)
    }

    /// A profile's shard follows from its id and the number of shards, so that number is fixed for good.
    async fn check_shards(&self) -> Result<(), StoreError> {
        match self.setting("shards").await? {
            None => self.put_setting("shards", &SHARDS.to_string()).await,
            Some(kept) if kept == SHARDS.to_string() => Ok(()),
            Some(kept) => {
                Err(StoreError::Unusable(format!("the database was made for {kept} shards, this program has {SHARDS}")))
            }
        }
    }

    /// Lets go of all connections that nobody uses, so that the next ones are opened anew and see what is durable. After
    /// a failed write a connection may hold what never reached the disk.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub async fn reopen(&self) -> Result<(), StoreError> {
        for database in [&self.write, &self.read] {
            match database.get_database_backend() {
                DbBackend::Sqlite => {
                    let pool = database.get_sqlite_connection_pool();
                    while let Some(connection) = pool.try_acquire() {
                        // It is given up whether or not it can say goodbye.
                        let _ = connection.close().await;
                    }
                }
                _ => {
                    let pool = database.get_postgres_connection_pool();
                    while let Some(connection) = pool.try_acquire() {
                        let _ = connection.close().await;
                    }
                }
            }
        }
        self.ping().await
    }

    /// Copies SQLite's log back into the database, as far as that holds up nobody. Where it never catches up, a commit
    /// does it when the log has 256 MB.
    ///
    /// # Errors
    /// The database failed.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        if self.read.get_database_backend() == DbBackend::Sqlite {
            self.read.execute_unprepared("PRAGMA wal_checkpoint(PASSIVE)").await?;
        }
        Ok(())
    }

    /// Closes all connections; what was committed stays.
    pub async fn close(self) {
        let _ = self.read.close().await;
        let _ = self.write.close().await;
    }

    /// Settings that make a commit survive power loss, as (name, value) for tests and `readyz`: SQLite only.
    ///
    /// # Errors
    /// The database fails.
    pub async fn durability(&self) -> Result<Vec<(String, String)>, StoreError> {
        if self.write.get_database_backend() != DbBackend::Sqlite {
            return Ok(Vec::new());
        }
        // As a transaction has it.
        let transaction = self.begin().await?;
        let mut found = Vec::new();
        for name in ["journal_mode", "synchronous"] {
            let statement = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {name}"));
            if let Some(row) = transaction.query_one_raw(statement).await? {
                let value = row
                    .try_get_by_index::<String>(0)
                    .or_else(|_| row.try_get_by_index::<i64>(0).map(|n| n.to_string()))?;
                found.push((name.to_owned(), value));
            }
        }
        Ok(found)
    }
}

/// Writes a setting.
pub(super) async fn put(database: &impl ConnectionTrait, name: &str, value: &str) -> Result<(), StoreError> {
    let row = setting::ActiveModel { name: Set(name.to_owned()), value: Set(value.to_owned()) };
    setting::Entity::insert(row)
        .on_conflict(OnConflict::column(setting::Column::Name).update_column(setting::Column::Value).to_owned())
        .exec_without_returning(database)
        .await?;
    Ok(())
}

/// Keeps a second server away from a SQLite database while the returned lock lives. PostgreSQL has a lease:
/// see [`Database::own`].
///
/// # Errors
/// Another server holds it, or the lock file cannot be made.
pub fn lock(url: &str) -> Result<Option<std::fs::File>, StoreError> {
    let Some(path) = sqlite_path(url) else { return Ok(None) };
    make_folder(path)?;
    let unusable =
        |error: &dyn std::fmt::Display| StoreError::Unusable(format!("`{path}.lock` cannot be used: {error}"));
    let file = std::fs::File::create(format!("{path}.lock")).map_err(|error| unusable(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(StoreError::Unusable(format!("another server is running on `{path}`; stop it first")))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(unusable(&error)),
    }
}

fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite:")
}

fn sqlite_path(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    Some(path.split('?').next().unwrap_or(path))
}

fn make_folder(path: &str) -> Result<(), StoreError> {
    let folder = std::path::Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
    let Some(folder) = folder else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|error| StoreError::Unusable(format!("the folder `{}` cannot be made: {error}", folder.display())))
}

fn must_exist(url: &str) -> Result<(), StoreError> {
    match sqlite_path(url) {
        Some(path) if !std::path::Path::new(path).exists() => Err(StoreError::Unusable(format!(
            "there is no database at `{path}`: start `tidewater serve` first, or name another with --database"
        ))),
        _ => Ok(()),
    }
}

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Create,
    Use,
    /// Read only.
    Look,
}

async fn connect(url: &str, connections: u32, access: Access) -> Result<DatabaseConnection, StoreError> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .connect_timeout(Duration::from_secs(10))
        .acquire_timeout(Duration::from_secs(30))
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = sqlite.create_if_missing(access == Access::Create).busy_timeout(Duration::from_secs(30));
            if access == Access::Look {
                return sqlite.read_only(true);
            }
            // FULL: a commit is on the disk before it is answered.
            sqlite
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                // What a statement may have to take back is noted in memory, and not in a file for each.
                .pragma("temp_store", "MEMORY")
                // By default a transaction of more than two megabytes goes to the file in pieces, and the log is copied
                // back every four, by whoever commits: see `Database::checkpoint`.
                .pragma("cache_size", "-65536")
                .pragma("wal_autocheckpoint", "65536")
        })
        .map_sqlx_sqlite_pool_opts(move |pool| {
            let is_first = AtomicBool::new(true);
            pool.after_release(|connection, _| Box::pin(is_at_rest(connection))).after_connect(move |connection, _| {
                let is_again = access == Access::Create && !is_first.swap(false, Ordering::Relaxed);
                Box::pin(async move { if is_again { put_log_away(connection).await } else { Ok(()) } })
            })
        })
        .map_sqlx_postgres_opts(move |postgres| match access {
            Access::Look => postgres.options([("default_transaction_read_only", "on")]),
            _ => postgres.options([("idle_in_transaction_session_timeout", lease::IDLE_TRANSACTION.as_millis())]),
        });
    sea_orm::Database::connect(options).await.map_err(|error| {
        StoreError::Unusable(format!("the database `{}` cannot be opened: {error}", without_password(url)))
    })
}

/// Whether a connection may be used again. After a write that failed, SQLite itself has ended the transaction, and the driver
/// believes in it still: to roll the next one back would leave it open, and all that follow would be committed within it,
/// which is not at all.
async fn is_at_rest(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // What was asked for before this is done with its answer.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Copies SQLite's log into the database, and forces that to the disk. A connection for writing that is opened anew may follow
/// one whose commit could not be forced. Of what was committed before that, and was to be forced with it, the system holds
/// the right pages, and takes them for written: only as new pages of another file do they get another chance.
async fn put_log_away(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let (is_busy, ..): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(FULL)").fetch_one(connection).await?;
    if is_busy == 0 {
        Ok(())
    } else {
        Err(sqlx::Error::Protocol("the log could not be copied into the database yet".into()))
    }
}

async fn migrate(database: &DatabaseConnection) -> Result<(), StoreError> {
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
async fn is_pending(database: &DatabaseConnection) -> Result<bool, StoreError> {
    let applied = match seaql_migrations::Entity::find().all(database).await {
        Ok(applied) => applied.into_iter().map(|one| one.version).collect(),
        // There is none yet.
        Err(_) => Vec::new(),
    };
    Ok(Migrator::migrations().iter().any(|migration| !applied.contains(&migration.name().to_owned())))
}

/// Whether the schema is exactly what this program would make it.
async fn must_be_of_this_version(database: &DatabaseConnection) -> Result<(), StoreError> {
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

/// The address as it may be shown.
#[must_use]
pub fn without_password(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            let _ = parsed.set_password(Some("…"));
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_committed_after_a_failed_transaction_is_there_for_everyone() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/store.db", folder.path().display());
        let store = Database::open(&url).await.unwrap();
        let failed = store.begin().await.unwrap();
        // As SQLite does where a write fails.
        failed.execute_unprepared("ROLLBACK").await.unwrap();
        assert!(failed.commit().await.is_err(), "there is nothing to commit");
        store.begin().await.unwrap().rollback().await.unwrap();
        let kept = store.begin().await.unwrap();
        put(&kept, "kept", "yes").await.unwrap();
        kept.commit().await.unwrap();
        let other = Database::open_existing(&url).await.unwrap();
        assert_eq!(other.setting("kept").await.unwrap().as_deref(), Some("yes"), "another process sees it");
    }
}
