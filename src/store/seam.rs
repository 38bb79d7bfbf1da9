//! The two seams of the platform: the journal, and the store of what follows from it.
//!
//! Actors know nothing else of a database. [`super::Database`] is both; the simulation brings its own, in memory.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::engine::backfill::{Past, Wanted};
use crate::engine::skip::Skip;
use crate::engine::transition::Relay;
use crate::model::{Entry, Offset, ProfileId, ShardId, Timestamp};

use super::commit::Prepared;
use super::identity::{ErasedIdentifier, Identifier};
use super::journal::{Append, JournalHead};
use super::outbox::{Claim, Claimed, OutboxItem, OutboxStatus, Room};
use super::program::ProgramSources;
use super::state::{Reached, SavedProfile, ShardCommit};
use super::{Database, Keep, StoreError};

/// The ordered durable log of all that was accepted. It has one writer at a time.
#[async_trait]
pub trait Journal: Debug + Send + Sync {
    /// Makes a group durable, with everything that stands or falls with it. After [`StoreError::Statement`] nothing of it is
    /// there. After another error that is unknown: [`Self::reopen`], then ask for the [`Self::head`].
    async fn append(&self, append: &Append) -> Result<(), StoreError>;

    /// Where the journal ends.
    async fn head(&self) -> Result<JournalHead, StoreError>;

    /// Entries after `after` in order, at least one block's worth if there is any, about `limit` at most.
    async fn read(&self, after: Offset, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// After a failure: recovers the storage from what is durable. What was read before may be gone.
    async fn reopen(&self) -> Result<(), StoreError>;

    /// The profiles of those identifiers that are known, as of the journal's head.
    async fn find_profiles(&self, identifiers: &[Identifier]) -> Result<HashMap<Identifier, ProfileId>, StoreError>;

    /// All identifiers of a profile, sorted.
    async fn identifiers_of(&self, profile: ProfileId) -> Result<Vec<Identifier>, StoreError>;

    /// The profile that this one was merged into, at the end of the chain; itself if it was not.
    async fn surviving_profile(&self, profile: ProfileId) -> Result<ProfileId, StoreError>;

    /// The profile and all that were merged into it, directly or by way of others: itself first.
    async fn lineage(&self, profile: ProfileId) -> Result<Vec<ProfileId>, StoreError>;

    /// All profiles of people who were erased.
    async fn erased_profiles(&self) -> Result<Vec<ProfileId>, StoreError>;

    /// Of these identifiers, those that belonged to somebody who was erased.
    async fn erased_identifiers(
        &self,
        identifiers: &[Identifier],
    ) -> Result<HashMap<Identifier, ErasedIdentifier>, StoreError>;

    /// Which program came into force with which entry, in order. What was decided before the first knew none.
    async fn deploys(&self) -> Result<Vec<(Offset, String)>, StoreError>;

    /// The last instant of each schedule that was fired.
    async fn schedules_fired(&self) -> Result<Vec<(String, Timestamp)>, StoreError>;
}

/// What follows from the journal: profiles, effects, and how far each shard has come. Also the programs.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Works out what can be before a commit begins. A store that is in the way of nobody has nothing to do.
    async fn prepare(&self, commits: Vec<ShardCommit>) -> Prepared;

    /// Commits one or many shards in one transaction, which is durable with the next append or claim at the latest.
    /// Idempotent: effects, facts and relays that are there already are left alone, and so is the very last commit as a whole.
    async fn commit(&self, commits: &mut Prepared) -> Result<(), StoreError>;

    /// The snapshots of those profiles that have one.
    async fn load_profiles(&self, profiles: &[ProfileId]) -> Result<Vec<SavedProfile>, StoreError>;

    /// Profiles of a shard in order of id, after `after`, `limit` at most.
    async fn profiles_of_shard(
        &self,
        shard: ShardId,
        after: Option<ProfileId>,
        limit: u64,
    ) -> Result<Vec<ProfileId>, StoreError>;

