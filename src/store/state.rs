//! The state of the shards: snapshots, memberships, effects, facts and the offset, committed together.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};

use crate::engine::skip::Skip;
use crate::engine::transition::{Lifted, Relay};
use crate::engine::{Effect, Fact, MembershipChange};
use crate::model::{Entry, Offset, ProfileId, ShardId, Timestamp};

use super::among::AT_ONCE;
use super::bulk::{Bulk, Conflict, delete, row};
use super::entity::{erased_profile, merged_profile, profile, relay, setting, shard_offset};
use super::error::{parse_id, to_json};
use super::journal::Quarantined;
use super::transaction::Force;
use super::{Database, StoreError};
use super::{denies, facts, history, outbox, quarantine, skips};

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
    /// Commits one or many shards in one transaction, which is on the disk with the next append or claim: see
    /// [`super::transaction`]. Idempotent: effects, facts and relays that are there already are left alone.
    ///
    /// # Errors
    /// The database failed: nothing of it is there.
    pub async fn commit(&self, commits: &[ShardCommit]) -> Result<(), StoreError> {
        let transaction = self.begin_with(Force::WithTheNext).await?;
        if is_there(&transaction, commits).await? {
            return Ok(transaction.rollback().await?);
        }
        write_profiles(&transaction, commits).await?;
        write_memberships(&transaction, commits).await?;
        let effects: Result<Vec<_>, _> =
            commits.iter().flat_map(|commit| &commit.effects).map(outbox::decided).collect();
        outbox::OUTBOX.write(&transaction, effects?).await?;
        denies::lift(&transaction, commits.iter().flat_map(|commit| &commit.lifted)).await?;
        facts::write(&transaction, commits).await?;
        history::write(&transaction, commits).await?;
        let relays = commits.iter().flat_map(|commit| std::iter::repeat(commit.offset).zip(&commit.relays));
        write_relays(&transaction, &relays.collect::<Vec<_>>()).await?;
        let poison: Vec<_> = commits.iter().flat_map(|commit| &commit.poison).collect();
        quarantine::write_poison(&transaction, &poison).await?;
        skips::write(&transaction, poison.iter().filter_map(|poisoned| poisoned.skip)).await?;
        let mut reached: BTreeMap<u16, (u64, i64)> = BTreeMap::new();
        for commit in commits {
            let at = (commit.offset.0, commit.time.0);
            reached.entry(commit.shard.0).and_modify(|known| *known = std::cmp::max(at, *known)).or_insert(at);
        }
        let offsets =
            reached.into_iter().map(|(shard, (offset, time))| row![i32::from(shard), offset as i64, time]).collect();
        OFFSETS.write(&transaction, offsets).await?;
        transaction.commit().await?;
        Ok(())
    }

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
        rows.into_iter()
            .map(|row| {
                let body = serde_json::from_str(&row.body)
                    .map_err(|error| StoreError::Corrupt(format!("relay {}: {error}", row.id)))?;
                Ok(Relay { to: parse_id(&row.recipient)?, id: row.id, body })
            })
            .collect()
    }
}

fn saved(row: profile::Model) -> Result<SavedProfile, StoreError> {
    let id = parse_id(&row.id)?;
    Ok(SavedProfile { id, snapshot: row.snapshot, wake: row.wake.map(Timestamp) })
}

/// The setting that tells the last transaction from any other.
const LAST_COMMIT: &str = "last_commit";

const MARK: Bulk =
    Bulk { table: "setting", columns: &["name", "value"], conflict: Conflict::Replace(&["name"], &["value"]) };
