//! The one writer of the journal: gathers requests, makes them durable together, answers, and hands the entries on in
//! order. It also keeps the journal's time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::model::{Entry, EntryBody, ShardId, Target, Timestamp};
use crate::store::journal::JournalHead;
use crate::store::{Journal, StoreError};

use super::board::{Amount, Board, Part};
use super::group::{self, Group, Request};
use super::identity::Resolver;
use super::outcome;
use super::platform::{Accepted, Refused};
use super::shard::{Feed, Item, Shard};
use super::spare::{self, Spare};

/// Entries of one group at most, so that a commit stays short.
const GROUP_ENTRIES: usize = 8_192;
/// How often time is told when nothing comes.
const IDLE: Duration = Duration::from_millis(100);
/// How often idle shards are told how far the journal has come, so that a restart has little to read again.
const CHECKPOINT: Duration = Duration::from_secs(10);
const FIRST_PROBE: Duration = Duration::from_millis(100);
const LONGEST_PROBE: Duration = Duration::from_secs(5);
const MAILBOX: usize = 4_096;

/// Asks for durability. Answered after the commit.
#[derive(Debug, Message)]
#[rtype(result = "Result<Accepted, Refused>")]
pub(super) struct Take(pub(super) Request);

/// Entries that are in the journal already: hand them on.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Replay(pub(super) Vec<Entry>);

/// Start-up is over: tell the time from now on.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Open;

/// Tell the time now. Answered when all requests before it are durable and the ticks are on their way.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Pulse;

/// Tell every shard how far the journal has come.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Checkpoint;

type Reply = oneshot::Sender<Result<Accepted, Refused>>;

/// A shard as the sequencer sees it. What its mailbox cannot take waits here, in order; the bound on waiting entries
/// ([`super::board::WAITING_LIMIT`]) holds for both together.
struct Link {
    address: Addr<Shard>,
    backlog: VecDeque<Item>,
}

/// How a commit ended.
enum Done {
    Written(Group),
    /// The store refuses what it carries: nothing of it is there, and these were its requests.
    Unwritable(StoreError, Vec<Request>),
    Failed(StoreError),
}

pub(super) struct Sequencer {
    journal: Arc<dyn Journal>,
    board: Arc<Board>,
    shards: Vec<Link>,
    head: JournalHead,
    /// All later entries are received after this instant.
    watermark: Timestamp,
    resolver: Resolver,
    waiting: VecDeque<(Request, Reply)>,
    /// After the store refused what a group carries: how many of those who wait the next groups take, one group each, to
    /// find whose fault it is.
    parts: VecDeque<usize>,
    pulses: Vec<oneshot::Sender<()>>,
    is_committing: bool,
    is_open: bool,
    /// After a failed append: nothing is taken until it is known where the journal ends.
    probe: Option<Duration>,
}

impl Sequencer {
    pub(super) fn new(
        journal: Arc<dyn Journal>,
        board: Arc<Board>,
        shards: Vec<Addr<Shard>>,
        head: JournalHead,
        time: Timestamp,
    ) -> Self {
        board.note_journal_time(head.received_at.max(time));
        let shards = shards.into_iter().map(|address| Link { address, backlog: VecDeque::new() }).collect();
        Self {
            journal,
            board,
            shards,
            head,
            watermark: time,
            resolver: Resolver::default(),
            waiting: VecDeque::new(),
            parts: VecDeque::new(),
            pulses: Vec::new(),
            is_committing: false,
            is_open: false,
            probe: None,
        }
    }

    /// Starts the next commit, if there is something to commit and nothing in the way.
    fn begin(&mut self, ctx: &mut Context<Self>) {
        if self.is_committing || self.probe.is_some() {
            return;
        }
        let (requests, replies) = self.gather();
        if requests.is_empty() {
            self.answer_pulses();
            return;
        }
        self.is_committing = true;
        let received_at =
            self.board.now().max(self.head.received_at).max(Timestamp(self.watermark.0.saturating_add(1)));
        let (journal, head) = (self.journal.clone(), self.head);
        let mut resolver = std::mem::take(&mut self.resolver);
        let commit = async move {
            let spares = Spare::of(&requests);
            let done = match group::build(&*journal, &mut resolver, head, received_at, requests).await {
                Ok(group) => match journal.append(&group.append).await {
                    Ok(()) => Done::Written(group),
                    Err(error @ StoreError::Statement(_)) => Done::Unwritable(error, spare::requests(spares, group)),
                    Err(error) => Done::Failed(error),
                },
                Err(error) => Done::Failed(error),
            };
            (done, resolver)
        };
        ctx.spawn(commit.into_actor(self).map(move |(done, resolver), actor, ctx| {
            actor.is_committing = false;
            match done {
                Done::Written(group) => actor.committed(group, resolver, received_at, replies),
                Done::Unwritable(error, requests) => actor.part(&error, requests, replies),
                Done::Failed(error) => actor.failed(&error, replies, ctx),
            }
            actor.begin(ctx);
        }));
    }

