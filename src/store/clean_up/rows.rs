//! The rows that are a person's own.

use sea_orm::sea_query::ExprTrait;
use sea_orm::{ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect, QueryTrait};

use crate::engine::snapshot;
use crate::model::ProfileId;

use super::super::entity::{deny, erasure, history, journey_run, journey_step, membership, merged_profile, outbox};
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
        let saved = self.load_profiles(&lineage).await?;
        let is_erased = |snapshot: &[u8]| snapshot::decode(snapshot).is_ok_and(|profile| profile.is_erased());
        if saved.len() < lineage.len() || !saved.iter().all(|saved| is_erased(&saved.snapshot)) {
            return Ok(false);
        }
        let until = self.journal_head().await?.offset.0 as i64;
        let transaction = self.begin().await?;
        let mut removed = erasing.removed.clone();
        remove_all(&transaction, &profiles, &mut removed).await?;
        let stage = Stage::Quarantine { after: String::new() };
        let next = erasure::ActiveModel { until: Set(until), ..erasing.reached(&stage, &removed)? };
        erasure::Entity::update(next).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Removes the last effects, once nothing is on its way. False where something is.
    pub(super) async fn remove_effects(&self, erasing: &Erasing) -> Result<bool, StoreError> {
        let profiles = self.profiles_of(&[erasing]).await?;
        let own = outbox::Column::Profile.is_in(&profiles);
        let under_way = outbox::Column::Status.is_in([OutboxStatus::Ready.as_str(), OutboxStatus::Taken.as_str()]);
        let waiting = outbox::Entity::find().filter(own.clone().and(under_way)).all(&self.read).await?;
        let is_removal = |row: &outbox::Model| read_effect(row).is_ok_and(|effect| effect.body.is_removal());
        if waiting.iter().any(|row| row.status == OutboxStatus::Taken.as_str() || is_removal(row)) {
            return Ok(false);
        }
        let transaction = self.begin().await?;
        let mut removed = erasing.removed.clone();
        // What was under way, and would be tried again.
        removed.add("outbox", drop_waiting(&transaction, &profiles).await?);
        removed.add("outbox", outbox::Entity::delete_many().filter(own).exec(&transaction).await?.rows_affected);
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
    let runs = journey_run::Entity::find()
        .select_only()
        .column(journey_run::Column::Run)
        .filter(journey_run::Column::Profile.is_in(profiles))
        .into_query();
    let gone = journey_step::Entity::delete_many().filter(journey_step::Column::Run.in_subquery(runs));
    removed.add("journey_step", gone.exec(transaction).await?.rows_affected);
    let gone = journey_run::Entity::delete_many().filter(journey_run::Column::Profile.is_in(profiles));
    removed.add("journey_run", gone.exec(transaction).await?.rows_affected);
    let gone = membership::Entity::delete_many().filter(membership::Column::Profile.is_in(profiles));
    removed.add("membership", gone.exec(transaction).await?.rows_affected);
    let gone = history::Entity::delete_many().filter(history::Column::Profile.is_in(profiles));
    removed.add("history", gone.exec(transaction).await?.rows_affected);
    let gone = deny::Entity::delete_many().filter(deny::Column::Profile.is_in(profiles));
    removed.add("deny", gone.exec(transaction).await?.rows_affected);
    let gone = merged_profile::Entity::delete_many().filter(merged_profile::Column::Loser.is_in(profiles));
    removed.add("merged_profile", gone.exec(transaction).await?.rows_affected);
    // What the state writer had under way when the rest of the outbox went.
    removed.add("outbox", drop_waiting(transaction, profiles).await?);
    let over = [OutboxStatus::Ready.as_str(), OutboxStatus::Taken.as_str()];
    let gone = outbox::Entity::delete_many()
        .filter(outbox::Column::Profile.is_in(profiles))
        .filter(outbox::Column::Status.is_not_in(over));
    removed.add("outbox", gone.exec(transaction).await?.rows_affected);
    removed.add("profile", profiles.len() as u64);
    Ok(())
}
