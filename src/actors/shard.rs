//! One partition of the customers: keeps their order, starts and lets go of them, and commits what they decide.
//!
//! A shard works on one batch at a time: load who is missing, let each customer work, gather what changed, commit it,
//! go on. Until the commit is done nothing of the next batch begins, so nothing is ever decided upon what may be lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::model::{Entry, EntryBody, Offset, ProfileId, ShardId, Target, Timestamp};
use crate::store::Store;
use crate::store::state::ShardCommit;
use crate::workspace::Program;

use super::batch::{Batch, Done, Saver, profiles_of_shard};
use super::board::Board;
use super::customer::{Customer, Task};
use super::slot::Slots;
use super::state_writer::StateWriter;
use super::wakes::Wakes;

/// Entries, or profiles of a wave, in one batch.
const BATCH: usize = 256;
const SWEEP: Duration = Duration::from_secs(30);
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

/// Something that concerns many profiles of the shard: done in chunks, and over only with the last.
struct Wave {
    kind: WaveKind,
    remaining: VecDeque<ProfileId>,
    /// The shard's offset when it is over.
    end: Offset,
}

#[derive(Clone)]
enum WaveKind {
    Entry(Arc<Entry>),
    Deploy { before: Arc<Program>, entry: Arc<Entry> },
    Fire(Timestamp),
}

pub(super) struct Shard {
    id: ShardId,
    store: Arc<dyn Store>,
    writer: Addr<StateWriter>,
    board: Arc<Board>,
    program: Arc<Program>,
    /// All entries up to here are applied and saved.
    offset: Offset,
    queue: VecDeque<Item>,
    wave: Option<Wave>,
    slots: Slots<Addr<Customer>>,
    wakes: Wakes,
    is_working: bool,
}

impl Shard {
    pub(super) fn new(
        id: ShardId,
        store: Arc<dyn Store>,
        writer: Addr<StateWriter>,
        board: Arc<Board>,
        program: Arc<Program>,
        offset: Offset,
        wakes: Vec<(ProfileId, Timestamp)>,
    ) -> Self {
        let mut all = Wakes::default();
        for (profile, at) in wakes {
            all.set(profile, Some(at));
        }
        board.set_earliest_wake(id, all.earliest());
        Self {
            id,
            store,
            writer,
            board,
            program,
            offset,
            queue: VecDeque::new(),
            wave: None,
            slots: Slots::new(),
            wakes: all,
            is_working: false,
        }
    }

    /// Starts the next piece of work, unless one is under way.
    fn next(&mut self, ctx: &mut Context<Self>) {
        while !self.is_working {
            if self.wave.is_some() {
                self.next_chunk(ctx);
                return;
            }
            match self.queue.front() {
                None => return,
                Some(Item::Entry(entry)) if entry.offset <= self.offset => self.skip(),
                Some(Item::Entry(entry)) if matches!(entry.target, Target::Everyone) => self.begin_broadcast(ctx),
                Some(Item::Entry(_)) => self.next_entries(ctx),
                Some(Item::Tick { up_to, head }) => {
                    let (up_to, end) = (*up_to, self.offset.max(*head));
                    let remaining = self.wakes.due(up_to).into();
                    self.queue.pop_front();
                    self.wave = Some(Wave { kind: WaveKind::Fire(up_to), remaining, end });
                }
                Some(Item::Checkpoint { head }) => {
                    let end = self.offset.max(*head);
                    self.queue.pop_front();
                    if end > self.offset {
                        self.start(ctx, BTreeMap::new(), end, 1);
                    } else {
                        self.board.done_by_shard(1);
                    }
                }
            }
        }
    }

