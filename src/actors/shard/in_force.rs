//! What is in force at a shard's place in the journal: the program, what is passed over, and what concerns everyone.

use std::sync::Arc;

use crate::engine::skip::Skip;
use crate::engine::{Engine, Skips};
use crate::model::{Entry, EntryBody, Offset, ProfileId};
use crate::workspace::Program;

use super::super::board::Board;
use super::super::broadcast::{Broadcast, Broadcasts};
use super::super::customer::Terms;

pub(super) struct InForce {
    engine: Arc<dyn Engine>,
    /// What a replay has to pass over, at a start or after a failure.
    skips: Arc<Skips>,
    program: Arc<Program>,
    pub(super) broadcasts: Broadcasts,
}

impl InForce {
    pub(super) fn new(engine: Arc<dyn Engine>, skips: Arc<Skips>, program: Arc<Program>) -> Self {
        Self { engine, skips, program, broadcasts: Broadcasts::default() }
    }

    /// What the customers of the next batch are asked under.
    pub(super) fn terms(&self, is_careful: bool) -> Terms {
        Terms {
            engine: self.engine.clone(),
            skips: self.skips.clone(),
            program: self.program.clone(),
            broadcasts: self.broadcasts.active(),
            is_careful,
        }
    }

    /// Switches to the program that an entry deploys.
    pub(super) fn take_up(&mut self, entry: &Entry, board: &Board) {
        let EntryBody::Deploy(deploy) = &entry.body else { return };
        match board.program(&deploy.version) {
            Some(program) => self.program = program,
            None => tracing::error!(version = deploy.version, "a program in the journal is not known; keeping the old"),
        }
    }

    /// An entry for everyone comes; `unsaved` are the profiles that the store may not know.
    pub(super) fn begin(&mut self, entry: Arc<Entry>, board: &Board, unsaved: Vec<ProfileId>) {
        let before = matches!(entry.body, EntryBody::Deploy(_)).then(|| self.program.clone());
        self.take_up(&entry, board);
        self.broadcasts.begin(Broadcast { entry, program: self.program.clone(), before }, unsaved);
    }

    /// Passes over this from now on. A replay begins `after` this entry at the earliest.
    pub(super) fn pass_over(&mut self, skip: Skip, after: Offset) {
        let skips = Arc::make_mut(&mut self.skips);
        skips.forget(after);
        skips.add(skip);
    }
}
