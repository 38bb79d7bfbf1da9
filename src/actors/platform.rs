//! The running platform: start-up, the handle that the doors hold, and the way down.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Event, Offset, ProfileId, Timestamp};
use crate::store::journal::Quarantined;
use crate::store::{Store, StoreError};
use crate::workspace::{Config, Program};

use super::Clock;

/// What a platform is started with.
#[derive(Debug)]
pub struct StartWith {
    pub program: Arc<Program>,
    pub config: Arc<Config>,
    pub store: Store,
    pub clock: Clock,
}

/// Why the platform does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Unusable(String),
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
#[derive(Debug, Clone)]
pub struct Platform {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    program: Arc<Program>,
    config: Arc<Config>,
    store: Store,
    clock: Clock,
}

impl Platform {
    /// Starts all actors inside the current actix `System`: recovers, replays under the stored program, then deploys a
    /// changed one. Returns when the platform can take events.
    pub async fn start(with: StartWith) -> Result<Self, StartError> {
        let StartWith { program, config, store, clock } = with;
        Ok(Self { inner: Arc::new(Inner { program, config, store, clock }) })
    }

    /// Takes events of a source. Returns after they are durable, or says that nothing of them was kept.
    pub async fn ingest(&self, _events: Vec<Event>, _quarantined: Vec<Quarantined>) -> Result<Accepted, Refused> {
        Err(Refused::Stopping)
    }

    /// Takes an event of the platform itself (a click, an unsubscription) for a known profile.
    pub async fn record(&self, _profile: ProfileId, _event: Event) -> Result<Accepted, Refused> {
        Err(Refused::Stopping)
    }

    /// Whether events are being taken; if not, why.
    pub fn ready(&self) -> Result<(), Refused> {
        Err(Refused::Stopping)
    }

    #[must_use]
    pub fn program(&self) -> Arc<Program> {
        self.inner.program.clone()
    }

    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.inner.config.clone()
    }

    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Waits until everything that was accepted is applied, wakes due by now are fired, and no effect is ready or being
    /// performed. Effects that wait for a later try do not count.
    pub async fn settle(&self) {}

    /// Takes nothing more, lets what was accepted be applied and saved, and ends the actors.
    pub async fn stop(&self) {}
}
