//! Connections to a database: where it stands, what they may do, and SQLite made as durable as it can be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{self, Connection};
use sea_orm::{ConnectOptions, DatabaseConnection};

use super::super::{StoreError, lease};

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Create,
    Use,
    /// Read only.
    Look,
}

pub(super) async fn connect(url: &str, connections: u32, access: Access) -> Result<DatabaseConnection, StoreError> {
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

pub(super) fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite:")
}

pub(super) fn sqlite_path(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    Some(path.split('?').next().unwrap_or(path))
}

pub(super) fn make_folder(path: &str) -> Result<(), StoreError> {
    let folder = std::path::Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
    let Some(folder) = folder else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|error| StoreError::Unusable(format!("the folder `{}` cannot be made: {error}", folder.display())))
}

pub(super) fn must_exist(url: &str) -> Result<(), StoreError> {
    match sqlite_path(url) {
        Some(path) if !std::path::Path::new(path).exists() => Err(StoreError::Unusable(format!(
            "there is no database at `{path}`: start `tidewater serve` first, or name another with --database"
        ))),
        _ => Ok(()),
    }
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
