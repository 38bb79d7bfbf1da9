//! The commit of states: all that one or many shards changed, in one transaction.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use sea_orm::{DatabaseTransaction, EntityTrait};

use crate::engine::transition::Relay;
use crate::model::{Offset, ProfileId, packed};

use super::bulk::{Bulk, Conflict, Row, delete, row};
use super::entity::setting;
use super::state::ShardCommit;
use super::transaction::Force;
use super::{Database, StoreError};
use super::{denies, facts, history, outbox, quarantine, skips};

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

impl Database {
    /// Commits one or many shards in one transaction, which is on the disk with the next append or claim at the latest: see
    /// [`super::transaction`]. Idempotent: effects, facts and relays that are there already are left alone.
    ///
    /// # Errors
    /// The database failed: nothing of it is there.
    pub async fn commit(&self, commits: &[ShardCommit]) -> Result<(), StoreError> {
        self.write_commit(&mark(commits), Rows::of(commits)?).await
    }

    /// As [`Self::commit`]. After a failure it may be asked for again.
    pub(super) async fn commit_prepared(&self, prepared: &mut Prepared) -> Result<(), StoreError> {
        let rows = prepared.rows.take().map_or_else(|| Rows::of(&prepared.commits), Ok)?;
        self.write_commit(&prepared.mark, rows).await
    }

