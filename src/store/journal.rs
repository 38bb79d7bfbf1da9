//! The journal: entries in blocks, one row a group commit, and everything that must stand or fall with them.

use crate::model::{ConsentKey, Entry, Offset, ProfileId, Timestamp};

use super::identity::IdentityChange;
use super::outbox::OutboxUpdate;
use super::{Store, StoreError};

/// One group commit of the sequencer: all of it becomes durable, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Append {
    /// In order of offset, without gaps, all with the same `received_at`.
    pub entries: Vec<Entry>,
    pub identities: Vec<IdentityChange>,
    /// Withdrawals (and their reversal) that the claim of an effect reads.
    pub denies: Vec<Deny>,
    pub outbox: Vec<OutboxUpdate>,
    /// Ids of relays that these entries carry out; their rows go.
    pub relayed: Vec<String>,
    /// Journey and the instant of its schedule that these entries fire.
    pub schedules_fired: Vec<(String, Timestamp)>,
    pub quarantined: Vec<Quarantined>,
}

/// Where the journal ends. Offset 0 and time [`Timestamp::MIN`] when it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalHead {
    pub offset: Offset,
    pub received_at: Timestamp,
}

/// A profile's consent as the claim of an effect sees it: present while withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deny {
    pub profile: ProfileId,
    pub key: ConsentKey,
    pub denied: bool,
    pub at: Timestamp,
}

/// What was refused at the door but could be read: kept with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    pub source: String,
    pub received_at: Timestamp,
    /// A short stable word: `invalid`, `forbidden_event`, `poison`, …
    pub code: String,
    /// For people: what is wrong and where.
    pub reason: String,
    /// The event as it came, as JSON.
    pub payload: String,
}

impl Store {
    /// Makes a group commit durable in one transaction.
    pub async fn append(&self, _append: &Append) -> Result<(), StoreError> {
        unimplemented!()
    }

    pub async fn journal_head(&self) -> Result<JournalHead, StoreError> {
        unimplemented!()
    }

    /// Entries after `after` in order, at least one block's worth if there is any, about `limit` at most.
    pub async fn read_journal(&self, _after: Offset, _limit: usize) -> Result<Vec<Entry>, StoreError> {
        unimplemented!()
    }

    /// The last instant of each journey's schedule that was fired.
    pub async fn schedules_fired(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        unimplemented!()
    }
}
