//! What a stopped server left on disk.

use std::path::Path;

use serde::Serialize;

use super::megabytes;
use crate::cli::output::{Failure, print_table};
use crate::store::Database;

/// Tables that take less than this share of a database are told together.
const SMALL: f64 = 0.01;

#[derive(Debug, Serialize)]
pub(super) struct Disk {
    pub(super) profiles: u64,
    /// Of the database's file.
    pub(super) bytes: u64,
    /// Tables with their indexes, largest first.
    tables: Vec<Table>,
}

#[derive(Debug, Serialize)]
struct Table {
    table: String,
    bytes: u64,
}

/// The database of a server that has stopped, to look at.
pub(super) async fn open(folder: &Path) -> Result<Database, Failure> {
    Ok(Database::open_to_look(&format!("sqlite://{}", folder.join("data/bench.db").display())).await?)
}

impl Disk {
    pub(super) async fn of(folder: &Path) -> Result<Self, Failure> {
        let database = open(folder).await?;
        let (profiles, sizes) = (database.profile_count().await?, database.table_sizes().await?);
        database.close().await;
        let bytes = std::fs::metadata(folder.join("data/bench.db"))?.len();
        let tables = sizes.into_iter().map(|(table, bytes)| Table { table, bytes }).collect();
        Ok(Self { profiles, bytes, tables })
    }

    /// In all, and what each of `count` things (`what`) takes of it.
    pub(super) fn print(&self, what: &str, count: u64) {
        let row = |name: &str, bytes: u64| {
            vec![name.to_owned(), megabytes(bytes), format!("{:.0}", bytes as f64 / count.max(1) as f64)]
        };
        let is_small = |table: &&Table| (table.bytes as f64) < self.bytes as f64 * SMALL;
        let mut rows = vec![row("the database", self.bytes)];
        rows.extend(self.tables.iter().filter(|table| !is_small(table)).map(|table| row(&table.table, table.bytes)));
        rows.push(row("other tables", self.tables.iter().filter(is_small).map(|table| table.bytes).sum()));
        print_table(&["on disk", "MB", &format!("bytes a {what}")], &rows);
    }
}
