//! How a platform starts: recovery, the actors one after the other, and then the doors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use actix::prelude::*;

use crate::engine::Engine;
use crate::privacy::links::Signer;
use crate::store::outbox::OutboxStatus;
use crate::store::{Backing, Store, StoreError};
use crate::workspace::{Config, Program};

use super::super::Clock;
use super::super::board::Board;
use super::super::carrier::{self, Carrier};
use super::super::channel::ChannelActor;
use super::super::recovery::{self, Left};
use super::super::relay::RelayActor;
use super::super::schedules::SchedulesActor;
use super::super::sequencer::{Open, Sequencer};
use super::super::state_writer::{StateWriter, Wake};
use super::super::threads::{Placement, Threads};
use super::{Inner, Platform, Refused};

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
    /// Entries that may wait before sources are asked to come back later: [`crate::actors::WAITING_LIMIT`], except in a test of
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
    /// Nothing can be made durable now; the same may come again.
    #[error("{0}")]
    Refused(#[from] Refused),
}

/// What to do about it, where the store itself cannot say.
fn advice(error: &StoreError) -> &'static str {
    match error {
        StoreError::Corrupt(_) => {
            ". Nothing is skipped, as it would be lost without a word: look after the disk, and restore the last backup of \
             the database"
        }
        StoreError::Database(_) | StoreError::Statement(_) | StoreError::Unusable(_) | StoreError::Superseded => "",
    }
}

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
        let channels = start_channels(&threads, carriers, &store, &board, &sequencer);
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
}

/// Starts an actor for each destination. By its name.
fn start_channels(
    threads: &Threads,
    carriers: BTreeMap<String, Arc<dyn Carrier>>,
    store: &Arc<dyn Store>,
    board: &Arc<Board>,
    sequencer: &Addr<Sequencer>,
) -> BTreeMap<String, Addr<ChannelActor>> {
    let start = |(name, carrier): (String, Arc<dyn Carrier>)| {
        let (store, board, sequencer) = (store.clone(), board.clone(), sequencer.clone());
        let actor_name = name.clone();
        let address = ChannelActor::start_in_arbiter(&threads.channels, move |_| {
            ChannelActor::new(actor_name, carrier, store, board, sequencer)
        });
        (name, address)
    };
    carriers.into_iter().map(start).collect()
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
