//! Which actor runs on which thread: an actor never moves, so a slow one must not share with one that has to be quick.

use std::sync::Arc;

use actix::prelude::*;

use crate::model::ShardId;
use crate::model::limit::SHARDS;
use crate::store::Store;

use super::board::Board;
use super::channel::ChannelActor;
use super::recovery::Left;
use super::relay::RelayActor;
use super::schedules::SchedulesActor;
use super::sequencer::Sequencer;
use super::shard::Shard;
use super::state_writer::StateWriter;

/// End now, with whatever is under way: the last message before the thread ends. A connection of the store that is in use
/// must be let go while its thread still runs.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Halt;

macro_rules! halting {
    ($($actor:ty),*) => {
        $(impl Handler<Halt> for $actor {
            type Result = ();

            fn handle(&mut self, _: Halt, ctx: &mut Self::Context) {
                ctx.terminate();
            }
        })*
    };
}

halting!(Sequencer, Shard, StateWriter, RelayActor, SchedulesActor, ChannelActor);

/// The Arbiters (each one thread) of a platform.
pub(super) struct Threads {
    pub(super) sequencer: ArbiterHandle,
    pub(super) writer: ArbiterHandle,
    pub(super) channels: ArbiterHandle,
    shards: Vec<ArbiterHandle>,
    pub(super) arbiters: Vec<Arbiter>,
}

impl Threads {
    pub(super) fn start() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut arbiters = Vec::new();
        let mut start = || {
            let arbiter = Arbiter::new();
            let handle = arbiter.handle();
            arbiters.push(arbiter);
            handle
        };
        let (sequencer, writer, channels) = (start(), start(), start());
        let shards = (0..cores.saturating_sub(1).max(1)).map(|_| start()).collect();
        Self { sequencer, writer, channels, shards, arbiters }
    }

    /// Starts all shards where the last process left them. Index is shard id.
    pub(super) fn start_shards(
        &self,
        store: &Arc<dyn Store>,
        board: &Arc<Board>,
        writer: &Addr<StateWriter>,
        left: &mut Left,
    ) -> Vec<Addr<Shard>> {
        let start = |id: ShardId| {
            let (store, board, writer) = (store.clone(), board.clone(), writer.clone());
            let (program, offset, wakes) = (left.program.clone(), left.offset(id), left.take_wakes(id));
            let thread = &self.shards[usize::from(id.0) % self.shards.len()];
            let shard = move |_: &mut Context<Shard>| Shard::new(id, store, writer, board, program, offset, wakes);
            Shard::start_in_arbiter(thread, shard)
        };
        (0..SHARDS).map(ShardId).map(start).collect()
    }
}
