//! One partition of the customers: keeps their order, starts and lets go of them, and hands what they decide to the
//! state writer.
//!
//! A shard works on one batch at a time: load who is missing, let each customer work, gather what changed. Effects are
//! saved at once, while the next batch is worked on; states later, each with what followed in the meantime. A crash in
//! between decides the same again, from the journal.

mod saving;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::engine::{Engine, Skips};
use crate::model::limit::SHARDS;
use crate::model::{Entry, EntryBody, Offset, ProfileId, ShardId, Span, Target, Timestamp};
use crate::store::Backing;
use crate::store::state::{Reached, SavedProfile};
use crate::workspace::Program;

use super::batch::{Batch, Done, Mode, patiently};
use super::board::{Amount, Board};
use super::broadcast::{Broadcast, Broadcasts, Visit};
use super::customer::{Changed, Customer, Poison, Task, Terms};
use super::gauges::Counts;
use super::memory::{Held, Share};
use super::pending::Pending;
use super::slot::Slots;
use super::state_writer::StateWriter;
use super::unsaved::Unsaved;
use super::wakes::Wakes;

/// Profiles, or entries, of one batch.
const BATCH: usize = 256;
/// How often a shard looks at what is to be saved or let go.
const ROUND: Duration = Duration::from_millis(250);
/// A customer to whom something happened in this time is expected to be asked again soon.
const BUSY: Duration = Duration::from_secs(4);
/// How far ahead wakes are read into memory, and how many at once.
const LOOKAHEAD: Span = Span::MINUTE.times(10);
const WAKES: u64 = 1_000;
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
    engine: Arc<dyn Engine>,
    /// What a replay has to pass over, at a start or after a failure.
    skips: Arc<Skips>,
    writer: Addr<StateWriter>,
    board: Arc<Board>,
    program: Arc<Program>,
    /// All entries up to here were worked on.
    applied: Offset,
    /// All wakes up to here are due.
    now: Timestamp,
    queue: VecDeque<Item>,
    broadcasts: Broadcasts,
    slots: Slots<Addr<Customer>>,
    wakes: Wakes,
    unsaved: Unsaved,
    pending: Pending,
    /// To be saved although nothing was emitted.
    to_save: VecDeque<ProfileId>,
    /// Live, saved and not busy any more: their states need not stay unpacked.
    to_rest: Vec<ProfileId>,
    /// What failed and is to be done again, carefully, when everything before is saved.
    failed: Vec<(ProfileId, Arc<Task>)>,
    /// The first entry of what is being done again.
    again_from: Option<Offset>,
    is_working: bool,
    is_saving: bool,
    /// Effects are on their way beside a state that is being saved.
    is_emitting: bool,
    /// The store is to hear how far the shard has come, even if nothing else changed.
    is_checkpoint_due: bool,
    /// The next batch is not of the queue, if there is anything else to do.
    is_turn_of_others: bool,
    /// Nothing came since the last look.
    is_quiet: bool,
    /// How much it may hold, and what others know of what it holds.
    share: Share,
    held: Held,
    counts: Counts,
    flushers: Vec<oneshot::Sender<()>>,
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

/// A batch to be run.
struct Plan {
    tasks: BTreeMap<ProfileId, Arc<Task>>,
    mode: Mode,
    /// How far the shard has come when it is done, and how many items of the queue are done with it.
    end: Offset,
    finished: Amount,
}

