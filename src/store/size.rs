//! How large a database is, table by table: for `tidewater bench`.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{Database, StoreError};

/// Each tree of pages under the table that it belongs to: the table's own, or an index of it.
const SIZES: &str = "SELECT COALESCE(owner.tbl_name, tree.name) AS name, SUM(tree.pgsize) AS bytes \
                     FROM dbstat AS tree LEFT JOIN sqlite_schema AS owner ON owner.name = tree.name \
                     WHERE tree.aggregate = TRUE GROUP BY 1 ORDER BY 2 DESC";

impl Database {
    /// Bytes of each table with its indexes, largest first; it reads every page. Only SQLite tells: elsewhere empty.
    ///
    /// # Errors
    /// The database failed.
    pub async fn table_sizes(&self) -> Result<Vec<(String, u64)>, StoreError> {
        if self.read.get_database_backend() != DbBackend::Sqlite {
            return Ok(Vec::new());
        }
        let rows = self.read.query_all_raw(Statement::from_string(DbBackend::Sqlite, SIZES)).await?;
        let size = |row: &sea_orm::QueryResult| {
            Ok((row.try_get::<String>("", "name")?, row.try_get::<i64>("", "bytes")?.unsigned_abs()))
        };
        rows.iter().map(size).collect()
    }
}