    /// An entry that was applied before the last stop. A program that came with it is still to be taken up.
    fn skip(&mut self) {
        if let Some(Item::Entry(entry)) = self.queue.pop_front() {
            self.take_up(&entry);
            self.board.done_by_shard(1);
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

    fn next_entries(&mut self, ctx: &mut Context<Self>) {
        let mut tasks: BTreeMap<ProfileId, Vec<Arc<Entry>>> = BTreeMap::new();
        let (mut count, mut end) = (0, self.offset);
        while count < BATCH {
            let Some(Item::Entry(entry)) = self.queue.front() else { break };
            let Target::Profile(profile) = entry.target else { break };
            tasks.entry(profile).or_default().push(entry.clone());
            end = entry.offset;
            count += 1;
            self.queue.pop_front();
        }
        let tasks = tasks.into_iter().map(|(profile, entries)| (profile, Task::Entries(entries))).collect();
        self.start(ctx, tasks, end, count);
    }

    /// Asks who there is, and turns the entry at the front into a wave over them.
    fn begin_broadcast(&mut self, ctx: &mut Context<Self>) {
        let Some(Item::Entry(entry)) = self.queue.pop_front() else { return };
        self.is_working = true;
        let before = self.program.clone();
        self.take_up(&entry);
        let kind = match entry.body {
            EntryBody::Deploy(_) => WaveKind::Deploy { before, entry: entry.clone() },
            _ => WaveKind::Entry(entry.clone()),
        };
        let (store, shard) = (self.store.clone(), self.id);
        let list = async move { profiles_of_shard(&*store, shard).await };
        ctx.spawn(list.into_actor(self).map(move |profiles, actor, ctx| {
            actor.is_working = false;
            actor.wave = Some(Wave { kind, remaining: profiles.into(), end: entry.offset });
            actor.next(ctx);
        }));
    }

    fn next_chunk(&mut self, ctx: &mut Context<Self>) {
        let Some(wave) = &mut self.wave else { return };
        let count = wave.remaining.len().min(BATCH);
        let chunk: Vec<ProfileId> = wave.remaining.drain(..count).collect();
        let task = match &wave.kind {
            WaveKind::Entry(entry) => Task::Entries(vec![entry.clone()]),
            WaveKind::Deploy { before, entry } => Task::Deploy { before: before.clone(), entry: entry.clone() },
            WaveKind::Fire(up_to) => Task::Fire(*up_to),
        };
        let is_last = wave.remaining.is_empty();
        let (end, finished) = if is_last { (wave.end, 1) } else { (self.offset, 0) };
        if is_last {
            let is_tick = matches!(wave.kind, WaveKind::Fire(_));
            self.wave = None;
            if is_tick {
                self.board.end_tick(self.id);
            }
        }
        let tasks = chunk.into_iter().map(|profile| (profile, task.clone())).collect();
        self.start(ctx, tasks, end, finished);
    }

    /// Runs a batch to its commit. `finished`: how many items of the queue are done with it.
    fn start(&mut self, ctx: &mut Context<Self>, tasks: BTreeMap<ProfileId, Task>, end: Offset, finished: usize) {
        self.is_working = true;
        let customers = tasks.keys().filter_map(|id| Some((*id, self.slots.address(*id)?))).collect();
        let batch = Batch {
            program: self.program.clone(),
            store: self.store.clone(),
            tasks,
            customers,
            commit: ShardCommit {
                shard: self.id,
                offset: end,
                profiles: Vec::new(),
                memberships: Vec::new(),
                effects: Vec::new(),
                facts: Vec::new(),
                history: Vec::new(),
                relays: Vec::new(),
                poison: Vec::new(),
            },
        };
        let saver = Saver { writer: self.writer.clone(), is_forward: end > self.offset };
        let run = batch.run(saver);
        ctx.spawn(run.into_actor(self).map(move |done, actor, ctx| {
            actor.is_working = false;
            actor.finish(done, end);
            actor.board.done_by_shard(finished);
            actor.next(ctx);
        }));
    }

    fn finish(&mut self, done: Done, end: Offset) {
        self.offset = end;
        for (profile, wake) in done.wakes {
            self.wakes.set(profile, wake);
        }
        self.board.set_earliest_wake(self.id, self.wakes.earliest());
        let now = Instant::now();
        for profile in done.discarded {
            self.slots.discard(profile);
        }
        for (profile, address) in done.customers {
            self.slots.keep(profile, address, now);
        }
        self.slots.trim();
    }
}

impl Actor for Shard {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(SWEEP, |actor, _| {
            if !actor.is_working {
                actor.slots.sweep(Instant::now());
            }
        });
    }
}

impl Handler<Feed> for Shard {
    type Result = ();

    fn handle(&mut self, Feed(items): Feed, ctx: &mut Self::Context) {
        self.queue.extend(items);
        self.next(ctx);
    }
}
