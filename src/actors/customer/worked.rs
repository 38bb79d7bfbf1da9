//! What comes of one batch for a customer: what is to be saved, and what the world is to hear.

use std::sync::Arc;

use crate::engine::transition::{Lifted, Relay};
use crate::engine::{Effect, Fact, MembershipChange};
use crate::model::weight::Weight;
use crate::model::{Entry, Offset, Timestamp};

use super::super::kept::Size;
use super::Poison;

/// What a batch changed.
#[derive(Debug, Default)]
pub(in crate::actors) struct Worked {
    pub(in crate::actors) changed: Changed,
    /// The state, where it must be saved at once, or where it was asked for.
    pub(in crate::actors) snapshot: Option<Vec<u8>>,
    pub(in crate::actors) wake: Option<Timestamp>,
    /// What the customer takes now.
    pub(in crate::actors) size: Size,
    pub(in crate::actors) effects: Vec<Effect>,
    pub(in crate::actors) lifted: Vec<Lifted>,
    pub(in crate::actors) relays: Vec<Relay>,
    pub(in crate::actors) told: Told,
    /// What could not be applied, twice, with the reason. Only of a careful batch.
    pub(in crate::actors) poison: Vec<Poison>,
}

impl Worked {
    /// How much the world is to hear.
    pub(in crate::actors) fn emitted(&self) -> usize {
        self.effects.len() + self.told.memberships.len() + self.told.facts.len()
    }
}

/// What changed the state first. The first of two is the lesser.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::actors) enum Changed {
    /// This entry, which the state before did not know.
    ByEntry(Offset),
    /// Time alone: what is saved tells when to do it again.
    ByTime,
    /// Nothing did.
    #[default]
    Not,
}

impl Changed {
    /// Where a replay begins to find the change again; `next` is the entry after all that was worked on.
    pub(in crate::actors) fn first(self, next: Offset) -> Offset {
        match self {
            Self::ByEntry(first) => first.min(next),
            Self::ByTime | Self::Not => next,
        }
    }
}

/// About what a change of a membership takes, or a fact: most of it is names.
const CHANGE: usize = 160;

/// What reports tell of a customer. It is saved together with the state that it belongs to, so that a crash in between
/// tells none of it twice.
#[derive(Debug, Default)]
pub(in crate::actors) struct Told {
    pub(in crate::actors) memberships: Vec<MembershipChange>,
    pub(in crate::actors) facts: Vec<Fact>,
    /// Entries whose event counted.
    pub(in crate::actors) counted: Vec<Arc<Entry>>,
}

impl Told {
    pub(in crate::actors) fn append(&mut self, later: Self) {
        self.memberships.extend(later.memberships);
        self.facts.extend(later.facts);
        self.counted.extend(later.counted);
    }

    pub(in crate::actors) fn is_empty(&self) -> bool {
        self.memberships.is_empty() && self.facts.is_empty() && self.counted.is_empty()
    }

    /// About how much memory it takes.
    pub(in crate::actors) fn bytes(&self) -> usize {
        (self.memberships.len() + self.facts.len()) * CHANGE + self.counted.iter().map(Weight::held).sum::<usize>()
    }
}