    async fn write_commit(&self, mark: &str, rows: Rows) -> Result<(), StoreError> {
        let transaction = self.begin_with(Force::WithTheNext).await?;
        if is_there(&transaction, mark).await? {
            return Ok(transaction.rollback().await?);
        }
        rows.write(&transaction).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Commits that are to be written in one transaction. While it lasts nobody else can write, the journal included: what can be
/// worked out before is.
#[derive(Debug)]
pub struct Prepared {
    commits: Vec<ShardCommit>,
    mark: String,
    /// None where it was not worked out yet, or was tried before: the commit does so then.
    rows: Option<Rows>,
}

impl Prepared {
    /// Of which nothing is worked out before its transaction begins.
    #[must_use]
    pub fn of(commits: Vec<ShardCommit>) -> Self {
        Self { mark: mark(&commits), rows: None, commits }
    }

    /// Works out what can be before the transaction begins, on a thread of its own: on this one somebody waits for each
    /// statement of the transaction before.
    pub(super) async fn beside(commits: Vec<ShardCommit>) -> Self {
        let commits = Arc::new(commits);
        let shared = commits.clone();
        let worked_out = tokio::task::spawn_blocking(move || Rows::of(&shared).ok());
        // Where that is cut off, the commit works it out itself.
        let rows = worked_out.await.ok().flatten();
        Self { mark: mark(&commits), rows, commits: Arc::unwrap_or_clone(commits) }
    }

    #[must_use]
    pub fn commits(&self) -> &[ShardCommit] {
        &self.commits
    }
}

/// What commits are in the tables.
#[derive(Debug)]
struct Rows {
    profiles: Vec<Row>,
    entered: Vec<Row>,
    left: Vec<Row>,
    effects: Vec<Row>,
    lifted: Vec<Row>,
    facts: facts::Rows,
    history: history::Rows,
    relays: Vec<Row>,
    poison: Vec<Row>,
    skips: Vec<Row>,
    offsets: Vec<Row>,
}

impl Rows {
    fn of(commits: &[ShardCommit]) -> Result<Self, StoreError> {
        let effects = commits.iter().flat_map(|commit| &commit.effects).map(outbox::decided);
        let relays = commits.iter().flat_map(|commit| std::iter::repeat(commit.offset).zip(&commit.relays));
        let poison = || commits.iter().flat_map(|commit| &commit.poison);
        let (entered, left) = memberships(commits);
        Ok(Self {
            profiles: profiles(commits),
            entered,
            left,
            effects: effects.collect(),
            lifted: denies::lifts(commits.iter().flat_map(|commit| &commit.lifted)),
            facts: facts::Rows::of(commits),
            history: history::Rows::of(commits),
            relays: relay_rows(relays),
            poison: quarantine::poison(poison())?,
            skips: skips::rows(poison().filter_map(|poisoned| poisoned.skip)),
            offsets: offsets(commits),
        })
    }

    async fn write(self, transaction: &DatabaseTransaction) -> Result<(), StoreError> {
        PROFILES.write(transaction, self.profiles).await?;
        delete(transaction, "membership", &["profile", "segment"], self.left).await?;
        MEMBERSHIPS.write(transaction, self.entered).await?;
        outbox::OUTBOX.write(transaction, self.effects).await?;
        denies::LIFTS.write(transaction, self.lifted).await?;
        self.facts.write(transaction).await?;
        self.history.write(transaction).await?;
        RELAYS.write(transaction, self.relays).await?;
        quarantine::QUARANTINE.write(transaction, self.poison).await?;
        skips::SKIPS.write(transaction, self.skips).await?;
        Ok(OFFSETS.write(transaction, self.offsets).await?)
    }
}

/// Tells commits from any others.
fn mark(commits: &[ShardCommit]) -> String {
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
    format!("{:016x}", hasher.finish())
}

/// Whether the last transaction was this very one, then its answer was lost: counts must not be added to twice.
async fn is_there(transaction: &DatabaseTransaction, mark: &str) -> Result<bool, StoreError> {
    let known = setting::Entity::find_by_id(LAST_COMMIT.to_owned()).one(transaction).await?;
    if known.is_some_and(|known| known.value == mark) {
        return Ok(true);
    }
    MARK.write(transaction, vec![row![LAST_COMMIT, mark]]).await?;
    Ok(false)
}

/// The last value of each key: a statement must not meet one key twice.
fn newest<K: Ord, V>(pairs: impl Iterator<Item = (K, V)>) -> BTreeMap<K, V> {
    pairs.collect()
}

fn profiles(commits: &[ShardCommit]) -> Vec<Row> {
    let saved = newest(commits.iter().flat_map(|commit| &commit.profiles).map(|saved| (saved.id, saved)));
    let row = |(id, saved): (ProfileId, &super::state::SavedProfile)| {
        row![id.to_string(), i32::from(id.shard().0), saved.snapshot.clone(), saved.wake.map(|wake| wake.0)]
    };
    saved.into_iter().map(row).collect()
}

/// Who is in which segment since this, and who is not any more.
fn memberships(commits: &[ShardCommit]) -> (Vec<Row>, Vec<Row>) {
    let changes = commits.iter().flat_map(|commit| &commit.memberships);
    // In the order of the table's key: what is near each other is touched together.
    let last = newest(changes.map(|(profile, change)| ((change.segment.as_str(), *profile), change)));
    let (mut entered, mut left) = (Vec::new(), Vec::new());
    for ((segment, profile), change) in last {
        if change.entered {
            entered.push(row![profile.to_string(), segment, change.at.0]);
        } else {
            left.push(row![profile.to_string(), segment]);
        }
    }
    (entered, left)
}

fn offsets(commits: &[ShardCommit]) -> Vec<Row> {
    let mut reached: BTreeMap<u16, (u64, i64)> = BTreeMap::new();
    for commit in commits {
        let at = (commit.offset.0, commit.time.0);
        reached.entry(commit.shard.0).and_modify(|known| *known = std::cmp::max(at, *known)).or_insert(at);
    }
    reached.into_iter().map(|(shard, (offset, time))| row![i32::from(shard), offset as i64, time]).collect()
}

/// Relays, each with how far its shard had come.
fn relay_rows<'a>(relays: impl Iterator<Item = (Offset, &'a Relay)>) -> Vec<Row> {
    let row = |(ordinal, (offset, relay)): (usize, (Offset, &Relay))| {
        let body = packed::pack(&relay.body);
        row![relay.id.as_str(), relay.to.to_string(), body, offset.0 as i64, ordinal as i64]
    };
    relays.enumerate().map(row).collect()
}

/// Keeps relays until they are carried out, each with how far its shard had come.
pub(super) async fn write_relays(
    transaction: &DatabaseTransaction,
    relays: impl Iterator<Item = (Offset, &Relay)>,
) -> Result<(), StoreError> {
    Ok(RELAYS.write(transaction, relay_rows(relays)).await?)
}
