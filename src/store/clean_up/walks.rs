//! Walks over what is of everyone, for what is of people who were erased: the quarantine and the journal.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value as Json;

use crate::engine::is_forgotten;
use crate::model::{Entry, EntryBody, ProfileId, Target, packed};

use super::super::entity::{erased_identifier, erased_profile, erasure, journal_block, quarantine};
use super::super::erasure::{SECRET, hash};
use super::super::error::parse_id;
use super::super::{Database, StoreError};
use super::{Erasing, Stage};

/// Rows, or blocks, of one step.
const ROWS: u64 = 500;
const BLOCKS: u64 = 32;

impl Database {
    /// Removes what was refused and names one of these people.
    pub(super) async fn search_quarantine(&self, group: &[&Erasing], after: &str) -> Result<(), StoreError> {
        let page = quarantine::Entity::find()
            .filter(quarantine::Column::Id.gt(after))
            .order_by_asc(quarantine::Column::Id)
            .limit(ROWS)
            .all(&self.read)
            .await?;
        let secret = self.secret(SECRET).await?;
        let entries = group.iter().map(|erasing| erasing.entry);
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
            let told = row.named.iter().flat_map(|hashes| hashes.split(' ')).find_map(|hash| named.get(hash).copied());
            // Rows of earlier versions do not say, and of what the engine failed on the payload names the profile.
            let concerned = told.or_else(|| {
                names_in(&row.payload).into_iter().find_map(|name| {
                    let kinds = ["user_id", "anonymous_id"].map(|kind| hash(&secret, kind, &name));
                    kinds.iter().chain([&name]).find_map(|known| named.get(known).copied())
                })
            });
            found.extend(concerned.map(|erasure| (row.id.clone(), erasure)));
        }
        let transaction = self.begin().await?;
        let ids = found.iter().map(|(id, _)| id.as_str());
        quarantine::Entity::delete_many().filter(quarantine::Column::Id.is_in(ids)).exec(&transaction).await?;
        let is_end = (page.len() as u64) < ROWS;
        let next = page.last().filter(|_| !is_end).map(|row| Stage::Quarantine { after: row.id.clone() });
        let next = next.unwrap_or(Stage::Journal { after: 0 });
        for erasing in group {
            let rows = found.iter().filter(|(_, erasure)| *erasure == erasing.entry).count() as u64;
            walked(&transaction, erasing, &next, "quarantine", rows).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Leaves of these people's entries in the next blocks nothing but that they were there.
    pub(super) async fn rewrite_journal(&self, group: &[&Erasing], after: i64) -> Result<(), StoreError> {
        let until = group.iter().map(|erasing| erasing.until).max().unwrap_or_default();
        let blocks = journal_block::Entity::find()
            .filter(journal_block::Column::FirstOffset.gt(after))
            .filter(journal_block::Column::FirstOffset.lte(until))
            .order_by_asc(journal_block::Column::FirstOffset)
            .limit(BLOCKS)
            .all(&self.read)
            .await?;
        let mut lineages: BTreeMap<ProfileId, i64> = BTreeMap::new();
        for erasing in group {
            for profile in self.profiles_of(&[erasing]).await? {
                lineages.insert(parse_id(&profile)?, erasing.entry);
            }
        }
        let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
        let mut rewritten = Vec::new();
        for block in &blocks {
            let mut entries: Vec<Entry> = match packed::unpack(&block.entries) {
                Ok(entries) => entries,
                // What is damaged is left as it is, and holds up nobody; whoever asks is told.
                Err(error) => {
                    let why = format!(
                        "the journal's block of entries {} to {} is damaged ({error}), and what it may hold of the person is left \
                         there: put it back from a backup, and erase them once more",
                        block.first_offset, block.last_offset
                    );
                    for erasing in group {
                        self.note_trouble(erasing.entry, &why).await?;
                    }
                    continue;
                }
            };
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
        let next = blocks.last().filter(|_| !is_end).map(|block| Stage::Journal { after: block.first_offset });
        let next = next.unwrap_or(Stage::Effects);
        for erasing in group {
            let rows = counts.get(&erasing.entry).copied().unwrap_or(0);
            walked(&transaction, erasing, &next, "journal", rows).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// Notes how far an erasure has come, and how many rows went at this place.
async fn walked(
    transaction: &DatabaseTransaction,
    erasing: &Erasing,
    next: &Stage,
    place: &str,
    rows: u64,
) -> Result<(), StoreError> {
    let mut removed = erasing.removed.clone();
    removed.add(place, rows);
    erasure::Entity::update(erasing.reached(next, &removed)?).exec(transaction).await?;
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
