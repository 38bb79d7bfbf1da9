//! The running platform: start-up, the handle that the doors hold, and the way down.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::join_all;

use crate::engine::Engine;
use crate::model::weight::Weight;
use crate::model::{ConsentChange, Event, Offset, ProfileId, Timestamp};
use crate::privacy::links::Signer;
use crate::store::journal::Quarantined;
use crate::store::outbox::OutboxStatus;
use crate::store::{Backing, Store, StoreError};
use crate::workspace::{Config, Program};

use super::Clock;
use super::board::Board;
use super::carrier::{self, Carrier};
use super::channel::{self, ChannelActor};
use super::gauges::Reading;
use super::group::{Request, Retry};
use super::memory::Waiting;
use super::recovery::{self, Deployed, Left};
use super::relay::{self, RelayActor};
use super::schedules::{self, SchedulesActor};
use super::sequencer::{Checkpoint, Open, Pulse, Sequencer, Take};
use super::shard::{Flush, Shard};
use super::state_writer::{StateWriter, Wake};
use super::threads::{Halt, Placement, Threads};

/// What a platform is started with.
#[derive(Debug)]
pub struct StartWith {
    pub program: Arc<Program>,
    pub config: Arc<Config>,
    pub backing: Backing,
    pub clock: Clock,
    pub placement: Placement,
    /// What decides: [`crate::engine::Sound`], except in a test of what becomes of its faults.
    pub engine: Arc<dyn Engine>,
    /// Entries that may wait before sources are asked to come back later: [`super::WAITING_LIMIT`], except in a test of
    /// what becomes of a platform that is full.
    pub waiting_limit: usize,
}

/// Why the platform does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}{advice}", advice = advice(.0))]
    Store(#[from] StoreError),
    #[error("{0}")]
    Unusable(String),
}

/// What to do about it, where the store itself cannot say.
fn advice(error: &StoreError) -> &'static str {
    match error {
        StoreError::Corrupt(_) => {
            ". Nothing is skipped, as it would be lost without a word: look after the disk, and restore the last backup of \
             the database"
        }
        StoreError::Database(_) | StoreError::Unusable(_) | StoreError::Superseded => "",
    }
}

/// Events that are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Of the last entry that the request made.
    pub offset: Offset,
    pub received_at: Timestamp,
}

/// Why events were not taken. Nothing of the request was kept; it may be sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("too much is waiting to be applied; try again in {} seconds", retry_after.as_secs().max(1))]
    Busy { retry_after: Duration },
    #[error("events cannot be stored at the moment: {reason}")]
    Unavailable { reason: String },
    #[error("the server is stopping")]
    Stopping,
}

/// The handle to a running platform; cheap to clone, usable from every thread.
#[derive(Clone)]
pub struct Platform {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    config: Arc<Config>,
    links: Arc<Signer>,
    board: Arc<Board>,
    sequencer: Addr<Sequencer>,
    shards: Vec<Addr<Shard>>,
    writer: Addr<StateWriter>,
    relay: Addr<RelayActor>,
    schedules: Addr<SchedulesActor>,
    channels: BTreeMap<String, Addr<ChannelActor>>,
    arbiters: Mutex<Vec<Arbiter>>,
    deploying: tokio::sync::Mutex<()>,
}