const PROFILES: Bulk = Bulk {
    table: "profile",
    columns: &["id", "shard", "snapshot", "wake"],
    conflict: Conflict::Replace(&["id"], &["snapshot", "wake"]),
};
const OFFSETS: Bulk = Bulk {
    table: "shard_offset",
    columns: &["shard", "applied", "time"],
    // Effects that were written beside a state may come after it, and know only what was saved before.
    conflict: Conflict::Clause(
        "ON CONFLICT (shard) DO UPDATE SET applied = excluded.applied, time = excluded.time \
         WHERE excluded.applied >= shard_offset.applied AND excluded.time >= shard_offset.time",
    ),
};
const MEMBERSHIPS: Bulk = Bulk {
    table: "membership",
    columns: &["profile", "segment", "since"],
    conflict: Conflict::Replace(&["profile", "segment"], &["since"]),
};
const RELAYS: Bulk =
    Bulk { table: "relay", columns: &["id", "recipient", "body", "created", "ordinal"], conflict: Conflict::Ignore };

/// The last value of each key: a statement must not meet one key twice.
fn newest<K: Ord, V>(pairs: impl Iterator<Item = (K, V)>) -> BTreeMap<K, V> {
    pairs.collect()
}

/// Whether the last transaction was this very one, then its answer was lost: counts must not be added to twice.
async fn is_there(transaction: &DatabaseTransaction, commits: &[ShardCommit]) -> Result<bool, StoreError> {
    let mut hasher = DefaultHasher::new();
    for commit in commits {
        (commit.shard, commit.offset, commit.time).hash(&mut hasher);
        commit.profiles.iter().for_each(|saved| (saved.id, &saved.snapshot, saved.wake).hash(&mut hasher));
        commit.effects.iter().for_each(|effect| effect.id.hash(&mut hasher));
        commit.relays.iter().for_each(|relay| relay.id.hash(&mut hasher));
        commit.history.iter().for_each(|(profile, entry)| (profile, entry.offset).hash(&mut hasher));
        commit.poison.iter().for_each(|poisoned| poisoned.id().hash(&mut hasher));
        (&commit.memberships, &commit.lifted, &commit.facts).hash(&mut hasher);
    }
    let mark = format!("{:016x}", hasher.finish());
    let known = setting::Entity::find_by_id(LAST_COMMIT.to_owned()).one(transaction).await?;
    MARK.write(transaction, vec![row![LAST_COMMIT, mark.as_str()]]).await?;
    Ok(known.is_some_and(|known| known.value == mark))
}

async fn write_profiles(transaction: &DatabaseTransaction, commits: &[ShardCommit]) -> Result<(), StoreError> {
    let saved = newest(commits.iter().flat_map(|commit| &commit.profiles).map(|saved| (saved.id, saved)));
    let mut rows = Vec::with_capacity(saved.len());
    for (id, saved) in saved {
        let shard = i32::from(id.shard().0);
        rows.push(row![id.to_string(), shard, saved.snapshot.clone(), saved.wake.map(|wake| wake.0)]);
    }
    Ok(PROFILES.write(transaction, rows).await?)
}

async fn write_memberships(transaction: &DatabaseTransaction, commits: &[ShardCommit]) -> Result<(), StoreError> {
    let changes: Vec<_> = commits.iter().flat_map(|commit| &commit.memberships).collect();
    // In the order of the table's key: what is near each other is touched together.
    let last = newest(changes.iter().map(|(profile, change)| ((change.segment.as_str(), *profile), change)));
    let (mut entered, mut left) = (Vec::new(), Vec::new());
    for ((segment, profile), change) in last {
        if change.entered {
            entered.push(row![profile.to_string(), segment, change.at.0]);
        } else {
            left.push(row![profile.to_string(), segment]);
        }
    }
    delete(transaction, "membership", &["profile", "segment"], left).await?;
    Ok(MEMBERSHIPS.write(transaction, entered).await?)
}

/// Keeps relays until they are carried out, each with how far its shard had come.
pub(super) async fn write_relays(
    transaction: &DatabaseTransaction,
    relays: &[(Offset, &Relay)],
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for (ordinal, (offset, relay)) in relays.iter().enumerate() {
        let body = to_json(&relay.body)?;
        rows.push(row![relay.id.as_str(), relay.to.to_string(), body, offset.0 as i64, ordinal as i64]);
    }
    Ok(RELAYS.write(transaction, rows).await?)
}
