//! The plain SQLite that `tidewater bench` and `benches/store.rs` compare us with: rows as they are, no index beside the
//! key, the same durability.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::bulk::{Bulk, Conflict, row};
use super::{Database, StoreError};

/// A database with one table of texts.
#[derive(Debug)]
pub struct Plain {
    database: Database,
    next: i64,
}

const ROWS: Bulk = Bulk { table: "plain", columns: &["id", "body"], conflict: Conflict::Ignore };

/// Makes one.
///
/// # Errors
/// The database failed.
pub async fn plain_inserts(url: &str) -> Result<Plain, StoreError> {
    let database = Database::open(url).await?;
    database.write.execute_unprepared("CREATE TABLE plain (id INTEGER PRIMARY KEY, body TEXT NOT NULL)").await?;
    Ok(Plain { database, next: 0 })
}

impl Plain {
    /// Inserts the rows in one transaction.
    ///
    /// # Errors
    /// The database failed.
    pub async fn insert(&mut self, rows: &[String]) -> Result<(), StoreError> {
        let transaction = self.database.begin().await?;
        let numbered = rows.iter().zip(self.next..).map(|(row, id)| row![id, row.as_str()]).collect();
        ROWS.write(&transaction, numbered).await?;
        transaction.commit().await?;
        self.next += rows.len() as i64;
        Ok(())
    }

    /// How many rows there are; their keys begin at 0.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.next
    }

    /// The texts of these rows, by key.
    ///
    /// # Errors
    /// The database failed.
    pub async fn read(&self, keys: &[i64]) -> Result<Vec<String>, StoreError> {
        let sql = format!("SELECT body FROM plain WHERE id IN ({})", vec!["?"; keys.len()].join(", "));
        let values = keys.iter().map(|key| (*key).into());
        let rows =
            self.database.read.query_all_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?;
        rows.iter().map(|row| Ok(row.try_get("", "body")?)).collect()
    }

    /// Overwrites the texts of these rows in one transaction.
    ///
    /// # Errors
    /// The database failed.
    pub async fn overwrite(&self, keys: std::ops::Range<i64>, body: &str) -> Result<(), StoreError> {
        let transaction = self.database.begin().await?;
        let sql = "UPDATE plain SET body = ? WHERE id >= ? AND id < ?";
        let values = [body.into(), keys.start.into(), keys.end.into()];
        transaction.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await?;
        transaction.commit().await?;
        Ok(())
    }
}
