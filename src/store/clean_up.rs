//! What is left of people who were erased goes from the database, piece by piece and beside everything else. Each step is
//! a transaction that notes how far it has come, so the work goes on where a process that died had left it.
//!
//! It begins when all that was decided of a person before the erasure is saved: what the state writer had under way would
//! otherwise come after it.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Statement,
};
use serde_json::Value as Json;

use crate::engine::{is_forgotten, snapshot};
use crate::model::{Entry, EntryBody, ProfileId, Span, Target, Timestamp, packed};

use super::entity::{
    deny, erased_identifier, erased_profile, erasure, history, journal_block, journey_run, journey_step, membership,
    merged_profile, outbox, quarantine,
};
use super::erasure::{self as erasures, Removed, drop_waiting, hash};
use super::error::parse_id;
use super::outbox::{OutboxStatus, read_effect};
use super::{Database, StoreError};

/// What an erasure is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Waits until the shards have saved that the person is gone.
    Saving,
    /// Looks for what was refused or set aside.
    Quarantine,
    /// Writes blocks of the journal anew.
    Journal,
    /// Waits until far sides have let go of the person.
    Effects,
    /// Has the database let go of what it holds of removed rows.
    File,
    Done,
}

impl Stage {
    pub(super) const FIRST: Self = Self::Saving;
    const ALL: [Self; 6] = [Self::Saving, Self::Quarantine, Self::Journal, Self::Effects, Self::File, Self::Done];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Saving => "saving",
            Self::Quarantine => "quarantine",
            Self::Journal => "journal",
            Self::Effects => "effects",
            Self::File => "file",
            Self::Done => "done",
        }
    }

    pub(super) fn read(word: &str) -> Result<Self, StoreError> {
        let known = Self::ALL.into_iter().find(|stage| stage.as_str() == word);
        known.ok_or_else(|| StoreError::Corrupt(format!("the stage `{word}` of an erasure")))
    }

    /// For people: what is under way.
    pub(super) fn says(self) -> Option<&'static str> {
        match self {
            Self::Saving => Some("waits until what was decided before is saved"),
            Self::Quarantine => Some("looks through the quarantine"),
            Self::Journal => Some("writes blocks of the journal anew"),
            Self::Effects => Some("waits until channels have taken the person out of audiences"),
            Self::File => Some("has the database let go of removed rows"),
            Self::Done => None,
        }
    }
}

/// Rows, or blocks, of one step, and steps of one round.
const ROWS: u64 = 500;
const BLOCKS: u64 = 32;
const STEPS: usize = 64;
/// How long one that has just begun is waited for at the end, so that all end together.
const MOMENT: Span = Span::MINUTE;
/// Where the last stage stands once the file has been written anew.
const PACKED: &str = "packed";

