//! One partition of the customers: keeps their order, starts and lets go of them, and hands what they decide to the
//! state writer.
//!
//! A shard works on one batch at a time: load who is missing, let each customer work, gather what changed. Effects are
//! saved at once, while the next batch is worked on; states later, each with what followed in the meantime. A crash in
//! between decides the same again, from the journal.

mod again;
mod holding;
mod in_force;
mod queue;
mod saving;
mod working;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use crate::engine::{Engine, Skips};
use crate::model::limit::SHARDS;
use crate::model::{Entry, Offset, ProfileId, ShardId, Target, Timestamp};
use crate::store::Backing;
use crate::store::state::Reached;
use crate::workspace::Program;

use self::again::Again;
use self::holding::Holding;
use self::in_force::InForce;
use self::queue::{Next, Queue};
use self::working::Plan;
use super::askers::Askers;
use super::batch::Mode;
use super::board::{Amount, Board};
use super::broadcast::Visit;
use super::customer::{Customer, Task};
use super::pending::Pending;
use super::slot::Slots;
use super::state_writer::StateWriter;
use super::unsaved::Unsaved;
use super::wakes::Wakes;

/// Profiles, or entries, of one batch.
const BATCH: usize = 256;
/// How often a shard looks at what is to be saved or let go.
const ROUND: Duration = Duration::from_millis(250);
/// Far more messages than the sequencer can have under way; what does not fit waits there.
const MAILBOX: usize = 1_024;

/// What comes to a shard, in the order of the journal.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Entry(Arc<Entry>),
    /// All entries that are still to come are received after `up_to`; the journal ends at `head` so far.
    Tick {
        up_to: Timestamp,
        head: Offset,
    },
    /// The journal ends at `head` so far.
    Checkpoint {
        head: Offset,
    },
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Feed(pub(super) Vec<Item>);

/// Save everything that changed. Answered when the store has it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Flush;

/// What a shard is started with.
pub(super) struct Start {
    pub(super) id: ShardId,
    pub(super) backing: Backing,
    pub(super) engine: Arc<dyn Engine>,
    /// What a replay has to pass over.
    pub(super) skips: Arc<Skips>,
    pub(super) writer: Addr<StateWriter>,
    pub(super) board: Arc<Board>,
    pub(super) program: Arc<Program>,
    /// Where the replay begins: each profile knows itself what it has seen since.
    pub(super) reached: Reached,
}

pub(super) struct Shard {
    id: ShardId,
    backing: Backing,
    writer: Addr<StateWriter>,
    board: Arc<Board>,
    queue: Queue,
    in_force: InForce,
    slots: Slots<Addr<Customer>>,
    wakes: Wakes,
    unsaved: Unsaved,
    pending: Pending,
    /// To be saved although nothing was emitted.
    to_save: VecDeque<ProfileId>,
    /// Live, saved and not busy any more: their states need not stay unpacked.
    to_rest: Vec<ProfileId>,
    again: Again,
    /// See [`working`].
    is_working: bool,
    /// The store is to hear how far the shard has come, even if nothing else changed.
    is_checkpoint_due: bool,
    /// The next batch is not of the queue, if there is anything else to do.
    is_turn_of_others: bool,
    holding: Holding,
    flushers: Askers<()>,
}

/// What a shard may do next.
enum Choice {
    Batch(Plan),
    Sweep(Option<ProfileId>),
    ReadWakes,
    /// Something was done that takes no time.
    Again,
    Nothing,
}

impl Shard {
    pub(super) fn new(start: Start) -> Self {
        let Start { id, backing, engine, skips, writer, board, program, reached } = start;
        let shard = Self {
            id,
            backing,
            writer,
            holding: Holding::new(board.memory.share()),
            board,
            queue: Queue::new(reached.offset),
            in_force: InForce::new(engine, skips, program),
            slots: Slots::new(),
            wakes: Wakes::new(),
            unsaved: Unsaved::default(),
            pending: Pending::new(id, reached),
            to_save: VecDeque::new(),
            to_rest: Vec::new(),
            again: Again::default(),
            is_working: false,
            is_checkpoint_due: false,
            is_turn_of_others: false,
            flushers: Askers::default(),
        };
        shard.tell_wakes();
        shard
    }