    fn gather(&mut self) -> (Vec<Request>, Vec<Reply>) {
        if let Some(count) = self.parts.pop_front() {
            return self.waiting.drain(..count).unzip();
        }
        let (mut requests, mut replies, mut weight) = (Vec::new(), Vec::new(), 0);
        while let Some((request, _)) = self.waiting.front() {
            let is_apart = request.is_alone() || requests.last().is_some_and(Request::is_alone);
            if !requests.is_empty() && (is_apart || weight + request.weight() > GROUP_ENTRIES) {
                break;
            }
            if let Some((request, reply)) = self.waiting.pop_front() {
                weight += request.weight();
                requests.push(request);
                replies.push(reply);
            }
        }
        (requests, replies)
    }

    fn committed(&mut self, group: Group, resolver: Resolver, received_at: Timestamp, replies: Vec<Reply>) {
        self.resolver = resolver;
        if let Some(last) = group.append.entries.last() {
            self.head = JournalHead { offset: last.offset, received_at };
            self.board.note_journal_time(received_at);
        }
        self.board.gauges.appended(group.append.entries.len());
        // Who is answered finds the shards told.
        self.deal(group.append.entries);
        for (reply, end) in replies.into_iter().zip(group.ends) {
            // Whoever asked may have hung up; the events are durable all the same.
            let _ = reply.send(Ok(Accepted { offset: end.offset, received_at }));
        }
        if self.is_open {
            self.tell_time(Timestamp(received_at.0 - 1));
        }
    }

    /// The store is sound, and refuses what a group carries. Its halves are tried by themselves, and so on: whoever is alone
    /// in the end is refused, and nobody else is.
    fn part(&mut self, error: &StoreError, mut requests: Vec<Request>, mut replies: Vec<Reply>) {
        self.resolver = Resolver::default();
        let mut parts = vec![requests.len() / 2, requests.len().div_ceil(2)];
        if requests.len() == 1 {
            requests = requests.into_iter().filter_map(outcome::without_texts).collect();
            tracing::error!(%error, refused = requests.is_empty(), "a request cannot be stored as it is");
            if requests.is_empty() {
                for reply in replies.drain(..) {
                    let _ = reply.send(Err(Refused::Unwritable));
                }
            }
            parts = vec![requests.len()];
        }
        for asked in requests.into_iter().zip(replies).rev() {
            self.waiting.push_front(asked);
        }
        for part in parts.into_iter().rev().filter(|part| *part > 0) {
            self.parts.push_front(part);
        }
    }

    fn failed(&mut self, error: &StoreError, replies: Vec<Reply>, ctx: &mut Context<Self>) {
        tracing::error!(%error, "a commit to the journal failed; taking nothing until the store answers again");
        self.resolver = Resolver::default();
        let reason = error.told_outside().to_owned();
        self.board.set_trouble(Part::Journal, reason.clone());
        let rest = self.waiting.drain(..).map(|(_, reply)| reply);
        for reply in replies.into_iter().chain(rest) {
            let _ = reply.send(Err(Refused::Unavailable { reason: reason.clone() }));
        }
        self.parts.clear();
        self.pulses.clear();
        self.probe = Some(FIRST_PROBE);
        self.probe_later(ctx);
    }

    /// Looks where the journal ends: a commit whose answer was lost may have taken place. Only then is it safe to go on.
    fn probe_later(&mut self, ctx: &mut Context<Self>) {
        let Some(delay) = self.probe else { return };
        let (journal, head) = (self.journal.clone(), self.head);
        let look = async move {
            tokio::time::sleep(delay).await;
            // What failed once is not to be trusted: what counts is what can be read anew.
            journal.reopen().await?;
            let found = journal.head().await?;
            let mut missed = Vec::new();
            let mut after = head.offset;
            while after < found.offset {
                let entries = journal.read(after, GROUP_ENTRIES).await?;
                let Some(last) = entries.last() else { break };
                after = last.offset;
                missed.extend(entries);
            }
            Ok::<_, StoreError>((found, missed))
        };
        ctx.spawn(look.into_actor(self).map(move |found, actor, ctx| match found {
            Ok((head, missed)) => {
                tracing::info!(missed = missed.len(), "the store answers again");
                actor.head = head;
                actor.board.note_journal_time(head.received_at);
                actor.deal(missed);
                actor.probe = None;
                actor.board.end_trouble(Part::Journal);
                actor.begin(ctx);
            }
            Err(error) => {
                tracing::warn!(%error, "the store still does not answer");
                actor.probe = Some((delay * 2).min(LONGEST_PROBE));
                actor.probe_later(ctx);
            }
        }));
    }

