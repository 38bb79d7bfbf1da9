//! The state of the shards: snapshots, memberships, effects, facts and the offset, committed together.

use crate::engine::transition::Relay;
use crate::engine::{Effect, Fact, MembershipChange};
use crate::model::{Entry, Offset, ProfileId, ShardId, Timestamp};

use super::journal::Quarantined;
use super::{Store, StoreError};

/// What one shard changed between two of its offsets.
#[derive(Debug, Clone)]
pub struct ShardCommit {
    pub shard: ShardId,
    /// All entries up to here have been applied by this shard.
    pub offset: Offset,
    pub profiles: Vec<SavedProfile>,
    pub memberships: Vec<(ProfileId, MembershipChange)>,
    pub effects: Vec<Effect>,
    pub facts: Vec<(ProfileId, Fact)>,
    /// Entries whose event counted: rows of the profile's history.
    pub history: Vec<(ProfileId, Entry)>,
    pub relays: Vec<Relay>,
    /// Entries that no program could apply, with the reason.
    pub poison: Vec<(Offset, Quarantined)>,
}

/// A profile at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedProfile {
    pub id: ProfileId,
    /// See `engine::snapshot`.
    pub snapshot: Vec<u8>,
    /// When time alone will next change something.
    pub wake: Option<Timestamp>,
}

impl Store {
    /// Makes the commits of one or many shards durable in one transaction. Idempotent: effects, facts and relays
    /// that are there already are left alone.
    pub async fn commit(&self, _commits: &[ShardCommit]) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// The snapshots of those profiles that have one.
    pub async fn load_profiles(&self, _profiles: &[ProfileId]) -> Result<Vec<SavedProfile>, StoreError> {
        unimplemented!()
    }

    /// The offset up to which each shard has applied; shards that never committed are missing.
    pub async fn shard_offsets(&self) -> Result<Vec<(ShardId, Offset)>, StoreError> {
        unimplemented!()
    }

    /// All pending wakes, of all shards.
    pub async fn wakes(&self) -> Result<Vec<(ProfileId, Timestamp)>, StoreError> {
        unimplemented!()
    }

    /// All profiles of a shard, in order of id.
    pub async fn profiles_of_shard(&self, _shard: ShardId) -> Result<Vec<ProfileId>, StoreError> {
        unimplemented!()
    }

    /// Relays that have been committed and not yet appended to the journal, oldest first.
    pub async fn pending_relays(&self, _limit: usize) -> Result<Vec<Relay>, StoreError> {
        unimplemented!()
    }
}