/// How long a stop waits for what is under way.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// How long actors may take to let go of what they hold.
const HALT_WITHIN: Duration = Duration::from_secs(5);
/// When sources that met a full platform may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Platform {
    /// Starts all actors inside the current actix `System`: recovers, replays under the stored program, then deploys a
    /// changed one. Returns when the platform can take events.
    ///
    /// # Errors
    /// The store does not answer, or what it holds cannot be read by this program.
    pub async fn start(with: StartWith) -> Result<Self, StartError> {
        let links = signer(&with).await?;
        let carriers = carrier::from_config(&with.config, &links).map_err(StartError::Unusable)?;
        Self::start_carrying(with, links, carriers).await
    }

    /// Like [`Self::start`], with the channels given.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(with: StartWith, carriers: BTreeMap<String, Arc<dyn Carrier>>) -> Result<Self, StartError> {
        let links = signer(&with).await?;
        Self::start_carrying(with, links, carriers).await
    }

    async fn start_carrying(
        with: StartWith,
        links: Arc<Signer>,
        carriers: BTreeMap<String, Arc<dyn Carrier>>,
    ) -> Result<Self, StartError> {
        let StartWith { program, config, backing, clock, placement, engine, waiting_limit } = with;
        let Backing { journal, store } = backing.clone();
        let board = Arc::new(Board::new(clock, program.clone(), config.memory, waiting_limit));
        let left = Left::read(&backing, &board, &program).await?;
        let threads = Threads::start(placement);
        let writer = StateWriter::start_in_arbiter(&threads.writer, {
            let (store, board) = (store.clone(), board.clone());
            let retention = config.retention;
            move |_| StateWriter::new(store, board, retention)
        });
        let shards = threads.start_shards(&backing, &engine, &board, &writer, &left);
        let sequencer = Sequencer::start_in_arbiter(&threads.sequencer, {
            let (journal, board, shards) = (journal.clone(), board.clone(), shards.clone());
            let (head, time) = (left.head, left.time());
            move |_| Sequencer::new(journal, board, shards, head, time)
        });
        recovery::replay(&backing, &board, &sequencer, &left).await?;
        recovery::deploy(&*store, &board, &sequencer, &program, left.in_force.as_deref()).await?;
        recovery::until(|| board.waiting() == 0).await;
        warn_of_the_stranded(&*store, &carriers).await?;
        let ended = |_| StartError::Unusable("an actor ended while starting".to_owned());
        sequencer.send(Open).await.map_err(ended)?;
        let relay = RelayActor::start_in_arbiter(&threads.channels, {
            let (store, sequencer) = (store.clone(), sequencer.clone());
            move |_| RelayActor::new(store, sequencer)
        });
        let schedules = SchedulesActor::start_in_arbiter(&threads.channels, {
            let (backing, board, sequencer) = (backing.clone(), board.clone(), sequencer.clone());
            move |_| SchedulesActor::new(backing, board, sequencer)
        });
        let channels: BTreeMap<String, Addr<ChannelActor>> = carriers
            .into_iter()
            .map(|(name, carrier)| {
                let (store, board, sequencer) = (store.clone(), board.clone(), sequencer.clone());
                let actor_name = name.clone();
                let address = ChannelActor::start_in_arbiter(&threads.channels, move |_| {
                    ChannelActor::new(actor_name, carrier, store, board, sequencer)
                });
                (name, address)
            })
            .collect();
        writer.send(Wake { channels: channels.clone(), relay: relay.clone() }).await.map_err(ended)?;
        let arbiters = Mutex::new(threads.arbiters);
        let inner = Inner {
            store,
            config,
            links,
            board,
            sequencer,
            shards,
            writer,
            relay,
            schedules,
            channels,
            arbiters,
            deploying: tokio::sync::Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Takes events of a source. Returns after they are durable, or says that nothing of them was kept.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn ingest(&self, events: Vec<Event>, quarantined: Vec<Quarantined>) -> Result<Accepted, Refused> {
        if let Some(reason) = self.inner.board.trouble() {
            return Err(Refused::Unavailable { reason });
        }
        if self.inner.board.is_full() {
            return Err(Refused::Busy { retry_after: RETRY_AFTER });
        }
        let bytes = events.capacity() * size_of::<Event>() + events.iter().map(Weight::held).sum::<usize>();
        let _waiting = Waiting::new(&self.inner.board.memory, bytes);
        self.append(Request::Source { events, quarantined }).await
    }

    /// Takes what is tried again out of the quarantine. Its rows change together with the entries that it makes.
    ///
    /// # Errors
    /// See [`Refused`]: nothing changed, unless the answer of the store was lost.
    pub async fn retry(&self, retry: Retry) -> Result<Accepted, Refused> {
        self.ready()?;
        self.append(Request::Retry(retry)).await
    }

    /// Takes an event of the platform itself, such as a click, for a known profile.
    ///
    /// # Errors
    /// See [`Refused`]; never busy.
    pub async fn record(&self, profile: ProfileId, event: Event) -> Result<Accepted, Refused> {
        self.append(Request::Platform { events: vec![(profile, event)], outbox: Vec::new() }).await
    }

    /// Takes a person's word on consent. Once it is durable, what it withdraws stops also what is queued.
    ///
    /// # Errors
    /// See [`Refused`]; never busy: a withdrawal is always taken.
    pub async fn consent(&self, profile: ProfileId, change: ConsentChange) -> Result<Accepted, Refused> {
        self.append(Request::Consent(profile, change)).await
    }

    /// Forgets a person, for good where they are `is_suppressed`. Once it is durable nothing is sent to them any more, and
    /// their identifiers are nobody's; the offset is that of the erasure, which the store then carries out.
    ///
    /// # Errors
    /// See [`Refused`]; never busy.
    pub async fn erase(&self, profile: ProfileId, is_suppressed: bool) -> Result<Accepted, Refused> {
        self.append(Request::Erase { profile, is_suppressed }).await
    }

    async fn append(&self, request: Request) -> Result<Accepted, Refused> {
        if self.inner.board.is_stopping() {
            return Err(Refused::Stopping);
        }
        self.inner.sequencer.send(Take(request)).await.unwrap_or(Err(Refused::Stopping))
    }

    /// Whether events are being taken; if not, why.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn ready(&self) -> Result<(), Refused> {
        if self.inner.board.is_stopping() || !self.inner.sequencer.connected() {
            return Err(Refused::Stopping);
        }
        if let Some(reason) = self.inner.board.trouble() {
            return Err(Refused::Unavailable { reason });
        }
        if self.inner.board.is_full() {
            return Err(Refused::Busy { retry_after: RETRY_AFTER });
        }
        Ok(())
    }

    /// The program that was deployed last.
    #[must_use]
    pub fn program(&self) -> Arc<Program> {
        self.inner.board.in_force()
    }

    /// Puts another program in force, from one entry of the journal on, while everything goes on. Customers take it in
    /// one after the other, each before whatever comes for it next; see [`Self::sweeps`].
    ///
    /// # Errors
    /// The program needs a channel that this server does not have, or nothing can be stored: the old one stays.
    pub async fn deploy(&self, program: &Arc<Program>) -> Result<Deployed, StartError> {
        let inner = &self.inner;
        let missing = program.destinations().into_iter().find(|name| !inner.channels.contains_key(*name));
        if let Some(name) = missing {
            let message = format!("the server has no channel `{name}`: add it to its tidewater.yaml and start it anew");
            return Err(StartError::Unusable(message));
        }
        // One deploy compares itself with the one before.
        let _turn = inner.deploying.lock().await;
        let before = self.program();
        recovery::deploy(&*inner.store, &inner.board, &inner.sequencer, program, Some(&before.version)).await
    }

    /// What the platform counts of itself.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let board = &self.inner.board;
        board.gauges.read(board.waiting(), board.sweeps(), board.memory.read())
    }

    /// Walks of shards over their customers, for deploys and schedules, that are still under way.
    #[must_use]
    pub fn sweeps(&self) -> usize {
        self.inner.board.sweeps()
    }

    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.inner.config.clone()
    }

    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.board.clock
    }

    /// The present for what comes in, never before what the journal holds: after the machine's clock was set back, an
    /// event without a time of its own is not late.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.board.now()
    }

    /// Signs and checks the links in mail.
    #[must_use]
    pub fn links(&self) -> &Arc<Signer> {
        &self.inner.links
    }

    /// Waits until everything that was accepted is applied, wakes and schedules due by now are fired, and no effect is
    /// ready or being performed. Effects that wait for a later try do not count.
    pub async fn settle(&self) {
        while !self.inner.board.is_stopping() {
            if self.settle_once().await == 0 && !self.inner.board.is_any_due(self.inner.board.now()) {
                return;
            }
        }
    }

    /// Goes once round all who may have something to do. Returns how much that was.
    async fn settle_once(&self) -> usize {
        let inner = &self.inner;
        let commits = inner.board.gauges.commits();
        let mut found = inner.schedules.send(schedules::Settle).await.unwrap_or(0);
        let _ = inner.sequencer.send(Pulse).await;
        found += inner.board.waiting();
        recovery::until(|| inner.board.waiting() == 0).await;
        found += inner.relay.send(relay::Settle).await.unwrap_or(0);
        for channel in inner.channels.values() {
            found += channel.send(channel::Settle).await.unwrap_or(0);
        }
        recovery::until(|| inner.board.sweeps() == 0).await;
        self.flush().await;
        // What was saved only now the channels have not seen.
        let saved = inner.board.gauges.commits() - commits;
        found + saved as usize + inner.board.waiting() + inner.board.sweeps()
    }

    /// Waits until the state of everyone who changed is saved.
    async fn flush(&self) {
        // A shard that has ended has nothing more to save.
        join_all(self.inner.shards.iter().map(|shard| shard.send(Flush))).await;
    }

    /// Takes nothing more, lets what was accepted be applied and saved, and ends the actors. What does not end in time is
    /// in the journal and the outbox, and taken up by the next start.
    pub async fn stop(&self) {
        let inner = &self.inner;
        inner.board.stop();
        let drain = async {
            for channel in inner.channels.values() {
                let _ = channel.send(channel::Settle).await;
            }
            let _ = inner.sequencer.send(Pulse).await;
            recovery::until(|| inner.board.waiting() == 0).await;
            let _ = inner.sequencer.send(Checkpoint).await;
            recovery::until(|| inner.board.waiting() == 0).await;
            self.flush().await;
        };
        if tokio::time::timeout(STOP_WITHIN, drain).await.is_err() {
            tracing::warn!("stopping with work left; the next start takes it up");
        }
        self.abort().await;
    }

    /// Ends all actors at once, without saving: what a crash does. What was accepted is in the journal.
    pub async fn abort(&self) {
        self.inner.board.stop();
        if tokio::time::timeout(HALT_WITHIN, self.halt()).await.is_err() {
            tracing::warn!("an actor does not end; ending its thread");
        }
        let arbiters = std::mem::take(&mut *self.inner.arbiters.lock().unwrap_or_else(PoisonError::into_inner));
        for arbiter in &arbiters {
            arbiter.stop();
        }
        let join = move || arbiters.into_iter().for_each(|arbiter| drop(arbiter.join()));
        // A thread that panicked has ended as well.
        let _ = actix_rt::task::spawn_blocking(join).await;
    }
}

