//! The store: one database behind functions. Nothing above it writes SQL or knows which database it is.
//!
//! Two writers use it, each with whole transactions: the sequencer ([`Store::append`]) and the state writer
//! ([`Store::commit`]). Everyone else reads.

pub mod error;
pub mod identity;
pub mod journal;
pub mod outbox;
pub mod state;

pub use error::StoreError;

use sea_orm::DatabaseConnection;

/// A handle to the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    /// One connection on SQLite, so that writers queue here rather than in the database.
    pub(crate) write: DatabaseConnection,
    pub(crate) read: DatabaseConnection,
}
