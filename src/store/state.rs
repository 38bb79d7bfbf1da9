//! The state of the shards: snapshots, memberships, effects, facts and the offset, committed together.

use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use crate::engine::skip::Skip;
use crate::engine::transition::{Lifted, Relay};
use crate::engine::{Effect, Fact, MembershipChange};
use crate::model::{Entry, Offset, ProfileId, ShardId, Timestamp, packed};

use super::among::AT_ONCE;
use super::entity::{erased_profile, merged_profile, profile, relay, shard_offset};
use super::error::parse_id;
use super::journal::Quarantined;
use super::{Database, StoreError};

/// What one shard changed between two of its offsets.
#[derive(Debug, Clone)]
pub struct ShardCommit {
    pub shard: ShardId,
    /// A replay of this shard begins after here: all that came before is in the saved profiles.
    pub offset: Offset,
    /// Time has passed up to here: entries that are still to come must be received after it.
    pub time: Timestamp,
    pub profiles: Vec<SavedProfile>,
    pub memberships: Vec<(ProfileId, MembershipChange)>,
    pub effects: Vec<Effect>,
    /// Withdrawals that stop no message any more.
    pub lifted: Vec<(ProfileId, Lifted)>,
    pub facts: Vec<(ProfileId, Fact)>,
    /// Entries whose event counted: rows of the profile's history.
    pub history: Vec<(ProfileId, Entry)>,
    pub relays: Vec<Relay>,
    /// What the engine failed on.
    pub poison: Vec<Poisoned>,
}

/// Something that the engine failed on, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poisoned {
    pub profile: ProfileId,
    /// What is passed over; `None` where nothing can be.
    pub skip: Option<Skip>,
    pub row: Quarantined,
}

impl Poisoned {
    /// Its id in the quarantine: once each, however often it is replayed.
    #[must_use]
    pub fn id(&self) -> String {
        self.skip.as_ref().map_or_else(|| format!("profile-{}", self.profile), Skip::id)
    }
}

impl ShardCommit {
    /// A commit that says no more than how far the shard has come.
    #[must_use]
    pub fn empty(shard: ShardId, offset: Offset) -> Self {
        Self {
            shard,
            offset,
            time: Timestamp::MIN,
            profiles: Vec::new(),
            memberships: Vec::new(),
            effects: Vec::new(),
            lifted: Vec::new(),
            facts: Vec::new(),
            history: Vec::new(),
            relays: Vec::new(),
            poison: Vec::new(),
        }
    }
}

/// How far a shard has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    pub offset: Offset,
    pub time: Timestamp,
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

impl Database {
    /// The snapshots of those profiles that have one.
    ///
    /// # Errors
    /// The database failed, or a snapshot's row is damaged.
    pub async fn load_profiles(&self, profiles: &[ProfileId]) -> Result<Vec<SavedProfile>, StoreError> {
        let mut loaded = Vec::with_capacity(profiles.len());
        for ids in profiles.chunks(AT_ONCE) {
            let rows = profile::Entity::find()
                .filter(profile::Column::Id.is_in(ids.iter().map(ToString::to_string)))
                .all(&self.read)
                .await?;
            for row in rows {
                loaded.push(saved(row)?);
            }
        }
        Ok(loaded)
    }

    /// Profiles in order of id, after `after`, `limit` at most, those that were merged into others included.
    ///
    /// # Errors
    /// The database failed, or a profile's row is damaged.
    pub async fn profiles_after(&self, after: Option<ProfileId>, limit: u64) -> Result<Vec<SavedProfile>, StoreError> {
        let mut query = profile::Entity::find();
        if let Some(after) = after {
            query = query.filter(profile::Column::Id.gt(after.to_string()));
        }
        let rows = query.order_by_asc(profile::Column::Id).limit(limit).all(&self.read).await?;
        rows.into_iter().map(saved).collect()
    }