impl Database {
    /// Goes on with all erasures that are under way, for a bounded time.
    ///
    /// # Errors
    /// The database failed, or what it holds is damaged.
    pub async fn clean_up(&self, now: Timestamp) -> Result<(), StoreError> {
        for _ in 0..STEPS {
            let open = erasure::Entity::find()
                .filter(erasure::Column::Stage.ne(Stage::Done.as_str()))
                .order_by_asc(erasure::Column::Entry)
                .all(&self.read)
                .await?;
            if open.is_empty() || !self.step(&open, now).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One step; false where all wait for something.
    async fn step(&self, open: &[erasure::Model], now: Timestamp) -> Result<bool, StoreError> {
        let mut has_moved = false;
        for row in open.iter().filter(|row| row.stage == Stage::Saving.as_str()) {
            has_moved |= self.begin_one(row).await?;
        }
        for row in open.iter().filter(|row| row.stage == Stage::Effects.as_str()) {
            has_moved |= self.end_effects(row).await?;
        }
        if has_moved {
            return Ok(true);
        }
        // Those that stand at one place go on together: the journal is read once for all of them.
        let walking =
            open.iter().filter(|row| [Stage::Quarantine, Stage::Journal].map(Stage::as_str).contains(&&*row.stage));
        let Some(ahead) = walking.max_by_key(|row| (Stage::read(&row.stage).ok(), place(row))) else {
            let ready: Vec<&erasure::Model> = open.iter().filter(|row| row.stage == Stage::File.as_str()).collect();
            // Whoever will be ready in a moment is waited for: it costs as much for one as for many.
            let is_near = |row: &&erasure::Model| row.stage == Stage::Saving.as_str() && row.at + MOMENT.0 > now.0;
            let is_any_near = open.iter().find(is_near).is_some();
            return if ready.is_empty() || is_any_near { Ok(false) } else { self.let_go(&ready, now).await };
        };
        let group: Vec<&erasure::Model> =
            open.iter().filter(|row| row.stage == ahead.stage && row.cursor == ahead.cursor).collect();
        match Stage::read(&ahead.stage)? {
            Stage::Quarantine => self.search_quarantine(&group).await?,
            _ => self.rewrite_journal(&group).await?,
        }
        Ok(true)
    }

    /// Removes the rows of a person of whom all is saved. False where something is not saved yet.
    async fn begin_one(&self, row: &erasure::Model) -> Result<bool, StoreError> {
        let profiles = self.profiles_of(&[row]).await?;
        let lineage: Vec<ProfileId> = profiles.iter().map(|id| parse_id(id)).collect::<Result<_, _>>()?;
        let saved = self.load_profiles(&lineage).await?;
        let is_erased = |snapshot: &[u8]| snapshot::decode(snapshot).is_ok_and(|profile| profile.is_erased());
        if saved.len() < lineage.len() || !saved.iter().all(|saved| is_erased(&saved.snapshot)) {
            return Ok(false);
        }
        let until = self.journal_head().await?.offset.0 as i64;
        let transaction = self.begin().await?;
        let mut removed = Removed::read(&row.removed)?;
        remove_rows(&transaction, &profiles, &mut removed).await?;
        let next = erasure::ActiveModel {
            entry: Set(row.entry),
            stage: Set(Stage::Quarantine.as_str().to_owned()),
            until: Set(until),
            removed: Set(removed.to_json()?),
            ..Default::default()
        };
        erasure::Entity::update(next).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn profiles_of(&self, group: &[&erasure::Model]) -> Result<Vec<String>, StoreError> {
        let wanted = erased_profile::Column::Erasure.is_in(group.iter().map(|row| row.entry));
        let rows = erased_profile::Entity::find().filter(wanted).all(&self.read).await?;
        Ok(rows.into_iter().map(|row| row.profile).collect())
    }

    /// Removes what was refused and names one of these people.
    async fn search_quarantine(&self, group: &[&erasure::Model]) -> Result<(), StoreError> {
        let page = quarantine::Entity::find()
            .filter(quarantine::Column::Id.gt(&group[0].cursor))
            .order_by_asc(quarantine::Column::Id)
            .limit(ROWS)
            .all(&self.read)
            .await?;
        let secret = self.secret(erasures::SECRET).await?;
        let entries = group.iter().map(|row| row.entry);
        let of_group = erased_identifier::Column::Erasure.is_in(entries.clone());
        let hashes = erased_identifier::Entity::find().filter(of_group).all(&self.read).await?;
        let of_group = erased_profile::Column::Erasure.is_in(entries);
        let profiles = erased_profile::Entity::find().filter(of_group).all(&self.read).await?;
        let named: BTreeMap<String, i64> = hashes
            .into_iter()
            .map(|row| (row.hash, row.erasure))
            .chain(profiles.into_iter().map(|row| (row.profile, row.erasure)))
            .collect();
        let mut found: Vec<(String, i64)> = Vec::new();
        for row in &page {
            let concerned = names_in(&row.payload).into_iter().find_map(|name| {
                let kinds = ["user_id", "anonymous_id"].map(|kind| hash(&secret, kind, &name));
                kinds.iter().chain([&name]).find_map(|known| named.get(known).copied())
            });
            found.extend(concerned.map(|erasure| (row.id.clone(), erasure)));
        }
        let transaction = self.begin().await?;
        let ids = found.iter().map(|(id, _)| id.as_str());
        quarantine::Entity::delete_many().filter(quarantine::Column::Id.is_in(ids)).exec(&transaction).await?;
        let is_end = (page.len() as u64) < ROWS;
        let cursor = page.last().filter(|_| !is_end).map(|row| row.id.clone()).unwrap_or_default();
        let stage = if is_end { Stage::Journal } else { Stage::Quarantine };
        for row in group {
            let rows = found.iter().filter(|(_, erasure)| *erasure == row.entry).count() as u64;
            walked(&transaction, row, stage, &cursor, "quarantine", rows).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Leaves of these people's entries in the next blocks nothing but that they were there.
    async fn rewrite_journal(&self, group: &[&erasure::Model]) -> Result<(), StoreError> {
        let until = group.iter().map(|row| row.until).max().unwrap_or_default();
        let blocks = journal_block::Entity::find()
            .filter(journal_block::Column::FirstOffset.gt(place(group[0])))
            .filter(journal_block::Column::FirstOffset.lte(until))
            .order_by_asc(journal_block::Column::FirstOffset)
            .limit(BLOCKS)
            .all(&self.read)
            .await?;
        let mut lineages: BTreeMap<ProfileId, i64> = BTreeMap::new();
        for row in group {
            for profile in self.profiles_of(&[row]).await? {
                lineages.insert(parse_id(&profile)?, row.entry);
            }
        }
        let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
        let mut rewritten = Vec::new();
        for block in &blocks {
            let damaged = |error| StoreError::Corrupt(format!("journal block {}: {error}", block.first_offset));
            let mut entries: Vec<Entry> = packed::unpack(&block.entries).map_err(damaged)?;
            let mut is_touched = false;
            for entry in &mut entries {
                let Target::Profile(profile) = entry.target else { continue };
                if let Some(erasure) = lineages.get(&profile).filter(|_| is_forgotten(&entry.body)) {
                    entry.body = EntryBody::Erased;
                    is_touched = true;
                    *counts.entry(*erasure).or_default() += 1;
                }
            }
            if is_touched {
                rewritten.push((block.first_offset, packed::pack(&entries)));
            }
        }
        let transaction = self.begin().await?;
        for (first, entries) in rewritten {
            let block =
                journal_block::ActiveModel { first_offset: Set(first), entries: Set(entries), ..Default::default() };
            // One that retention has removed meanwhile is gone for everyone.
            match journal_block::Entity::update(block).exec(&transaction).await {
                Ok(_) | Err(sea_orm::DbErr::RecordNotUpdated) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let is_end = (blocks.len() as u64) < BLOCKS;
        let cursor = blocks.last().filter(|_| !is_end).map(|block| block.first_offset.to_string()).unwrap_or_default();
        let stage = if is_end { Stage::Effects } else { Stage::Journal };
        for row in group {
            walked(&transaction, row, stage, &cursor, "journal", counts.get(&row.entry).copied().unwrap_or(0)).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Removes the last effects, once nothing is on its way. False where something is.
    async fn end_effects(&self, row: &erasure::Model) -> Result<bool, StoreError> {
        let profiles = self.profiles_of(&[row]).await?;
        let own = outbox::Column::Profile.is_in(&profiles);
        let under_way = outbox::Column::Status.is_in([OutboxStatus::Ready.as_str(), OutboxStatus::Taken.as_str()]);
        let waiting = outbox::Entity::find().filter(own.clone().and(under_way)).all(&self.read).await?;
        let is_removal = |row: &outbox::Model| read_effect(row).is_ok_and(|effect| effect.body.is_removal());
        if waiting.iter().any(|row| row.status == OutboxStatus::Taken.as_str() || is_removal(row)) {
            return Ok(false);
        }
        let transaction = self.begin().await?;
        let mut removed = Removed::read(&row.removed)?;
        // What was under way, and would be tried again.
        removed.add("outbox", drop_waiting(&transaction, &profiles).await?);
        removed.add("outbox", outbox::Entity::delete_many().filter(own).exec(&transaction).await?.rows_affected);
        let next = erasure::ActiveModel {
            entry: Set(row.entry),
            stage: Set(Stage::File.as_str().to_owned()),
            removed: Set(removed.to_json()?),
            ..Default::default()
        };
        erasure::Entity::update(next).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Has the database let go of what it still holds of removed and overwritten rows. False where a reader is in the way.
    async fn let_go(&self, ready: &[&erasure::Model], now: Timestamp) -> Result<bool, StoreError> {
        let entries = ready.iter().map(|row| row.entry);
        if self.write.get_database_backend() == DbBackend::Sqlite {
            if ready.iter().any(|row| row.cursor != PACKED) {
                // It copies the whole database, which is not to be held in memory.
                let vacuum = "PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY";
                self.write.execute_unprepared(vacuum).await?;
                let transaction = self.begin().await?;
                erasure::Entity::update_many()
                    .col_expr(erasure::Column::Cursor, Expr::value(PACKED))
                    .filter(erasure::Column::Entry.is_in(entries.clone()))
                    .exec(&transaction)
                    .await?;
                transaction.commit().await?;
            }
            // What stood in the log goes as well.
            let truncate = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(TRUNCATE)");
            let answer = self.write.query_one_raw(truncate).await?;
            let is_busy = answer.map(|row| row.try_get_by_index::<i32>(0)).transpose()?.is_none_or(|busy| busy != 0);
            if is_busy {
                return Ok(false);
            }
        } else {
            for table in TOUCHED {
                self.write.execute_unprepared(&format!("VACUUM {table}")).await?;
            }
        }
        let transaction = self.begin().await?;
        erasure::Entity::update_many()
            .col_expr(erasure::Column::Stage, Expr::value(Stage::Done.as_str()))
            .col_expr(erasure::Column::EndedAt, Expr::value(now.0))
            .filter(erasure::Column::Entry.is_in(entries))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        tracing::info!(erasures = ready.len(), "what was known of people who were erased is gone");
        Ok(true)
    }
}

/// Tables that held something of the person.
const TOUCHED: [&str; 11] = [
    "profile",
    "membership",
    "history",
    "journey_run",
    "journey_step",
    "outbox",
    "relay",
    "quarantine",
    "journal_block",
    "identity",
    "deny",
];

/// Where a walk over the journal stands.
fn place(row: &erasure::Model) -> i64 {
    row.cursor.parse().unwrap_or(0)
}

/// Notes how far an erasure has come.
async fn walked(
    transaction: &DatabaseTransaction,
    row: &erasure::Model,
    stage: Stage,
    cursor: &str,
    place: &str,
    rows: u64,
) -> Result<(), StoreError> {
    let mut removed = Removed::read(&row.removed)?;
    removed.add(place, rows);
    let next = erasure::ActiveModel {
        entry: Set(row.entry),
        stage: Set(stage.as_str().to_owned()),
        cursor: Set(cursor.to_owned()),
        removed: Set(removed.to_json()?),
        ..Default::default()
    };
    erasure::Entity::update(next).exec(transaction).await?;
    Ok(())
}

/// Everything in tables that name the profile. Its tombstone stays, and what is still on its way.
async fn remove_rows(
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

/// All texts and numbers of a payload, as texts: whoever it names is among them.
fn names_in(payload: &str) -> BTreeSet<String> {
    fn collect(json: &Json, names: &mut BTreeSet<String>) {
        match json {
            Json::String(text) => drop(names.insert(text.clone())),
            Json::Number(number) => drop(names.insert(number.to_string())),
            Json::Array(items) => items.iter().for_each(|item| collect(item, names)),
            Json::Object(fields) => fields.values().for_each(|field| collect(field, names)),
            Json::Bool(_) | Json::Null => {}
        }
    }
    let mut names = BTreeSet::new();
    match serde_json::from_str(payload) {
        Ok(json) => collect(&json, &mut names),
        Err(_) => drop(names.insert(payload.to_owned())),
    }
    names
}