impl Shard {
    pub(super) fn new(start: Start) -> Self {
        let Start { id, backing, engine, skips, writer, board, program, reached } = start;
        let wakes = Wakes::new();
        board.set_earliest_wake(id, wakes.earliest());
        Self {
            id,
            backing,
            engine,
            skips,
            writer,
            share: board.memory.share(),
            board,
            program,
            applied: reached.offset,
            now: Timestamp::MIN,
            queue: VecDeque::new(),
            broadcasts: Broadcasts::default(),
            slots: Slots::new(),
            wakes,
            unsaved: Unsaved::default(),
            pending: Pending::new(id, reached),
            to_save: VecDeque::new(),
            to_rest: Vec::new(),
            failed: Vec::new(),
            again_from: None,
            is_working: false,
            is_saving: false,
            is_emitting: false,
            is_checkpoint_due: false,
            is_turn_of_others: false,
            is_quiet: true,
            held: Held::default(),
            counts: Counts::default(),
            flushers: Vec::new(),
        }
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

    /// Tells others what this shard holds now.
    fn tell(&mut self) {
        let (Self { unsaved, slots, wakes, .. }, held) = (&*self, self.held());
        let counts =
            Counts { unsaved: unsaved.behind(), live: slots.len(), packed: slots.packed(), wakes: wakes.len() };
        self.board.memory.held(std::mem::replace(&mut self.held, held), held);
        self.board.gauges.counts(std::mem::replace(&mut self.counts, counts), counts);
    }

    fn held(&self) -> Held {
        Held { customers: self.slots.bytes(), unsaved: self.unsaved.bytes(), saving: self.pending.bytes() }
    }

    /// Whether what is to be saved is so much that the shard waits for its writer.
    fn is_pending_full(&self) -> bool {
        self.pending.is_full() || self.share.is_much_saving(self.pending.bytes())
    }

    /// The queue and everything else take turns: a wave of wakes, a sweep or a round of saving holds nobody up.
    fn choose(&mut self) -> Choice {
        if !self.failed.is_empty() {
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

    fn careful(&mut self) -> Choice {
        // What was emitted is in the store first: what is loaded from there then emits nothing when it is done again.
        if self.is_saving || self.is_emitting || !self.pending.is_empty() {
            return Choice::Nothing;
        }
        let after = self.replay_after();
        let (profile, task) = self.failed.remove(0);
        self.again_from = task.first();
        let known = self.again_from.map_or(self.applied, |first| Offset(first.0 - 1));
        let mode = Mode::Careful { after, known };
        Choice::Batch(Plan { tasks: [(profile, task)].into(), mode, end: self.applied, finished: Amount::default() })
    }

    fn of_queue(&mut self) -> Choice {
        match self.queue.front() {
            None => Choice::Nothing,
            Some(Item::Entry(entry)) if entry.offset <= self.applied => {
                self.skip();
                Choice::Again
            }
            Some(Item::Entry(entry)) if entry.target == Target::Everyone => {
                if asks_for_history(entry) && !self.is_all_saved() {
                    self.save_all();
                    return Choice::Nothing;
                }
                self.begin_broadcast();
                Choice::Again
            }
            Some(Item::Entry(_)) => self.entries(),
            Some(Item::Tick { up_to, head }) => {
                (self.now, self.applied) = (self.now.max(*up_to), self.applied.max(*head));
                self.queue.pop_front();
                self.board.end_tick(self.id);
                self.board.done_by_shard(Amount::of(1));
                Choice::Again
            }
            Some(Item::Checkpoint { head }) => {
                self.applied = self.applied.max(*head);
                self.is_checkpoint_due = true;
                self.queue.pop_front();
                self.board.done_by_shard(Amount::of(1));
                Choice::Again
            }
        }
    }

    fn of_others(&mut self) -> Choice {
        if self.wakes.read_until().0 < self.now {
            return Choice::ReadWakes;
        }
        let due = self.wakes.take_due(self.now, BATCH);
        if !due.is_empty() {
            return self.batch(due, Task::Fire(self.now));
        }
        match self.broadcasts.next(BATCH) {
            Some(Visit::These(profiles)) => return self.batch(profiles, Task::CatchUp),
            Some(Visit::StoredAfter(after)) => return Choice::Sweep(after),
            None => {}
        }
        if !self.to_save.is_empty() {
            return self.states();
        }
        let resting = std::mem::take(&mut self.to_rest);
        if resting.is_empty() { Choice::Nothing } else { self.batch(resting, Task::Rest) }
    }

    /// Asks the next ones of those that are to be saved for their states.
    fn states(&mut self) -> Choice {
        let count = self.to_save.len().min(BATCH);
        let since = Instant::now().checked_sub(BUSY).filter(|_| !self.is_quiet && !self.share.is_full(self.held()));
        let [busy, resting] = [true, false].map(|is_busy| Arc::new(Task::Save { is_busy }));
        let task = |profile| {
            let is_busy = since.is_some_and(|since| self.slots.is_busy_since(profile, since));
            if is_busy { busy.clone() } else { resting.clone() }
        };
        let tasks = self.to_save.iter().take(count).map(|profile| (*profile, task(*profile))).collect();
        self.to_save.drain(..count);
        Choice::Batch(Plan { tasks, mode: Mode::Quick, end: self.applied, finished: Amount::default() })
    }

    fn batch(&self, profiles: Vec<ProfileId>, task: Task) -> Choice {
        let task = Arc::new(task);
        let tasks = profiles.into_iter().map(|profile| (profile, task.clone())).collect();
        Choice::Batch(Plan { tasks, mode: Mode::Quick, end: self.applied, finished: Amount::default() })
    }

    /// An entry that was worked on before the last stop. A program that came with it is still to be taken up.
    fn skip(&mut self) {
        if let Some(Item::Entry(entry)) = self.queue.pop_front() {
            self.take_up(&entry);
            if entry.target == Target::Everyone {
                self.board.end_sweep();
                self.board.done_by_shard(Amount::of(1));
            } else {
                self.board.done_by_shard(Amount::of_entry(&entry));
            }
        }
    }

    /// Switches to the program that an entry deploys.
    fn take_up(&mut self, entry: &Entry) {
        let EntryBody::Deploy(deploy) = &entry.body else { return };
        match self.board.program(&deploy.version) {
            Some(program) => self.program = program,
            None => tracing::error!(version = deploy.version, "a program in the journal is not known; keeping the old"),
        }
    }

    fn begin_broadcast(&mut self) {
        let Some(Item::Entry(entry)) = self.queue.pop_front() else { return };
        let before = matches!(entry.body, EntryBody::Deploy(_)).then(|| self.program.clone());
        self.take_up(&entry);
        self.applied = entry.offset;
        let broadcast = Broadcast { entry, program: self.program.clone(), before };
        self.broadcasts.begin(broadcast, self.unsaved.profiles());
        self.board.done_by_shard(Amount::of(1));
    }

    fn entries(&mut self) -> Choice {
        let mut tasks: BTreeMap<ProfileId, Vec<Arc<Entry>>> = BTreeMap::new();
        let (mut finished, mut end) = (Amount::default(), self.applied);
        while finished.items < BATCH {
            let Some(Item::Entry(entry)) = self.queue.front() else { break };
            let Target::Profile(profile) = entry.target else { break };
            end = entry.offset;
            tasks.entry(profile).or_default().push(entry.clone());
            finished.add(Amount::of_entry(entry));
            self.queue.pop_front();
        }
        let tasks = tasks.into_iter().map(|(profile, entries)| (profile, Arc::new(Task::Entries(entries)))).collect();
        Choice::Batch(Plan { tasks, mode: Mode::Quick, end, finished })
    }

    /// Asks the store for the next profiles of the sweep.
    fn list(&mut self, ctx: &mut Context<Self>, after: Option<ProfileId>) {
        self.is_working = true;
        let (store, shard) = (self.backing.store.clone(), self.id);
        let list = async move { patiently(|| store.profiles_of_shard(shard, after, BATCH as u64)).await };
        ctx.spawn(list.into_actor(self).map(move |profiles, actor, ctx| {
            actor.is_working = false;
            match profiles.last() {
                Some(last) => {
                    actor.broadcasts.reached(*last);
                    if let Choice::Batch(plan) = actor.batch(profiles, Task::CatchUp) {
                        actor.work(ctx, plan);
                    }
                }
                None => {
                    actor.broadcasts.end();
                    actor.board.end_sweep();
                }
            }
            actor.next(ctx);
        }));
    }

    /// Asks the store for the wakes of the near future.
    fn read_wakes(&mut self, ctx: &mut Context<Self>) {
        self.is_working = true;
        let (store, shard) = (self.backing.store.clone(), self.id);
        let after = Some(self.wakes.read_until()).filter(|(at, _)| *at > Timestamp::MIN);
        let until = (self.now + LOOKAHEAD, ProfileId(u128::MAX));
        self.wakes.reading(until);
        let read = async move { patiently(|| store.wakes(shard, after, until.0, WAKES)).await };
        ctx.spawn(read.into_actor(self).map(move |wakes, actor, ctx| {
            actor.is_working = false;
            let is_all = (wakes.len() as u64) < WAKES;
            let until = wakes.last().filter(|_| !is_all).copied().unwrap_or(until);
            actor.wakes.read(wakes, until);
            actor.board.set_earliest_wake(actor.id, actor.wakes.earliest());
            actor.next(ctx);
        }));
    }

    fn work(&mut self, ctx: &mut Context<Self>, plan: Plan) {
        self.is_working = true;
        let Plan { tasks, mode, end, finished } = plan;
        let terms = Terms {
            engine: self.engine.clone(),
            skips: self.skips.clone(),
            program: self.program.clone(),
            broadcasts: self.broadcasts.active(),
            is_careful: mode != Mode::Quick,
        };
        let batch = Batch::begin(terms, self.backing.clone(), tasks, mode, |id| self.slots.address(id));
        ctx.spawn(batch.run().into_actor(self).map(move |done, actor, ctx| {
            actor.is_working = false;
            actor.again_from = None;
            actor.applied = end;
            actor.finish(done);
            actor.board.done_by_shard(finished);
            actor.next(ctx);
        }));
    }

    fn finish(&mut self, done: Done) {
        let (now, next) = (Instant::now(), Offset(self.applied.0 + 1));
        for (profile, address) in done.started {
            self.slots.keep(profile, address, now);
        }
        for (profile, task) in done.failed {
            self.slots.discard(profile);
            self.failed.push((profile, task));
        }
        for poison in done.left_out {
            self.set_aside(poison);
        }
        for (profile, worked) in done.worked {
            self.wakes.set(profile, worked.wake);
            self.slots.touch(profile, worked.size, now);
            if worked.changed != Changed::Not || !worked.told.is_empty() {
                self.unsaved.note(profile, worked.changed.first(next), worked.told, now);
            }
            self.pending.emit(worked.effects, worked.relays);
            for poison in worked.poison {
                self.set_aside(poison);
            }
            if let Some(snapshot) = worked.snapshot {
                let saved = SavedProfile { id: profile, snapshot, wake: worked.wake };
                self.pending.add(saved, self.unsaved.save(profile));
            } else if !self.unsaved.holds(profile) {
                self.wakes.saved(profile);
            }
        }
        self.board.set_earliest_wake(self.id, self.wakes.earliest());
        self.make_room();
    }

    /// Keeps what the shard holds near its share.
    fn make_room(&mut self) {
        let held = self.held();
        if !self.share.is_full(held) {
            return;
        }
        if self.to_save.is_empty() {
            self.to_save.extend(self.unsaved.oldest_of(BATCH));
        }
        let unsaved = &self.unsaved;
        self.slots.trim(self.share.for_customers(held), |profile| unsaved.holds(profile));
    }
}

impl Shard {
    /// Keeps what the engine failed on, and passes over it from now on.
    fn set_aside(&mut self, poison: Poison) {
        let Some(skip) = self.pending.quarantine(poison, self.applied) else { return };
        let after = self.replay_after();
        let skips = Arc::make_mut(&mut self.skips);
        skips.forget(after);
        skips.add(skip);
    }
}

/// Whether profiles need their histories to take this in.
fn asks_for_history(entry: &Entry) -> bool {
    matches!(&entry.body, EntryBody::Deploy(deploy) if !deploy.unknown.is_empty())
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
        self.is_quiet = false;
        self.queue.extend(items);
        self.next(ctx);
    }
}

impl Handler<Flush> for Shard {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Flush, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        self.flushers.push(reply);
        self.next(ctx);
        Box::pin(async move {
            let _ = answer.await;
        })
    }
}