    /// Hands entries to the shards that they concern, in order.
    fn deal(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            if let EntryBody::Deploy(deploy) = &entry.body
                && let Some(program) = self.board.program(&deploy.version)
            {
                self.board.put_in_force(program);
            }
            let entry = Arc::new(entry);
            match entry.target {
                Target::Profile(profile) => {
                    self.board.sent_to_shard(Amount::of_entry(&entry));
                    self.shards[usize::from(profile.shard().0)].backlog.push_back(Item::Entry(entry));
                }
                Target::Everyone => {
                    self.board.sent_to_shard(Amount::of(self.shards.len()));
                    self.board.add_sweeps(self.shards.len());
                    for link in &mut self.shards {
                        link.backlog.push_back(Item::Entry(entry.clone()));
                    }
                }
            }
        }
        self.flush();
    }

    /// Publishes that all later entries are received after `up_to`, to the shards to which that makes a difference.
    fn tell_time(&mut self, up_to: Timestamp) {
        self.watermark = self.watermark.max(up_to);
        let (up_to, head) = (self.watermark, self.head.offset);
        for (shard, link) in (0_u16..).map(ShardId).zip(&mut self.shards) {
            if self.board.is_due(shard, up_to) && self.board.begin_tick(shard) {
                self.board.sent_to_shard(Amount::of(1));
                link.backlog.push_back(Item::Tick { up_to, head });
            }
        }
        self.flush();
    }

    /// Sends what waits. `try_send` respects the mailbox's capacity; what it refuses stays here for the next time.
    fn flush(&mut self) {
        for link in self.shards.iter_mut().filter(|link| !link.backlog.is_empty()) {
            let items: Vec<Item> = link.backlog.drain(..).collect();
            match link.address.try_send(Feed(items)) {
                Ok(()) => {}
                Err(SendError::Full(Feed(items))) => link.backlog.extend(items),
                Err(SendError::Closed(_)) => {
                    tracing::error!("a shard has ended; restart the server to recover from the journal");
                    let reason = "a part of the server has ended; restart it".to_owned();
                    self.board.set_trouble(Part::Shards, reason);
                }
            }
        }
    }

    fn idle(&mut self) {
        self.flush();
        if self.is_open && !self.is_committing && self.waiting.is_empty() && self.probe.is_none() {
            self.tell_time(self.board.now());
        }
    }

    fn answer_pulses(&mut self) {
        if !self.pulses.is_empty() {
            self.idle();
        }
        for pulse in self.pulses.drain(..) {
            let _ = pulse.send(());
        }
    }
}

impl Actor for Sequencer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(IDLE, |actor, _| actor.idle());
        ctx.run_interval(CHECKPOINT, |actor, ctx| {
            actor.handle(Checkpoint, ctx);
        });
    }
}

impl Handler<Take> for Sequencer {
    type Result = ResponseFuture<Result<Accepted, Refused>>;

    fn handle(&mut self, Take(request): Take, ctx: &mut Self::Context) -> Self::Result {
        if self.probe.is_some() {
            let reason = self.board.trouble().unwrap_or_else(|| "the store does not answer".to_owned());
            return Box::pin(async move { Err(Refused::Unavailable { reason }) });
        }
        let (reply, answer) = oneshot::channel();
        self.waiting.push_back((request, reply));
        self.begin(ctx);
        Box::pin(async move { answer.await.unwrap_or(Err(Refused::Stopping)) })
    }
}

impl Handler<Replay> for Sequencer {
    type Result = ();

    fn handle(&mut self, Replay(entries): Replay, _: &mut Self::Context) {
        self.deal(entries);
    }
}

impl Handler<Open> for Sequencer {
    type Result = ();

    fn handle(&mut self, _: Open, _: &mut Self::Context) {
        self.is_open = true;
        self.idle();
    }
}

impl Handler<Pulse> for Sequencer {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Pulse, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        if self.probe.is_none() {
            self.pulses.push(reply);
            self.begin(ctx);
        }
        Box::pin(async move {
            let _ = answer.await;
        })
    }
}

impl Handler<Checkpoint> for Sequencer {
    type Result = ();

    fn handle(&mut self, _: Checkpoint, _: &mut Self::Context) {
        // Before that, the shards have not been handed all that the journal holds.
        if !self.is_open {
            return;
        }
        let head = self.head.offset;
        self.board.sent_to_shard(Amount::of(self.shards.len()));
        for link in &mut self.shards {
            link.backlog.push_back(Item::Checkpoint { head });
        }
        self.flush();
    }
}
