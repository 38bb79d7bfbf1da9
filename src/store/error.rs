//! What can go wrong with the store.

/// An error of the store. None of them is the fault of an event.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database cannot be used: {0}")]
    Database(#[from] sea_orm::DbErr),
    #[error("the database holds something that cannot be read: {0}")]
    Corrupt(String),
    #[error("{0}")]
    Unusable(String),
}
