//! The plain insert that `tidewater bench` compares us with: rows as they are, no index, the same durability.

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
    use sea_orm::ConnectionTrait;
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
}