/// What signs the links in mail: its secret is made once and kept in the store.
async fn signer(with: &StartWith) -> Result<Arc<Signer>, StartError> {
    let secret = with.backing.store.secret("links").await?;
    Ok(Arc::new(Signer::new(&secret, &with.config.public_url)))
}

/// Effects for a channel that the settings do not name any more stay where they are, and somebody should know.
async fn warn_of_the_stranded(
    store: &dyn Store,
    carriers: &BTreeMap<String, Arc<dyn Carrier>>,
) -> Result<(), StartError> {
    let waiting = store.outbox(Some(OutboxStatus::Ready), 1_000).await?;
    let stranded: BTreeSet<String> = waiting.into_iter().map(|item| item.effect.destination).collect();
    for destination in stranded.iter().filter(|name| !carriers.contains_key(*name)) {
        tracing::warn!(destination, "effects wait for a channel that tidewater.yaml does not name");
    }
    Ok(())
}

impl Platform {
    async fn halt(&self) {
        let inner = &self.inner;
        // Whoever has ended already has nothing to let go of.
        let _ = inner.sequencer.send(Halt).await;
        let _ = inner.schedules.send(Halt).await;
        let _ = inner.relay.send(Halt).await;
        join_all(inner.channels.values().map(|channel| channel.send(Halt))).await;
        join_all(inner.shards.iter().map(|shard| shard.send(Halt))).await;
        let _ = inner.writer.send(Halt).await;
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").field("version", &self.inner.board.in_force().version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
