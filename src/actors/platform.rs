//! The running platform: the handle that the doors hold.

mod start;
mod stop;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;

use crate::model::weight::Weight;
use crate::model::{ConsentChange, Event, Offset, ProfileId, Timestamp};
use crate::privacy::links::Signer;
use crate::store::Store;
use crate::store::journal::Quarantined;
use crate::workspace::{Config, Program};

pub use self::start::{StartError, StartWith};
use super::Clock;
use super::board::Board;
use super::channel::ChannelActor;
use super::gauges::Reading;
use super::group::{Request, Retry};
use super::memory::Waiting;
use super::recovery::{self, Deployed};
use super::relay::RelayActor;
use super::schedules::SchedulesActor;
use super::sequencer::{Sequencer, Take};
use super::shard::Shard;
use super::state_writer::StateWriter;

/// Events that are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Of the last entry that the request made.
    pub offset: Offset,
    pub received_at: Timestamp,
}

/// Why events were not taken. Nothing of the request was kept; but for one that is [`Refused::Unwritable`] it may be sent
/// again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("too much is waiting to be applied; try again in {} seconds", retry_after.as_secs().max(1))]
    Busy { retry_after: Duration },
    #[error("events cannot be stored at the moment: {reason}")]
    Unavailable { reason: String },
    #[error(
        "something in it cannot be stored, so nothing of it was kept: look for very long texts and control characters, or \
         send its events one by one to find which it is"
    )]
    Unwritable,
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

/// When sources that met a full platform may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Platform {
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
        let bytes = bytes + quarantined.iter().map(Quarantined::held).sum::<usize>();
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

    /// Takes an event of the platform itself, such as a click, for a known profile. Where too much waits it is let go and
    /// counted: anybody can send any number of them.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn record(&self, profile: ProfileId, event: Event) -> Result<Accepted, Refused> {
        if self.inner.board.is_full() {
            self.inner.board.gauges.let_go();
            return Err(Refused::Busy { retry_after: RETRY_AFTER });
        }
        self.append(Request::Platform { events: vec![(profile, event)], outbox: Vec::new() }).await
    }

    /// Takes a person's word on consent. Once it is durable, what it withdraws stops also what is queued. The same by the same
    /// link, after which nothing else was said, changes nothing.
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
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").field("version", &self.inner.board.in_force().version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
