//! Start-up: from what the store holds to shards that have applied the whole journal, under the program of the workspace.
//!
//! Nothing else is appended until a changed program is deployed and noted as active, so that a deploy is the last entry
//! of the journal whenever a crash falls in between. That is why the last entry is always read again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use crate::model::limit::SHARDS;
use crate::model::{Entry, EntryBody, Offset, ShardId};
use crate::store::journal::JournalHead;
use crate::store::{Backing, Store};
use crate::workspace::{self, Program};

use super::board::{Board, WAITING_LIMIT};
use super::group::Request;
use super::platform::StartError;
use super::sequencer::{Replay, Sequencer, Take};

/// Entries read at once.
const PAGE: usize = 4_096;
const POLL: Duration = Duration::from_millis(2);

/// What the last process left.
pub(super) struct Left {
    pub(super) head: JournalHead,
    /// The program that was active, and the version under which the store knows it.
    pub(super) active: Option<String>,
    pub(super) program: Arc<Program>,
    offsets: BTreeMap<ShardId, Offset>,
}

impl Left {
    /// Reads it. Where no program was ever active, `program` is taken.
    pub(super) async fn read(backing: &Backing, board: &Board, program: &Arc<Program>) -> Result<Self, StartError> {
        board.add_program(&program.version, program.clone());
        let store = &*backing.store;
        let head = backing.journal.head().await?;
        let active = store.active_program().await?.map(|(version, _)| version);
        let first = match &active {
            Some(version) => known(store, board, version).await?,
            None => program.clone(),
        };
        let offsets = store.shard_offsets().await?.into_iter().collect();
        Ok(Self { head, active, program: first, offsets })
    }

    /// Up to where a shard has applied the journal.
    pub(super) fn offset(&self, shard: ShardId) -> Offset {
        self.offsets.get(&shard).copied().unwrap_or_default()
    }

    /// The entry after which the journal has to be read again.
    fn replay_after(&self) -> Offset {
        let applied = (0..SHARDS).map(|shard| self.offset(ShardId(shard))).min().unwrap_or_default();
        applied.min(Offset(self.head.offset.0.saturating_sub(1)))
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

/// Feeds the shards what they have not applied yet. Returns the version of the program that is in force at the end.
pub(super) async fn replay(
    backing: &Backing,
    board: &Board,
    sequencer: &Addr<Sequencer>,
    left: &Left,
) -> Result<Option<String>, StartError> {
    let mut in_force = left.active.clone();
    let mut after = left.replay_after();
    let mut count = 0_usize;
    while after < left.head.offset {
        let entries = backing.journal.read(after, PAGE).await?;
        let Some(last) = entries.last() else { break };
        after = last.offset;
        for version in entries.iter().filter_map(deployed) {
            known(&*backing.store, board, version).await?;
            in_force = Some(version.to_owned());
        }
        count += entries.len();
        hand_over(sequencer, entries).await?;
        until(|| board.waiting() < WAITING_LIMIT).await;
    }
    until(|| board.waiting() == 0).await;
    tracing::info!(entries = count, head = left.head.offset.0, "the journal is applied");
    Ok(in_force)
}

fn deployed(entry: &Entry) -> Option<&str> {
    match &entry.body {
        EntryBody::Deploy(deploy) => Some(&deploy.version),
        _ => None,
    }
}

async fn hand_over(sequencer: &Addr<Sequencer>, entries: Vec<Entry>) -> Result<(), StartError> {
    sequencer.send(Replay(entries)).await.map_err(|_| StartError::Unusable("the sequencer ended".to_owned()))
}

/// Makes the program of the workspace the one that decides, if it is not already.
pub(super) async fn deploy(
    store: &dyn Store,
    board: &Board,
    sequencer: &Addr<Sequencer>,
    program: &Program,
    left: &Left,
    in_force: Option<&str>,
) -> Result<(), StartError> {
    let version = &program.version;
    if in_force != Some(version) {
        store.save_program(version, &program.sources).await?;
        let deploy = Take(Request::Deploy { version: version.clone() });
        let answer = sequencer.send(deploy).await.map_err(|error| StartError::Unusable(error.to_string()))?;
        answer.map_err(|refused| StartError::Unusable(refused.to_string()))?;
        until(|| board.waiting() == 0).await;
        tracing::info!(version, "the workspace's rules and journeys are deployed");
    }
    if left.active.as_ref() != Some(version) {
        store.set_active_program(version).await?;
    }
    Ok(())
}

/// Waits for something that other threads bring about.
pub(super) async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(POLL).await;
    }
}
