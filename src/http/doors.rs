//! What all doors share.

use std::sync::{Arc, PoisonError, RwLock};

use crate::actors::Platform;
use crate::intake::Intake;
use crate::store::Database;

use super::room::Room;

/// The platform, the database for reads, and intake prepared for its present program.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) platform: Platform,
    pub(super) database: Database,
    intake: RwLock<Arc<Intake>>,
    /// For bodies of those who may be anybody.
    pub(super) room: Room,
    /// Held by whoever tries again what is in the quarantine.
    pub(super) retrying: tokio::sync::Mutex<()>,
}

impl Doors {
    pub(super) fn new(platform: Platform, database: Database) -> Self {
        let intake = RwLock::new(Arc::new(Intake::new(platform.program())));
        let room = Room::new(platform.config().memory);
        Self { platform, database, intake, room, retrying: tokio::sync::Mutex::default() }
    }

    /// Intake under the program that runs now.
    pub(super) fn intake(&self) -> Arc<Intake> {
        let program = self.platform.program();
        let current = self.intake.read().unwrap_or_else(PoisonError::into_inner).clone();
        if Arc::ptr_eq(current.program(), &program) {
            return current;
        }
        let fresh = Arc::new(Intake::new(program));
        *self.intake.write().unwrap_or_else(PoisonError::into_inner) = fresh.clone();
        fresh
    }
}
