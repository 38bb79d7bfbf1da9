//! What can go wrong with the store.

use serde::Serialize;

/// An error of the store. None of them is the fault of an event.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database cannot be used: {0}")]
    Database(#[from] sea_orm::DbErr),
    #[error("the database holds something that cannot be read: {0}")]
    Corrupt(String),
    #[error("{0}")]
    Unusable(String),
    #[error("another server has taken over this database, because this one had not renewed its lease in time")]
    Superseded,
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