    /// The wakes of a shard's saved profiles after `after` (an instant, and of that instant a profile) and up to
    /// `until`, earliest first, `limit` at most.
    async fn wakes(
        &self,
        shard: ShardId,
        after: Option<(Timestamp, ProfileId)>,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<(Timestamp, ProfileId)>, StoreError>;

    /// How far each shard has come; those that never committed are missing.
    async fn shards_reached(&self) -> Result<Vec<(ShardId, Reached)>, StoreError>;

    /// What a replay that begins after `after` has to pass over; more does no harm.
    async fn skips(&self, after: Offset) -> Result<Vec<Skip>, StoreError>;

    /// What is wanted of the histories of profiles, those merged into them included; in no order.
    async fn pasts(&self, profiles: &[ProfileId], wanted: &Wanted)
    -> Result<HashMap<ProfileId, Vec<Past>>, StoreError>;

    /// Relays that have been committed and not yet appended to the journal, oldest first.
    async fn pending_relays(&self, limit: usize) -> Result<Vec<Relay>, StoreError>;

    /// Takes ready effects of a destination, in turns, as far as there is room; see [`Claim`].
    async fn claim(&self, destination: &str, now: Timestamp, room: &Room) -> Result<Claim, StoreError>;

    /// The domains for which claims put effects of a destination aside.
    async fn queues(&self, destination: &str) -> Result<BTreeSet<String>, StoreError>;

    /// Tells people that the far side of a destination is left alone until then, or answers.
    async fn note_silence(&self, destination: &str, until: Option<Timestamp>) -> Result<(), StoreError>;

    /// Effects left taken by a process that died, of a destination.
    async fn taken(&self, destination: &str) -> Result<Vec<Claimed>, StoreError>;

    /// Effects with their status, newest first; all, or those of one status.
    async fn outbox(&self, status: Option<OutboxStatus>, limit: u64) -> Result<Vec<OutboxItem>, StoreError>;

    /// Keeps the sources of a program under its version.
    async fn save_program(&self, version: &str, sources: &[(String, String)]) -> Result<(), StoreError>;

    /// The sources of a version.
    async fn program(&self, version: &str) -> Result<Option<ProgramSources>, StoreError>;

    /// What the storage does now and then so that it stays quick, lets go of what is not kept any longer and carries out
    /// erasures, beside everything else.
    async fn upkeep(&self, keep: Keep, now: Timestamp) -> Result<(), StoreError>;

    /// A secret of this installation, made at the first call and then kept.
    async fn secret(&self, name: &str) -> Result<Vec<u8>, StoreError>;
}

/// What a platform stands on.
#[derive(Debug, Clone)]
pub struct Backing {
    pub journal: Arc<dyn Journal>,
    pub store: Arc<dyn Store>,
}

impl From<Database> for Backing {
    fn from(database: Database) -> Self {
        Self { journal: Arc::new(database.clone()), store: Arc::new(database) }
    }
}

#[async_trait]
impl Journal for Database {
    async fn append(&self, append: &Append) -> Result<(), StoreError> {
        self.append(append).await
    }

    async fn head(&self) -> Result<JournalHead, StoreError> {
        self.journal_head().await
    }

    async fn read(&self, after: Offset, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.read_journal(after, limit).await
    }

    async fn reopen(&self) -> Result<(), StoreError> {
        self.reopen().await
    }

    async fn find_profiles(&self, identifiers: &[Identifier]) -> Result<HashMap<Identifier, ProfileId>, StoreError> {
        self.find_profiles(identifiers).await
    }

    async fn identifiers_of(&self, profile: ProfileId) -> Result<Vec<Identifier>, StoreError> {
        self.identifiers_of(profile).await
    }

    async fn surviving_profile(&self, profile: ProfileId) -> Result<ProfileId, StoreError> {
        self.surviving_profile(profile).await
    }