    /// Starts the next piece of work, unless one is under way.
    fn next(&mut self, ctx: &mut Context<Self>) {
        while !self.is_working {
            match self.choose() {
                Choice::Batch(plan) => self.work(ctx, plan),
                Choice::Sweep(after) => self.list(ctx, after),
                Choice::ReadWakes => self.read_wakes(ctx),
                Choice::Again => {}
                Choice::Nothing if self.is_flush_due() => self.save_all(),
                Choice::Nothing => break,
            }
        }
        self.save(ctx);
        self.tell();
    }

    /// The queue and everything else take turns: a wave of wakes, a sweep or a round of saving holds nobody up.
    fn choose(&mut self) -> Choice {
        if !self.again.is_empty() {
            return self.careful();
        }
        if self.is_pending_full() {
            return Choice::Nothing;
        }
        self.is_turn_of_others = !self.is_turn_of_others;
        let first = if self.is_turn_of_others { self.of_others() } else { self.of_queue() };
        match first {
            Choice::Nothing if self.is_turn_of_others => self.of_queue(),
            Choice::Nothing => self.of_others(),
            choice => choice,
        }
    }

    fn of_queue(&mut self) -> Choice {
        if self.queue.asks_for_history() && !self.is_all_saved() {
            self.save_all();
            return Choice::Nothing;
        }
        let done = match self.queue.next(BATCH) {
            None => return Choice::Nothing,
            Some(Next::Entries(tasks, portion)) => {
                return Choice::Batch(Plan { tasks, mode: Mode::Quick, portion: Some(portion) });
            }
            Some(Next::Known(entry)) => {
                // A program that came with it is still to be taken up.
                self.in_force.take_up(&entry, &self.board);
                match entry.target {
                    Target::Everyone => {
                        self.board.end_sweep();
                        Amount::of(1)
                    }
                    Target::Profile(_) => Amount::of_entry(&entry),
                }
            }
            Some(Next::Broadcast(entry)) => {
                self.in_force.begin(entry, &self.board, self.unsaved.profiles());
                Amount::of(1)
            }
            Some(Next::Tick) => {
                self.board.end_tick(self.id);
                Amount::of(1)
            }
            Some(Next::Checkpoint) => {
                self.is_checkpoint_due = true;
                Amount::of(1)
            }
        };
        self.board.done_by_shard(done);
        Choice::Again
    }

    fn of_others(&mut self) -> Choice {
        let now = self.queue.now();
        if self.wakes.read_until().0 < now {
            return Choice::ReadWakes;
        }
        let due = self.wakes.take_due(now, BATCH);
        if !due.is_empty() {
            return Choice::Batch(Plan::of(due, Task::Fire(now)));
        }
        match self.in_force.broadcasts.next(BATCH) {
            Some(Visit::These(profiles)) => return Choice::Batch(Plan::of(profiles, Task::CatchUp)),
            Some(Visit::StoredAfter(after)) => return Choice::Sweep(after),
            None => {}
        }
        if !self.to_save.is_empty() && !self.pending.has_enough_states() {
            return Choice::Batch(self.states());
        }
        let resting = std::mem::take(&mut self.to_rest);
        if resting.is_empty() { Choice::Nothing } else { Choice::Batch(Plan::of(resting, Task::Rest)) }
    }
}

impl Actor for Shard {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        // Each in its own moment, so that the writer always has a little to do and never much.
        let moment = ROUND * u32::from(self.id.0) / u32::from(SHARDS);
        ctx.run_later(moment, |_, ctx| {
            ctx.run_interval(ROUND, Self::round);
        });
    }
}

impl Handler<Feed> for Shard {
    type Result = ();

    fn handle(&mut self, Feed(items): Feed, ctx: &mut Self::Context) {
        self.queue.feed(items);
        self.next(ctx);
    }
}

impl Handler<Flush> for Shard {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Flush, ctx: &mut Self::Context) -> Self::Result {
        let answer = self.flushers.add();
        self.next(ctx);
        answer
    }
}
