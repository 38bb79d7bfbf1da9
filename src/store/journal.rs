//! The journal: entries in blocks, one row a group commit, and everything that must stand or fall with them.

use std::collections::BTreeMap;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::engine::Skips;
use crate::model::{ConsentKey, Entry, EntryBody, Offset, ProfileId, Timestamp, packed};

use super::among;
use super::bulk::{Bulk, Conflict, row};
use super::denies;
use super::entity::{deploy, journal_block, relay, schedule_fired};
use super::erasure;
pub use super::erasure::Erasure;
use super::identity::{self, IdentityChange};
use super::outbox::{self, OutboxUpdate};
use super::quarantine;
pub use super::quarantine::{Mistake, Quarantined, Retried};
use super::skips;
use super::{Database, StoreError};

/// One group commit of the sequencer: all of it becomes durable, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Append {
    /// In order of offset, without gaps, all with the same `received_at`.
    pub entries: Vec<Entry>,
    pub identities: Vec<IdentityChange>,
    /// Withdrawals, as the claim of an effect reads them.
    pub denies: Vec<Deny>,
    pub outbox: Vec<OutboxUpdate>,
    /// Ids of relays that these entries carry out; their rows go.
    pub relayed: Vec<String>,
    /// Journey and the instant of its schedule that these entries fire.
    pub schedules_fired: Vec<(String, Timestamp)>,
    pub quarantined: Vec<Quarantined>,
    /// Of the quarantine: what was tried again, and goes with these entries or stays.
    pub retried: Retried,
    /// Of people who are to be forgotten.
    pub erasures: Vec<Erasure>,
}

/// Where the journal ends. Offset 0 and time [`Timestamp::MIN`] when it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalHead {
    pub offset: Offset,
    pub received_at: Timestamp,
}

/// A withdrawal as the claim of an effect sees it. It takes force with its entry, whatever clock the person's device has, and
/// holds until the profile says that it knows of it and its word is yes ([`Lifted`](crate::engine::transition::Lifted)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deny {
    pub profile: ProfileId,
    pub key: ConsentKey,
    pub entry: Offset,
}

impl Database {
    /// Makes a group commit durable in one transaction.
    ///
    /// # Errors
    /// The database failed: nothing of it is there.
    pub async fn append(&self, append: &Append) -> Result<(), StoreError> {
        let is_nobody_named = append.erasures.is_empty() && append.quarantined.is_empty();
        let secret = if is_nobody_named { Vec::new() } else { self.secret(erasure::SECRET).await? };
        let blocks = append.entries.chunks(BLOCK).map(|entries| {
            let (first, last) = (&entries[0], &entries[entries.len() - 1]);
            row![first.offset.0 as i64, last.offset.0 as i64, first.received_at.0, packed::pack(entries)]
        });
        // Packed before the transaction begins: while it lasts nobody else can write.
        let blocks = blocks.collect();
        let transaction = self.begin().await?;
        BLOCKS.write(&transaction, blocks).await?;
        for entry in &append.entries {
            if let EntryBody::Deploy(deployed) = &entry.body {
                let row =
                    deploy::ActiveModel { offset: Set(entry.offset.0 as i64), version: Set(deployed.version.clone()) };
                deploy::Entity::insert(row).exec_without_returning(&transaction).await?;
            }
        }
        skips::write(&transaction, Skips::of_journal(&append.entries).iter()).await?;
        // Before the merges, which hand them on: each is of whoever the person was at its entry.
        denies::write(&transaction, &append.denies).await?;
        identity::write(&transaction, &append.identities, &append.entries).await?;
        outbox::update(&transaction, &append.outbox).await?;
        among::delete(&transaction, &relay::Entity::delete_many(), relay::Column::Id, &append.relayed).await?;
        // One row a journey: a statement must not meet one key twice.
        let fired: BTreeMap<&str, Timestamp> =
            append.schedules_fired.iter().map(|(journey, at)| (journey.as_str(), *at)).collect();
        let fired = fired.into_iter().map(|(journey, at)| row![journey, at.0]).collect();
        SCHEDULES.write(&transaction, fired).await?;
        quarantine::write(&transaction, &secret, &append.quarantined).await?;
        quarantine::write_retried(&transaction, &append.retried).await?;
        for erased in &append.erasures {
            erasure::begin(&transaction, &secret, erased).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Where the journal ends.
    ///
    /// # Errors
    /// The database failed.
    pub async fn journal_head(&self) -> Result<JournalHead, StoreError> {
        let last: Option<(i64, i64)> = journal_block::Entity::find()
            .select_only()
            .columns([journal_block::Column::LastOffset, journal_block::Column::ReceivedAt])
            .order_by_desc(journal_block::Column::FirstOffset)
            .into_tuple()
            .one(&self.write)
            .await?;
        let (offset, received_at) = last.unwrap_or((0, Timestamp::MIN.0));
        Ok(JournalHead { offset: Offset(offset as u64), received_at: Timestamp(received_at) })
    }

    /// Entries after `after` in order, at least one block's worth if there is any, about `limit` at most.
    ///
    /// # Errors
    /// The database failed, or a block is damaged.
    pub async fn read_journal(&self, after: Offset, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut reached = after;
        while entries.len() < limit {
            let blocks = journal_block::Entity::find()
                .filter(journal_block::Column::LastOffset.gt(reached.0 as i64))
                .order_by_asc(journal_block::Column::FirstOffset)
                .limit(32)
                .all(&self.read)
                .await?;
            let is_end = blocks.is_empty();
            for block in blocks {
                reached = Offset(block.last_offset as u64);
                let read: Vec<Entry> = packed::unpack(&block.entries)
                    .map_err(|error| StoreError::Corrupt(format!("journal block {}: {error}", block.first_offset)))?;
                entries.extend(read.into_iter().filter(|entry| entry.offset > after));
                if entries.len() >= limit {
                    break;
                }
            }
            if is_end {
                break;
            }
        }
        Ok(entries)
    }

    /// Which program came into force with which entry, in order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn deploys(&self) -> Result<Vec<(Offset, String)>, StoreError> {
        let rows = deploy::Entity::find().order_by_asc(deploy::Column::Offset).all(&self.read).await?;
        Ok(rows.into_iter().map(|row| (Offset(row.offset as u64), row.version)).collect())
    }

    /// The last instant of each journey's schedule that was fired.
    ///
    /// # Errors
    /// The database failed.
    pub async fn schedules_fired(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let rows = schedule_fired::Entity::find().all(&self.read).await?;
        Ok(rows.into_iter().map(|row| (row.journey, Timestamp(row.at))).collect())
    }
}

/// Entries of one block: bounds what is read for one of them.
const BLOCK: usize = 1_024;

pub(super) const BLOCKS: Bulk = Bulk {
    table: "journal_block",
    columns: &["first_offset", "last_offset", "received_at", "entries"],
    // The same offsets again would be another history.
    conflict: Conflict::Clause(""),
};
const SCHEDULES: Bulk =
    Bulk { table: "schedule_fired", columns: &["journey", "at"], conflict: Conflict::Replace(&["journey"], &["at"]) };
