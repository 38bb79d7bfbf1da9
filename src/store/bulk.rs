//! Many rows in few statements, so that a row does not cost a round trip of its own.

use std::fmt::Write as _;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

/// How a table's rows are written.
pub(super) struct Bulk {
    pub(super) table: &'static str,
    /// Names, in the order of a row's values.
    pub(super) columns: &'static [&'static str],
    pub(super) conflict: Conflict,
}

/// What becomes of a row whose key is there already.
pub(super) enum Conflict {
    Ignore,
    /// These columns are overwritten; the first list is the key.
    Replace(&'static [&'static str], &'static [&'static str]),
    /// As this clause says.
    Clause(&'static str),
}

/// The values of one row.
pub(super) type Row = Vec<Value>;

/// A row out of anything that a column can hold.
macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$(sea_orm::Value::from($value)),*] };
}
pub(super) use row;

/// Rows of one statement. Few different numbers, so that connections keep the statements ready; the largest bounds the
/// number of values, of which SQLite takes 32,766.
const ROWS: [usize; 4] = [256, 32, 4, 1];

impl Bulk {
    /// Writes the rows. No two of one call may have the same key where the conflict rule replaces.
    pub(super) async fn write(&self, database: &impl ConnectionTrait, rows: Vec<Row>) -> Result<(), DbErr> {
        let conflict = match &self.conflict {
            Conflict::Ignore => "ON CONFLICT DO NOTHING".to_owned(),
            Conflict::Replace(key, columns) => {
                let sets: Vec<String> = columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
                format!("ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), sets.join(", "))
            }
            Conflict::Clause(clause) => (*clause).to_owned(),
        };
        let (table, names) = (self.table, self.columns.join(", "));
        let sql = |values: &str| format!("INSERT INTO {table} ({names}) VALUES {values} {conflict}");
        in_chunks(database, self.columns.len(), rows, sql).await
    }
}

/// How columns of rows that are there are written anew.
pub(super) struct Renewal {
    pub(super) table: &'static str,
    pub(super) key: &'static [&'static str],
    /// Names of a row's values, the key among them.
    pub(super) columns: &'static [&'static str],
    /// The assignments; `news` has the columns.
    pub(super) set: &'static str,
    /// Which rows are left as they are.
    pub(super) unless: &'static str,
}

impl Renewal {
    /// Changes the rows that are there. No two of one call may have the same key.
    pub(super) async fn write(&self, database: &impl ConnectionTrait, rows: Vec<Row>) -> Result<(), DbErr> {
        let Self { table, key, columns, set, unless } = self;
        let names = columns.join(", ");
        let is_it: Vec<String> = key.iter().map(|column| format!("{table}.{column} = news.{column}")).collect();
        let is_it = is_it.join(" AND ");
        let sql = |values: &str| {
            format!(
                "WITH news ({names}) AS (VALUES {values}) UPDATE {table} SET {set} FROM news \
                 WHERE {is_it} AND NOT ({unless})"
            )
        };
        in_chunks(database, columns.len(), rows, sql).await
    }
}

/// Removes the rows with these keys.
pub(super) async fn delete(
    database: &impl ConnectionTrait,
    table: &str,
    key: &[&str],
    rows: Vec<Row>,
) -> Result<(), DbErr> {
    let names = key.join(", ");
    let sql = |values: &str| format!("DELETE FROM {table} WHERE ({names}) IN (VALUES {values})");
    in_chunks(database, key.len(), rows, sql).await
}

/// Runs a statement over all rows, many at a time; `sql` puts their places into it.
async fn in_chunks(
    database: &impl ConnectionTrait,
    width: usize,
    rows: Vec<Row>,
    sql: impl Fn(&str) -> String,
) -> Result<(), DbErr> {
    let backend = database.get_database_backend();
    let mut left = rows.len();
    let mut values = rows.into_iter().flatten();
    for count in ROWS {
        if left < count {
            continue;
        }
        let sql = sql(&places(backend, width, count));
        while left >= count {
            let values = values.by_ref().take(count * width);
            database.execute_raw(Statement::from_sql_and_values(backend, &sql, values)).await?;
            left -= count;
        }
    }
    Ok(())
}

/// `(?, ?), (?, ?)`, as the database writes it.
fn places(backend: DbBackend, width: usize, rows: usize) -> String {
    let mut out = String::with_capacity(rows * (width * 4 + 4));
    for index in 0..rows * width {
        out.push_str(match (index % width, index) {
            (0, 0) => "(",
            (0, _) => "), (",
            _ => ", ",
        });
        if backend == DbBackend::Postgres {
            // Writing to a text does not fail.
            let _ = write!(out, "${}", index + 1);
        } else {
            out.push('?');
        }
    }
    out.push(')');
    out
}
