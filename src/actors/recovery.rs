//! Start-up: from what the store holds to shards that have applied the whole journal, under the program of the workspace.
//!
//! Each shard begins where it had come to, under the program that was in force there. The journal tells of both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use crate::engine::{Skips, backfill};
use crate::model::limit::SHARDS;
use crate::model::{Deploy, Entry, Offset, ShardId, Timestamp};
use crate::store::journal::JournalHead;
use crate::store::state::Reached;
use crate::store::{Backing, Store};
use crate::workspace::{self, Program};

use super::board::Board;
use super::group::Request;
use super::platform::StartError;
use super::sequencer::{Replay, Sequencer, Take};

/// Entries read at once.
const PAGE: usize = 4_096;
const POLL: Duration = Duration::from_millis(2);

/// What the last process left.
pub(super) struct Left {
    pub(super) head: JournalHead,
    /// Which program came into force with which entry. One that is missing here was never deployed.
    programs: BTreeMap<Offset, Arc<Program>>,
    /// The version that was deployed last.
    pub(super) in_force: Option<String>,
    /// What decides where nothing was ever deployed.
    given: Arc<Program>,
    reached: BTreeMap<ShardId, Reached>,
    /// What the engine failed on after where the replay begins.
    pub(super) skips: Arc<Skips>,
}

impl Left {
    /// Reads it. Where nothing was ever deployed, `program` is taken.
    pub(super) async fn read(backing: &Backing, board: &Board, program: &Arc<Program>) -> Result<Self, StartError> {
        let store = &*backing.store;
        let head = backing.journal.head().await?;
        let deploys = backing.journal.deploys().await?;
        let reached = store.shards_reached().await?.into_iter().collect();
        let in_force = deploys.last().map(|(_, version)| version.clone());
        let skips = Arc::default();
        let mut left = Self { head, programs: BTreeMap::new(), in_force, given: program.clone(), reached, skips };
        let first = left.replay_after();
        left.skips = Arc::new(store.skips(first).await?.into_iter().collect());
        for (index, (offset, version)) in deploys.iter().enumerate() {
            let is_needed = deploys.get(index + 1).is_none_or(|(next, _)| *next > first);
            if is_needed {
                left.programs.insert(*offset, known(store, board, version).await?);
            }
        }
        Ok(left)
    }

    /// Up to where a shard has come.
    pub(super) fn reached(&self, shard: ShardId) -> Reached {
        self.reached.get(&shard).copied().unwrap_or(Reached { offset: Offset(0), time: Timestamp::MIN })
    }

    /// The instant after which all entries that are still to come must be received: some shard let time pass so far.
    pub(super) fn time(&self) -> Timestamp {
        self.reached.values().map(|reached| reached.time).max().unwrap_or(Timestamp::MIN)
    }

    /// The program that was in force where a shard goes on.
    pub(super) fn program(&self, shard: ShardId) -> Arc<Program> {
        let before = self.programs.range(..=self.reached(shard).offset).next_back();
        before.map_or(&self.given, |(_, program)| program).clone()
    }

    /// The entry after which the journal has to be read again.
    fn replay_after(&self) -> Offset {
        (0..SHARDS).map(|shard| self.reached(ShardId(shard)).offset).min().unwrap_or_default()
    }
}

/// The program of a version, from memory or from its sources in the store.
async fn known(store: &dyn Store, board: &Board, version: &str) -> Result<Arc<Program>, StartError> {
    if let Some(program) = board.program(version) {
        return Ok(program);
    }
    let sources = store.program(version).await?;
    let program = sources.and_then(|sources| workspace::recompile(&sources)).ok_or_else(|| {
        StartError::Unusable(format!(
            "the rules that were active before (version {version}) cannot be read by this version of tidewater"
        ))
    })?;
    board.add_program(version, program.clone());
    Ok(program)
}

/// Feeds the shards what they have not applied yet.
pub(super) async fn replay(
    backing: &Backing,
    board: &Board,
    sequencer: &Addr<Sequencer>,
    left: &Left,
) -> Result<(), StartError> {
    let mut after = left.replay_after();
    let mut count = 0_usize;
    while after < left.head.offset {
        let entries = backing.journal.read(after, PAGE).await?;
        let Some(last) = entries.last() else { break };
        after = last.offset;
        count += entries.len();
        hand_over(sequencer, entries).await?;
        until(|| !board.is_full()).await;
    }
    until(|| board.waiting() == 0).await;
    tracing::info!(entries = count, head = left.head.offset.0, "the journal is applied");
    Ok(())
}

async fn hand_over(sequencer: &Addr<Sequencer>, entries: Vec<Entry>) -> Result<(), StartError> {
    sequencer.send(Replay(entries)).await.map_err(|_| StartError::Unusable("the sequencer ended".to_owned()))
}

/// Makes a program the one that decides, if it is not already: `before` is the version that was deployed last. Returns
/// what came of it.
///
/// The program is known to all before the entry is, and decides for nobody before the entry has come.
pub(super) async fn deploy(
    store: &dyn Store,
    board: &Board,
    sequencer: &Addr<Sequencer>,
    program: &Arc<Program>,
    before: Option<&str>,
) -> Result<Deployed, StartError> {
    let version = &program.version;
    if before == Some(version) {
        board.put_in_force(program.clone());
        return Ok(Deployed::default());
    }
    let (mut unknown, mut backfilled) = (Vec::new(), Vec::new());
    if let Some(before) = before {
        let (before, after) = (&known(store, board, before).await?.rules, &program.rules);
        unknown = backfill::unknown(before, after);
        backfilled = backfill::segments_by(before, after, &unknown).into_iter().collect();
    }
    store.save_program(version, &program.sources).await?;
    board.add_program(version, program.clone());
    let deploy = Take(Request::Deploy(Deploy { version: version.clone(), unknown }));
    let answer = sequencer.send(deploy).await.map_err(|error| StartError::Unusable(error.to_string()))?;
    let accepted = answer?;
    board.put_in_force(program.clone());
    tracing::info!(version, offset = accepted.offset.0, "new rules and journeys are deployed");
    Ok(Deployed { offset: Some(accepted.offset), backfilled })
}

/// What came of a deploy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployed {
    /// The entry from which on the program decides; `None` where it did already.
    pub offset: Option<Offset>,
    /// Segments that look at more of the past than was kept: each profile's history tells.
    pub backfilled: Vec<String>,
}

/// Waits for something that other threads bring about.
pub(super) async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(POLL).await;
    }
}