    /// Number of profiles, without those that were merged into others or erased.
    ///
    /// # Errors
    /// The database failed.
    pub async fn profile_count(&self) -> Result<u64, StoreError> {
        let merged = merged_profile::Entity::find().select_only().column(merged_profile::Column::Loser).into_query();
        let erased = erased_profile::Entity::find().select_only().column(erased_profile::Column::Profile).into_query();
        let living = profile::Entity::find()
            .filter(profile::Column::Id.not_in_subquery(merged))
            .filter(profile::Column::Id.not_in_subquery(erased));
        Ok(living.count(&self.read).await?)
    }

    /// How far each shard has come; those that never committed are missing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn shards_reached(&self) -> Result<Vec<(ShardId, Reached)>, StoreError> {
        let rows = shard_offset::Entity::find().all(&self.write).await?;
        let reached =
            |row: &shard_offset::Model| Reached { offset: Offset(row.applied as u64), time: Timestamp(row.time) };
        Ok(rows.into_iter().map(|row| (ShardId(row.shard as u16), reached(&row))).collect())
    }

    /// The wakes of a shard's profiles after `after` (an instant, and of that instant a profile) and up to `until`,
    /// earliest first, `limit` at most.
    ///
    /// # Errors
    /// The database failed.
    pub async fn wakes(
        &self,
        shard: ShardId,
        after: Option<(Timestamp, ProfileId)>,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<(Timestamp, ProfileId)>, StoreError> {
        let mut query = profile::Entity::find()
            .select_only()
            .columns([profile::Column::Wake, profile::Column::Id])
            .filter(profile::Column::Shard.eq(i32::from(shard.0)))
            .filter(profile::Column::Wake.lte(until.0));
        if let Some((at, id)) = after {
            let same = profile::Column::Wake.eq(at.0).and(profile::Column::Id.gt(id.to_string()));
            query = query.filter(profile::Column::Wake.gt(at.0).or(same));
        }
        let query = query.order_by_asc(profile::Column::Wake).order_by_asc(profile::Column::Id).limit(limit);
        let rows: Vec<(i64, String)> = query.into_tuple().all(&self.read).await?;
        rows.into_iter().map(|(wake, id)| Ok((Timestamp(wake), parse_id(&id)?))).collect()
    }

    /// Profiles of a shard in order of id, after `after`, `limit` at most.
    ///
    /// # Errors
    /// The database failed.
    pub async fn profiles_of_shard(
        &self,
        shard: ShardId,
        after: Option<ProfileId>,
        limit: u64,
    ) -> Result<Vec<ProfileId>, StoreError> {
        let mut query = profile::Entity::find()
            .select_only()
            .column(profile::Column::Id)
            .filter(profile::Column::Shard.eq(i32::from(shard.0)));
        if let Some(after) = after {
            query = query.filter(profile::Column::Id.gt(after.to_string()));
        }
        let rows: Vec<String> =
            query.order_by_asc(profile::Column::Id).limit(limit).into_tuple().all(&self.read).await?;
        rows.iter().map(|id| parse_id(id)).collect()
    }

    /// Relays that have been committed and not yet appended to the journal, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn pending_relays(&self, limit: usize) -> Result<Vec<Relay>, StoreError> {
        let rows = relay::Entity::find()
            .order_by_asc(relay::Column::Created)
            .order_by_asc(relay::Column::Ordinal)
            .order_by_asc(relay::Column::Id)
            .limit(limit as u64)
            .all(&self.write)
            .await?;
        let mut relays = Vec::with_capacity(rows.len());
        for row in rows {
            match packed::unpack(&row.body) {
                Ok(body) => relays.push(Relay { to: parse_id(&row.recipient)?, id: row.id, body }),
                // The others are not to wait for it. It stays where it is, for whoever may mend it.
                Err(error) => {
                    tracing::error!(relay = row.id, %error, "what is to follow cannot be read; it is left out")
                }
            }
        }
        Ok(relays)
    }
}

fn saved(row: profile::Model) -> Result<SavedProfile, StoreError> {
    let id = parse_id(&row.id)?;
    Ok(SavedProfile { id, snapshot: row.snapshot, wake: row.wake.map(Timestamp) })
}
