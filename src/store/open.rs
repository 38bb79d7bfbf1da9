//! Opening a store, and its connections as long as it is open.

mod connection;
mod schema;

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use self::connection::{Access, connect, is_sqlite, make_folder, must_exist, sqlite_path};
pub use self::connection::{lock, without_password};
use self::schema::{is_pending, migrate, must_be_of_this_version};
use super::transaction::first_turn;
use super::{Database, StoreError};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::setting::put;

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
