//! The store: one database behind functions. Nothing above it writes SQL or knows which database it is, and what runs
//! the platform knows only the two seams, [`Journal`] and [`Store`].
//!
//! Two writers use it, each with whole transactions: the sequencer ([`Database::append`]) and the state writer
//! ([`Database::commit`]). Everyone else reads.

mod among;
mod bulk;
mod claim;
mod clean_up;
pub mod commit;
pub mod dead_letters;
mod denies;
mod entity;
pub mod erasure;
pub mod error;
pub mod facts;
pub mod history;
pub mod home;
pub mod identity;
pub mod journal;
pub mod lease;
pub mod limit;
mod migration;
pub mod named;
pub mod open;
pub mod outbox;
pub mod outcome;
pub mod program;
pub mod quarantine;
pub mod seam;
pub mod segments;
mod setting;
mod silence;
mod size;
mod skips;
pub mod state;
mod tally;
mod transaction;
pub mod trim;

pub use error::StoreError;
pub use seam::{Backing, Journal, Store};
pub use trim::Keep;

use sea_orm::DatabaseConnection;

/// A handle to the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    /// One connection on SQLite, so that writers queue here rather than in the database.
    pub(crate) write: DatabaseConnection,
    pub(crate) read: DatabaseConnection,
    /// The number of the lease under which this handle writes, on PostgreSQL; `None`: it does not ask.
    fence: Option<i64>,
    turn: transaction::Turn,
}

/// Tables that reports are made of.
pub mod tables {
    pub use super::entity::{journey_run, journey_step, membership, outbox, segment_day};
}
