//! Which actor runs on which thread: an actor never moves, so a slow one must not share with one that has to be quick.

use std::sync::Arc;

use actix::prelude::*;

use crate::engine::Engine;
use crate::model::ShardId;
use crate::model::limit::SHARDS;
use crate::store::Backing;

use super::board::Board;
use super::channel::ChannelActor;
use super::recovery::Left;
use super::relay::RelayActor;
use super::schedules::SchedulesActor;
use super::sequencer::Sequencer;
use super::shard::{self, Shard};
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

/// Where the actors of a platform live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Placement {
    /// On threads of their own, as many as there are cores.
    #[default]
    Threads,
    /// All on the current thread: slower, and in the same order each time. For simulations.
    Here,
}

/// The Arbiters (each one thread) of a platform.
pub(super) struct Threads {
    pub(super) sequencer: ArbiterHandle,
    pub(super) writer: ArbiterHandle,
    pub(super) channels: ArbiterHandle,
    shards: Vec<ArbiterHandle>,
    pub(super) arbiters: Vec<Arbiter>,
}

impl Threads {
    pub(super) fn start(placement: Placement) -> Self {
        if placement == Placement::Here {
            let here = Arbiter::current();
            let (sequencer, writer, channels) = (here.clone(), here.clone(), here.clone());
            return Self { sequencer, writer, channels, shards: vec![here], arbiters: Vec::new() };
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut arbiters = Vec::new();
        let mut start = || {
            let arbiter = Arbiter::new();
            let handle = arbiter.handle();
            arbiters.push(arbiter);
            handle
        };
        let (sequencer, writer, channels) = (start(), start(), start());
        // As many as cores: what the others leave of a core, shards use.
        let shards = (0..cores).map(|_| start()).collect();
        Self { sequencer, writer, channels, shards, arbiters }
    }

    /// Starts all shards where the last process left them. Index is shard id.
    pub(super) fn start_shards(
        &self,
        backing: &Backing,
        engine: &Arc<dyn Engine>,
        board: &Arc<Board>,
        writer: &Addr<StateWriter>,
        left: &Left,
    ) -> Vec<Addr<Shard>> {
        let start = |id: ShardId| {
            let start = shard::Start {
                id,
                backing: backing.clone(),
                engine: engine.clone(),
                skips: left.skips.clone(),
                writer: writer.clone(),
                board: board.clone(),
                program: left.program(id),
                reached: left.reached(id),
            };
            let thread = &self.shards[usize::from(id.0) % self.shards.len()];
            Shard::start_in_arbiter(thread, move |_| Shard::new(start))
        };
        (0..SHARDS).map(ShardId).map(start).collect()
    }
}
