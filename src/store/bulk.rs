//! Many rows in one statement: they travel as one JSON array in one bound value, which both databases unfold, so that
//! a row does not cost a round trip of its own.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use serde_json::Value as Json;

/// How a table's rows are written.
pub(super) struct Bulk {
    pub(super) table: &'static str,
    /// Names and kinds, in the order of a row's values.
    pub(super) columns: &'static [(&'static str, Kind)],
    pub(super) conflict: Conflict,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Int,
    Bool,
}

/// What becomes of a row whose key is there already.
pub(super) enum Conflict {
    Ignore,
    /// These columns are overwritten; the first list is the key.
    Replace(&'static [&'static str], &'static [&'static str]),
}

/// Rows of one statement: bounds its size, not its meaning.
const ROWS: usize = 5_000;

impl Bulk {
    /// Writes the rows. No two of one call may have the same key where the conflict rule replaces.
    pub(super) async fn write(&self, database: &impl ConnectionTrait, rows: Vec<Json>) -> Result<(), DbErr> {
        let backend = database.get_database_backend();
        let sql = self.sql(backend);
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let chunk: Vec<Json> = rows.by_ref().take(ROWS).collect();
            let json = Json::Array(chunk).to_string();
            database.execute_raw(Statement::from_sql_and_values(backend, &sql, [json.into()])).await?;
        }
        Ok(())
    }

    fn sql(&self, backend: DbBackend) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let values: Vec<String> =
            self.columns.iter().enumerate().map(|(index, (_, kind))| kind.column(backend, index)).collect();
        let source = match backend {
            DbBackend::Postgres => "json_array_elements($1::json) AS item(value) WHERE true",
            _ => "json_each(?) WHERE true",
        };
        let conflict = match &self.conflict {
            Conflict::Ignore => "ON CONFLICT DO NOTHING".to_owned(),
            Conflict::Replace(key, columns) => {
                let sets: Vec<String> = columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
                format!("ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), sets.join(", "))
            }
        };
        let (table, names, values) = (self.table, names.join(", "), values.join(", "));
        format!("INSERT INTO {table} ({names}) SELECT {values} FROM {source} {conflict}")
    }
}

impl Kind {
    fn column(self, backend: DbBackend, index: usize) -> String {
        match (backend, self) {
            (DbBackend::Postgres, Self::Text) => format!("value->>{index}"),
            (DbBackend::Postgres, Self::Int) => format!("(value->>{index})::bigint"),
            (DbBackend::Postgres, Self::Bool) => format!("(value->>{index})::boolean"),
            _ => format!("json_extract(value, '$[{index}]')"),
        }
    }
}
