//! The one writer of state: gathers what the shards hand it while a commit runs, and makes all of it durable in the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::model::{Span, Timestamp};
use crate::store::commit::Prepared;
use crate::store::state::ShardCommit;
use crate::store::{Keep, Store};
use crate::workspace::Retention;

use super::board::{Board, Part};
use super::channel::ChannelActor;
use super::relay::{Look, RelayActor};

const FIRST_RETRY: Duration = Duration::from_millis(100);
/// Weight of one transaction: the journal, which somebody waits for, shares the database's one writer with it.
const WEIGHT: usize = 32;
/// So many shards wait where the store is behind.
const MUCH: usize = 8;
/// Pause between two looks after the store.
const UPKEEP: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// Each shard has two commits under way at most.
const MAILBOX: usize = 4 * crate::model::limit::SHARDS as usize;

/// Asks to make a shard's batch durable. Answered after the commit, however long the store needs.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Save(pub(super) ShardCommit);

/// Whom to wake after a commit. Sent once, when start-up is over; what was committed before they find by themselves.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Wake {
    pub(super) channels: BTreeMap<String, Addr<ChannelActor>>,
    pub(super) relay: Addr<RelayActor>,
}

pub(super) struct StateWriter {
    store: Arc<dyn Store>,
    board: Arc<Board>,
    retention: Retention,
    waiting: Vec<Asked>,
    /// Worked out, perhaps while the one before is written.
    next: Option<Ready>,
    is_preparing: bool,
    is_committing: bool,
    is_looked_after: bool,
    wake: Option<Wake>,
}

/// A shard's commit, and whom to tell when it is done.
type Asked = (ShardCommit, oneshot::Sender<()>);

/// One transaction, and whom to tell when it is done.
struct Ready {
    commits: Prepared,
    replies: Vec<oneshot::Sender<()>>,
}

impl StateWriter {
    pub(super) fn new(store: Arc<dyn Store>, board: Arc<Board>, retention: Retention) -> Self {
        Self {
            store,
            board,
            retention,
            waiting: Vec::new(),
            next: None,
            is_preparing: false,
            is_committing: false,
            is_looked_after: false,
            wake: None,
        }
    }

    /// Begins what can be begun: to write what is ready, and to work out what comes after it.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        if !self.is_committing
            && let Some(ready) = self.next.take()
        {
            self.commit(ready, ctx);
        }
        // What is worked out ahead nothing overtakes: only where much waits is it worth that.
        let is_wanted = !self.is_committing || self.waiting.len() >= MUCH;
        if is_wanted && !self.is_preparing && self.next.is_none() && !self.waiting.is_empty() {
            self.prepare(ctx);
        }
    }

    fn prepare(&mut self, ctx: &mut Context<Self>) {
        self.is_preparing = true;
        let (commits, replies): (Vec<_>, Vec<_>) = self.gather().into_iter().unzip();
        let store = self.store.clone();
        let prepare = async move { store.prepare(commits).await };
        ctx.spawn(prepare.into_actor(self).map(|commits, actor, ctx| {
            actor.is_preparing = false;
            actor.next = Some(Ready { commits, replies });
            actor.go_on(ctx);
        }));
    }

    fn commit(&mut self, Ready { mut commits, replies }: Ready, ctx: &mut Context<Self>) {
        self.is_committing = true;
        let (store, board) = (self.store.clone(), self.board.clone());
        let commit = async move {
            commit_at_last(&*store, &board, &mut commits).await;
            board.gauges.committed(commits.commits(), board.clock.now());
            commits
        };
        ctx.spawn(commit.into_actor(self).map(move |commits, actor, ctx| {
            actor.is_committing = false;
            for reply in replies {
                let _ = reply.send(());
            }
            actor.wake(commits.commits());
            actor.go_on(ctx);
            // To let go of many events takes its time: the next is on its way before.
            actix::spawn(async move { drop(commits) });
        }));
    }

    /// What the next transaction takes: effects first, and no more than leaves the journal its turn. A shard has one
    /// commit of states under way at most, and one of effects, which may overtake it and is never overtaken by the next.
    fn gather(&mut self) -> Vec<Asked> {
        self.waiting.sort_by_key(|(commit, _)| !is_waited_for(commit));
        let (mut count, mut weight) = (0, 0);
        while count < self.waiting.len() && weight < WEIGHT {
            weight += weight_of(&self.waiting[count].0);
            count += 1;
        }
        self.waiting.drain(..count).collect()
    }

    /// One at a time: on a slow disk it may take longer than the pause.
    fn look_after(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.is_looked_after, true) {
            return;
        }
        let (store, now) = (self.store.clone(), self.board.now());
        let since = |span: Span| Timestamp(now.0.saturating_sub(span.0));
        let Retention { events, journal } = self.retention;
        // What is not kept by customer is not kept in the order of its coming either.
        let keep = Keep { history: events.map(since), journal: journal.into_iter().chain(events).min().map(since) };
        let upkeep = async move {
            if let Err(error) = store.upkeep(keep, now).await {
                tracing::warn!(%error, "the upkeep of the store failed; it is tried again");
            }
        };
        ctx.spawn(upkeep.into_actor(self).map(|(), actor, _| actor.is_looked_after = false));
    }

    fn wake(&self, commits: &[ShardCommit]) {
        let Some(wake) = &self.wake else { return };
        let effects = commits.iter().flat_map(|commit| &commit.effects);
        let destinations: BTreeSet<&str> = effects.map(|effect| effect.destination.as_str()).collect();
        for destination in destinations {
            match wake.channels.get(destination) {
                // A full mailbox holds a wake-up already, and the channel looks by itself now and then.
                Some(channel) => drop(channel.try_send(super::channel::Look)),
                None => tracing::warn!(destination, "effects wait for a channel that tidewater.yaml does not name"),
            }
        }
        if commits.iter().any(|commit| !commit.relays.is_empty()) {
            drop(wake.relay.try_send(Look));
        }
    }
}

/// Whether something outside waits for it.
fn is_waited_for(commit: &ShardCommit) -> bool {
    !(commit.effects.is_empty() && commit.lifted.is_empty() && commit.relays.is_empty())
}

/// About what it costs to write, in profiles.
fn weight_of(commit: &ShardCommit) -> usize {
    let rows = commit.memberships.len()
        + commit.effects.len()
        + commit.lifted.len()
        + commit.facts.len()
        + commit.history.len();
    1 + commit.profiles.len() + rows / 8
}

/// Commits, and again after a failure until it succeeds: what the shards hold in memory is right, so there is nothing
/// else to do. Meanwhile nothing new is taken from sources.
async fn commit_at_last(store: &dyn Store, board: &Board, commits: &mut Prepared) {
    let mut delay = FIRST_RETRY;
    while let Err(error) = store.commit(commits).await {
        tracing::error!(%error, "state could not be saved; trying again");
        board.set_trouble(Part::State, error.told_outside().to_owned());
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(LONGEST_RETRY);
    }
    board.end_trouble(Part::State);
}

impl Actor for StateWriter {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(UPKEEP, Self::look_after);
    }
}

impl Handler<Save> for StateWriter {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Save(commit): Save, ctx: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        self.waiting.push((commit, reply));
        self.go_on(ctx);
        Box::pin(async move {
            // The writer outlives the shards: no answer means that the whole process goes down, and nothing may follow.
            if answer.await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

impl Handler<Wake> for StateWriter {
    type Result = ();

    fn handle(&mut self, wake: Wake, _: &mut Self::Context) {
        self.wake = Some(wake);
    }
}
