//! The outbox: effects between decision and outcome.

use crate::engine::Effect;
use crate::model::{EffectId, Timestamp};

use super::{Store, StoreError};

/// Where an effect stands.
///
/// `Ready` → `Taken` → `Sent`, `Failed`, `Unknown`, or back to `Ready` for another try; `Suppressed` and `Expired`
/// at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxStatus {
    Ready,
    Taken,
    Sent,
    Failed,
    /// The far side fell silent after it had everything: it may have acted, or not.
    Unknown,
    Suppressed,
    Expired,
}

/// A change of one effect's standing, made in the same transaction as the entry that tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxUpdate {
    pub effect: EffectId,
    pub status: OutboxStatus,
    /// For `Ready`: not before this instant.
    pub not_before: Option<Timestamp>,
    /// Why, where it did not go well.
    pub detail: Option<String>,
    pub at: Timestamp,
}

/// An effect taken from the outbox, to be performed now.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    pub effect: Effect,
    /// How often it was tried before.
    pub attempts: u32,
}

/// What a claim found.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    pub taken: Vec<Claimed>,
    /// Withdrawn consent met them at the door (a deny row). Left as they are: the caller reports them by an
    /// [`OutboxUpdate`] to `Suppressed`, together with the event that tells of it.
    pub suppressed: Vec<Effect>,
    /// Too late: likewise left to the caller, to `Expired`.
    pub expired: Vec<Effect>,
    /// The next instant at which a waiting effect of this destination becomes ready.
    pub next: Option<Timestamp>,
}

impl Store {
    /// Takes up to `limit` ready effects of a destination, oldest first, and marks them `Taken` in one transaction
    /// that looks at the deny rows and at expiry.
    pub async fn claim(&self, _destination: &str, _now: Timestamp, _limit: usize) -> Result<Claim, StoreError> {
        unimplemented!()
    }

    /// Effects left `Taken` by a process that died, of a destination.
    pub async fn taken(&self, _destination: &str) -> Result<Vec<Claimed>, StoreError> {
        unimplemented!()
    }

    /// Number of effects that still wait or are being performed.
    pub async fn outbox_open(&self) -> Result<u64, StoreError> {
        unimplemented!()
    }

    /// An effect by its id, with its status.
    pub async fn effect(&self, _id: EffectId) -> Result<Option<(Effect, OutboxStatus)>, StoreError> {
        unimplemented!()
    }
}
