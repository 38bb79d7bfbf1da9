//! What can go wrong with the store.

use sea_orm::sqlx::Error as DriverError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{DbErr, RuntimeErr};
use serde::Serialize;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database cannot be used: {0}")]
    Database(DbErr),
    /// A statement was refused for what it carries, and nothing of its transaction took place. The same fails again,
    /// whereas the store is sound.
    #[error("the database refuses what it was given: {0}")]
    Statement(DbErr),
    #[error("the database holds something that cannot be read: {0}")]
    Corrupt(String),
    #[error("{0}")]
    Unusable(String),
    #[error("another server has taken over this database, because this one had not renewed its lease in time")]
    Superseded,
}

impl StoreError {
    /// Whether the same comes to the same again, however long one waits.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Statement(_) | Self::Corrupt(_))
    }

    /// What anybody may hear of it. What a database says names tables and values: that is for the log.
    #[must_use]
    pub fn told_outside(&self) -> &'static str {
        match self {
            Self::Database(_) | Self::Unusable(_) => {
                "the database does not answer, or its disk cannot be written; the server's log says more"
            }
            Self::Statement(_) => "the database refuses what it was given; the server's log says more",
            Self::Corrupt(_) => {
                "something in the database is damaged; the server's log says what, and a backup may have it"
            }
            Self::Superseded => "another server has taken over the database",
        }
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        let (DbErr::Exec(RuntimeErr::SqlxError(driver)) | DbErr::Query(RuntimeErr::SqlxError(driver))) = &error else {
            return Self::Database(error);
        };
        match &**driver {
            DriverError::Database(said) if is_about_data(&**said) => Self::Statement(error),
            DriverError::ColumnDecode { .. } | DriverError::Decode(_) => Self::Corrupt(error.to_string()),
            _ => Self::Database(error),
        }
    }
}

/// Whether a database speaks of the values of a statement. A key that is there already is none of that: where the journal
/// ends is not known then.
fn is_about_data(said: &dyn DatabaseError) -> bool {
    let code = said.code().unwrap_or_default();
    match code.parse::<u32>() {
        // SQLite: a check or a trigger that refuses; too big, of another type, out of range, too many values.
        Ok(number) if code.len() < 5 => {
            matches!(number, 275 | 1_811)
                || matches!(number & 0xff, 18 | 20 | 25)
                || said.message().contains("too many SQL variables")
        }
        // PostgreSQL: data exceptions such as a NUL, limits such as that on a row of an index, checks.
        _ => code.starts_with("22") || code.starts_with("54") || code == "23514",
    }
}

/// A value in the form in which columns hold it.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// An id out of a column.
pub(super) fn parse_id<T: std::str::FromStr>(text: &str) -> Result<T, StoreError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| StoreError::Corrupt(error.to_string()))
}
