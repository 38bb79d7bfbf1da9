//! The rows that are a person's own.

use sea_orm::{ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use crate::engine::{snapshot, tombstone};
use crate::model::ProfileId;

use super::super::among;
use super::super::entity::{
    deny, erasure, history, journey_run, journey_step, membership, merged_profile, outbox, profile,
};
use super::super::erasure::{Removed, drop_waiting};
use super::super::error::parse_id;
use super::super::outbox::{OutboxStatus, read_effect};
use super::super::{Database, StoreError};
use super::{Erasing, Stage};

impl Database {
    /// Removes the rows of a person of whom all is saved. False where something is not saved yet.
    pub(super) async fn remove_rows(&self, erasing: &Erasing) -> Result<bool, StoreError> {
        let profiles = self.profiles_of(&[erasing]).await?;
        let lineage: Vec<ProfileId> = profiles.iter().map(|id| parse_id(id)).collect::<Result<_, _>>()?;
        let mut gone = 0;
        for saved in self.load_profiles(&lineage).await? {
            gone += usize::from(match snapshot::decode(&saved.snapshot) {
                Ok(profile) => profile.is_erased(),
                Err(_) => self.bury(erasing, lineage.len(), saved.id).await?,
            });
        }
        if gone < lineage.len() {
            return Ok(false);
        }
        let until = self.journal_head().await?.offset.0 as i64;
        let transaction = self.begin().await?;
        let mut removed = erasing.removed.clone();
        remove_all(&transaction, &profiles, &mut removed).await?;
        let stage = Stage::Quarantine { after: String::new() };
        let next = erasure::ActiveModel { until: Set(until), trouble: Set(None), ..erasing.reached(&stage, &removed)? };
        erasure::Entity::update(next).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Writes the tombstone of a profile whose saved state is damaged, once its shard has found that it cannot take the erasure
    /// in: nobody lives by that state, and nobody will save another. False before that.
    async fn bury(&self, erasing: &Erasing, people: usize, profile: ProfileId) -> Result<bool, StoreError> {
        // Each of them has an entry of the erasure, the last of which is what it is known by.
        let entries = erasing.entry - people as i64 + 1..=erasing.entry;
        let Some(entry) = self.skipped_among(profile, entries).await? else { return Ok(false) };
        tracing::warn!(%profile, "the saved state of somebody who was erased is damaged; it is removed as it is");
        let buried = snapshot::encode(&tombstone(profile, entry, erasing.at));
        let transaction = self.begin().await?;
        let row = profile::ActiveModel {
            id: Set(profile.to_string()),
            snapshot: Set(buried),
            wake: Set(None),
            ..Default::default()
        };
        profile::Entity::update(row).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Removes the last effects, once nothing is on its way. False where something is.
    pub(super) async fn remove_effects(&self, erasing: &Erasing) -> Result<bool, StoreError> {
        let profiles = self.profiles_of(&[erasing]).await?;
        let under_way = outbox::Column::Status.is_in([OutboxStatus::Ready.as_str(), OutboxStatus::Taken.as_str()]);
        let waiting = outbox::Entity::find().filter(under_way);
        let waiting = among::find(&self.read, &waiting, outbox::Column::Profile, &profiles).await?;
        let is_removal = |row: &outbox::Model| read_effect(row).is_ok_and(|effect| effect.body.is_removal());
        if waiting.iter().any(|row| row.status == OutboxStatus::Taken.as_str() || is_removal(row)) {
            return Ok(false);
        }
        let transaction = self.begin().await?;
        let mut removed = erasing.removed.clone();
        // What was under way, and would be tried again.
        removed.add("outbox", drop_waiting(&transaction, &profiles).await?);
        let all = outbox::Entity::delete_many();
        removed.add("outbox", among::delete(&transaction, &all, outbox::Column::Profile, &profiles).await?);
        let next = erasing.reached(&Stage::File { is_packed: false }, &removed)?;
        erasure::Entity::update(next).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Everything in tables that name the profile. Its tombstone stays, and what is still on its way.
async fn remove_all(
    transaction: &DatabaseTransaction,
    profiles: &[String],
    removed: &mut Removed,
) -> Result<(), StoreError> {
    let runs = among::find(transaction, &journey_run::Entity::find(), journey_run::Column::Profile, profiles).await?;
    let runs: Vec<String> = runs.into_iter().map(|row| row.run).collect();
    removed.add(
        "journey_step",
        among::delete(transaction, &journey_step::Entity::delete_many(), journey_step::Column::Run, &runs).await?,
    );
    removed.add(
        "journey_run",
        among::delete(transaction, &journey_run::Entity::delete_many(), journey_run::Column::Profile, profiles).await?,
    );
    removed.add(
        "membership",
        among::delete(transaction, &membership::Entity::delete_many(), membership::Column::Profile, profiles).await?,
    );
    removed.add(
        "history",
        among::delete(transaction, &history::Entity::delete_many(), history::Column::Profile, profiles).await?,
    );
    removed
        .add("deny", among::delete(transaction, &deny::Entity::delete_many(), deny::Column::Profile, profiles).await?);
    removed.add(
        "merged_profile",
        among::delete(transaction, &merged_profile::Entity::delete_many(), merged_profile::Column::Loser, profiles)
            .await?,
    );
    // What the state writer had under way when the rest of the outbox went.
    removed.add("outbox", drop_waiting(transaction, profiles).await?);
    let under_way = [OutboxStatus::Ready.as_str(), OutboxStatus::Taken.as_str()];
    let over = outbox::Entity::delete_many().filter(outbox::Column::Status.is_not_in(under_way));
    removed.add("outbox", among::delete(transaction, &over, outbox::Column::Profile, profiles).await?);
    removed.add("profile", profiles.len() as u64);
    Ok(())
}
