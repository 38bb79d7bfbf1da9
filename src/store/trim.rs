//! Letting go of what nobody keeps any longer.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::model::Timestamp;
use crate::model::limit::SHARDS;

use super::entity::{history, journal_block, skip};
use super::{Database, StoreError};

/// From when on things are kept; `None`: all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    pub journal: Option<Timestamp>,
    pub history: Option<Timestamp>,
}

/// Rows that go at once: the one writer is shared with those who wait for it.
const AT_ONCE: u64 = 500;

impl Database {
    /// Lets go of some of what is older than is kept, the oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn trim(&self, keep: Keep) -> Result<(), StoreError> {
        if let Some(since) = keep.journal {
            self.trim_journal(since).await?;
        }
        if let Some(since) = keep.history {
            self.trim_history(since).await?;
        }
        Ok(())
    }

    /// What a replay could still need stays: all that some shard has not saved. And the last block, which tells where
    /// the journal ends.
    async fn trim_journal(&self, since: Timestamp) -> Result<(), StoreError> {
        let reached = self.shards_reached().await?;
        if reached.len() < usize::from(SHARDS) {
            return Ok(());
        }
        let saved = reached.iter().map(|(_, reached)| reached.offset.0 as i64).min().unwrap_or_default();
        let end = self.journal_head().await?.offset.0 as i64;
        let oldest: Vec<(i64, i64, i64)> = journal_block::Entity::find()
            .select_only()
            .columns([journal_block::Column::FirstOffset, journal_block::Column::LastOffset])
            .column(journal_block::Column::ReceivedAt)
            .order_by_asc(journal_block::Column::FirstOffset)
            .limit(AT_ONCE)
            .into_tuple()
            .all(&self.read)
            .await?;
        let is_over = |(_, last, at): &&(i64, i64, i64)| *last <= saved && *last < end && *at < since.0;
        let Some((first, ..)) = oldest.iter().take_while(is_over).last() else { return Ok(()) };
        let over = journal_block::Column::FirstOffset.lte(*first);
        let transaction = self.begin().await?;
        journal_block::Entity::delete_many().filter(over).exec(&transaction).await?;
        // Whatever passes over something in what is gone has passed over it.
        skip::Entity::delete_many().filter(skip::Column::Place.lt(*first)).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Rows are in the order in which they were saved, which is about that of their last event.
    async fn trim_history(&self, since: Timestamp) -> Result<(), StoreError> {
        let oldest: Vec<(i64, i64)> = history::Entity::find()
            .select_only()
            .columns([history::Column::Id, history::Column::ReceivedAt])
            .order_by_asc(history::Column::Id)
            .limit(AT_ONCE)
            .into_tuple()
            .all(&self.read)
            .await?;
        let over: Vec<i64> = oldest.into_iter().filter(|(_, at)| *at < since.0).map(|(id, _)| id).collect();
        if !over.is_empty() {
            let transaction = self.begin().await?;
            history::Entity::delete_many().filter(history::Column::Id.is_in(over)).exec(&transaction).await?;
            transaction.commit().await?;
        }
        Ok(())
    }
}
