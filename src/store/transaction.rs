//! Transactions that write: one after the other, and when each of them is on the disk.
//!
//! What a source, a far side or a person was told must survive a power cut, so a commit is on the disk before anything
//! follows from it. States are different: they follow from the journal, and are decided again where they are lost. On SQLite
//! they need not be forced to the disk, which would hold up the journal; they reach it with the next commit that is, as its
//! log is written in order and read back up to the first gap. So whatever was told to anybody, all that was committed before
//! it is there as well, and a power cut is as one a moment earlier. What a commit left to the system is lost only together with
//! this process; PostgreSQL is another one, so there all of them are forced.

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::Mutex;

use super::{Database, StoreError, lease};

/// When a committed transaction is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Force {
    /// Before the commit is answered.
    AtOnce,
    /// With the next one that is forced: a crash before that loses it.
    WithTheNext,
}

/// What SQLite's one connection for writing was last set to.
pub(super) type Turn = Arc<Mutex<Force>>;

/// As connections are opened.
pub(super) fn first_turn() -> Turn {
    Arc::new(Mutex::new(Force::AtOnce))
}

impl Database {
    /// Begins a transaction that is on the disk once it is committed. On SQLite it takes its turn at once: one that reads
    /// first and writes later fails without waiting where another process wrote in between. On PostgreSQL it is one of the
    /// owner, if this handle is the owner's.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        self.begin_with(Force::AtOnce).await
    }

    /// As [`Self::begin`], for what can be lost without a loss as long as everything committed later is lost with it.
    pub(super) async fn begin_with(&self, force: Force) -> Result<DatabaseTransaction, StoreError> {
        if self.write.get_database_backend() != DbBackend::Sqlite {
            let transaction = self.write.begin().await?;
            if let Some(fence) = self.fence {
                lease::hold(&transaction, fence).await?;
            }
            // Always forced: PostgreSQL may die alone, and lose what this process takes for saved.
            return Ok(transaction);
        }
        // Held until the transaction has the connection: what it is set to must not change in between.
        let mut set_to = self.turn.lock().await;
        if *set_to != force {
            if force == Force::WithTheNext {
                // First the note: should the answer be lost, the next one sets it back all the same.
                *set_to = force;
                self.write.execute_unprepared("PRAGMA synchronous = NORMAL").await?;
            } else {
                self.write.execute_unprepared("PRAGMA synchronous = FULL").await?;
                *set_to = force;
            }
        }
        let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode, ..Default::default() };
        Ok(self.write.begin_with_options(options).await?)
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::Statement;

    use super::*;
    use crate::store::setting::put;

    async fn sqlite() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/store.db", folder.path().display());
        let store = Database::open(&url).await.unwrap();
        (folder, store)
    }

    async fn synchronous(transaction: &DatabaseTransaction) -> i64 {
        let asked = Statement::from_string(DbBackend::Sqlite, "PRAGMA synchronous");
        transaction.query_one_raw(asked).await.unwrap().unwrap().try_get_by_index(0).unwrap()
    }

    /// Commits while another that is begun later waits for its turn.
    async fn commit(store: &Database, force: Force) -> i64 {
        let transaction = store.begin_with(force).await.unwrap();
        tokio::task::yield_now().await;
        let found = synchronous(&transaction).await;
        transaction.commit().await.unwrap();
        found
    }

    #[tokio::test]
    async fn each_transaction_is_forced_as_it_asked_in_whatever_order_they_come() {
        let (_folder, store) = sqlite().await;
        let orders = (0..24).map(|at| if at % 3 == 0 || at % 5 == 0 { Force::AtOnce } else { Force::WithTheNext });
        let found = futures_util::future::join_all(orders.clone().map(|force| commit(&store, force))).await;
        let wanted: Vec<i64> = orders.map(|force| if force == Force::AtOnce { 2 } else { 1 }).collect();
        assert_eq!(found, wanted, "2 is FULL, 1 is NORMAL");
    }

    #[tokio::test]
    async fn after_a_failed_commit_what_was_not_forced_is_written_into_the_database_before_anything_else_is() {
        let (folder, store) = sqlite().await;
        let is_in_the_file = || {
            let bytes = std::fs::read(folder.path().join("store.db")).unwrap();
            bytes.windows(6).any(|window| window == b"canary")
        };
        let unforced = store.begin_with(Force::WithTheNext).await.unwrap();
        put(&unforced, "canary", "").await.unwrap();
        unforced.commit().await.unwrap();
        store.begin().await.unwrap().commit().await.unwrap();
        assert!(!is_in_the_file(), "it is in the log");
        let failed = store.begin().await.unwrap();
        // As SQLite does where a commit cannot be forced.
        failed.execute_unprepared("ROLLBACK").await.unwrap();
        assert!(failed.commit().await.is_err(), "there is nothing to commit");
        store.begin().await.unwrap().commit().await.unwrap();
        assert!(is_in_the_file());
    }
}