    async fn lineage(&self, profile: ProfileId) -> Result<Vec<ProfileId>, StoreError> {
        self.lineage(profile).await
    }

    async fn erased_profiles(&self) -> Result<Vec<ProfileId>, StoreError> {
        self.erased_profiles().await
    }

    async fn erased_identifiers(
        &self,
        identifiers: &[Identifier],
    ) -> Result<HashMap<Identifier, ErasedIdentifier>, StoreError> {
        self.erased_identifiers(identifiers).await
    }

    async fn deploys(&self) -> Result<Vec<(Offset, String)>, StoreError> {
        self.deploys().await
    }

    async fn schedules_fired(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.schedules_fired().await
    }
}

#[async_trait]
impl Store for Database {
    async fn prepare(&self, commits: Vec<ShardCommit>) -> Prepared {
        Prepared::beside(commits).await
    }

    async fn commit(&self, commits: &mut Prepared) -> Result<(), StoreError> {
        self.commit_prepared(commits).await
    }

    async fn load_profiles(&self, profiles: &[ProfileId]) -> Result<Vec<SavedProfile>, StoreError> {
        self.load_profiles(profiles).await
    }

    async fn profiles_of_shard(
        &self,
        shard: ShardId,
        after: Option<ProfileId>,
        limit: u64,
    ) -> Result<Vec<ProfileId>, StoreError> {
        self.profiles_of_shard(shard, after, limit).await
    }

    async fn wakes(
        &self,
        shard: ShardId,
        after: Option<(Timestamp, ProfileId)>,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<(Timestamp, ProfileId)>, StoreError> {
        self.wakes(shard, after, until, limit).await
    }

    async fn shards_reached(&self) -> Result<Vec<(ShardId, Reached)>, StoreError> {
        self.shards_reached().await
    }

    async fn skips(&self, after: Offset) -> Result<Vec<Skip>, StoreError> {
        self.skips(after).await
    }

    async fn pasts(
        &self,
        profiles: &[ProfileId],
        wanted: &Wanted,
    ) -> Result<HashMap<ProfileId, Vec<Past>>, StoreError> {
        self.pasts(profiles, wanted).await
    }

    async fn pending_relays(&self, limit: usize) -> Result<Vec<Relay>, StoreError> {
        self.pending_relays(limit).await
    }

    async fn claim(&self, destination: &str, now: Timestamp, room: &Room) -> Result<Claim, StoreError> {
        self.claim(destination, now, room).await
    }

    async fn queues(&self, destination: &str) -> Result<BTreeSet<String>, StoreError> {
        self.queues(destination).await
    }

    async fn note_silence(&self, destination: &str, until: Option<Timestamp>) -> Result<(), StoreError> {
        self.note_silence(destination, until).await
    }

    async fn taken(&self, destination: &str) -> Result<Vec<Claimed>, StoreError> {
        self.taken(destination).await
    }

    async fn outbox(&self, status: Option<OutboxStatus>, limit: u64) -> Result<Vec<OutboxItem>, StoreError> {
        self.outbox(status, limit).await
    }

    async fn save_program(&self, version: &str, sources: &[(String, String)]) -> Result<(), StoreError> {
        self.save_program(version, sources).await
    }

    async fn program(&self, version: &str) -> Result<Option<ProgramSources>, StoreError> {
        self.program(version).await
    }

    async fn upkeep(&self, keep: Keep, now: Timestamp) -> Result<(), StoreError> {
        // Each by itself: what is damaged in one place holds up nothing else.
        let parts = [self.trim(keep).await, self.checkpoint().await, self.clean_up(now).await];
        let failed: Vec<String> = parts.into_iter().filter_map(|part| Some(part.err()?.to_string())).collect();
        if failed.is_empty() { Ok(()) } else { Err(StoreError::Unusable(failed.join("; "))) }
    }

    async fn secret(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.secret(name).await
    }
}
