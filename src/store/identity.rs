//! The identity index: which identifier belongs to which profile. A projection of the journal.

use std::collections::{BTreeSet, HashMap, HashSet};

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
};

use crate::model::{Entry, EntryBody, Offset, ProfileId, Target};

use super::among::{self, AT_ONCE};
use super::bulk::{Bulk, Conflict, row};
use super::denies;
use super::entity::{identity, merged_profile};
use super::error::parse_id;
use super::{Database, StoreError};

/// A typed key of a person, such as (`user_id`, `u1`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// `user_id` or `anonymous_id`.
    pub kind: String,
    pub value: String,
}

impl Identifier {
    /// All that an event may name somebody by.
    #[must_use]
    pub fn named(user_id: Option<String>, anonymous_id: Option<String>, previous_id: Option<String>) -> Vec<Self> {
        // Of what kind the one before was the event does not say.
        let names = [
            ("user_id", user_id),
            ("anonymous_id", anonymous_id),
            ("user_id", previous_id.clone()),
            ("anonymous_id", previous_id),
        ];
        names.into_iter().filter_map(|(kind, value)| Some(Self { kind: kind.to_owned(), value: value? })).collect()
    }
}

/// What became of a person who had an identifier that nobody has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedIdentifier {
    /// The entry of their erasure.
    pub erasure: Offset,
    /// They are not to be known again.
    pub is_suppressed: bool,
}

/// A change of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityChange {
    /// A new identifier of a profile.
    Add { identifier: Identifier, profile: ProfileId },
    /// All identifiers of `loser` belong to `winner` from now on, and late news for the loser go there too.
    Merge { loser: ProfileId, winner: ProfileId },
}

const IDENTITIES: Bulk = Bulk { table: "identity", columns: &["kind", "value", "profile"], conflict: Conflict::Ignore };

/// Carries out the changes that came with these entries, in their order.
pub(super) async fn write(
    transaction: &DatabaseTransaction,
    changes: &[IdentityChange],
    entries: &[Entry],
) -> Result<(), StoreError> {
    let is_merge = |entry: &&Entry| matches!(entry.body, EntryBody::MergeAway { .. });
    let merges: HashMap<Target, Offset> =
        entries.iter().filter(is_merge).map(|entry| (entry.target, entry.offset)).collect();
    let mut added = Vec::new();
    for change in changes {
        match change {
            IdentityChange::Add { identifier, profile } => {
                added.push(row![identifier.kind.as_str(), identifier.value.as_str(), profile.to_string()]);
            }
            IdentityChange::Merge { loser, winner } => {
                IDENTITIES.write(transaction, std::mem::take(&mut added)).await?;
                let entry = merges.get(&Target::Profile(*loser)).copied().unwrap_or_default();
                merge(transaction, *loser, *winner, entry).await?;
            }
        }
    }
    Ok(IDENTITIES.write(transaction, added).await?)
}

async fn merge(
    transaction: &DatabaseTransaction,
    loser: ProfileId,
    winner: ProfileId,
    entry: Offset,
) -> Result<(), StoreError> {
    let (loser, winner) = (loser.to_string(), winner.to_string());
    identity::Entity::update_many()
        .col_expr(identity::Column::Profile, Expr::value(winner.clone()))
        .filter(identity::Column::Profile.eq(&loser))
        .exec(transaction)
        .await?;
    let row = merged_profile::ActiveModel {
        loser: Set(loser.clone()),
        winner: Set(winner.clone()),
        entry: Set(entry.0 as i64),
    };
    merged_profile::Entity::insert(row)
        .on_conflict(OnConflict::column(merged_profile::Column::Loser).do_nothing().to_owned())
        .exec_without_returning(transaction)
        .await?;
    denies::hand_on(transaction, &loser, &winner, entry).await
}

impl Database {
    /// The profiles of those identifiers that are known.
    ///
    /// # Errors
    /// The database failed.
    pub async fn find_profiles(
        &self,
        identifiers: &[Identifier],
    ) -> Result<HashMap<Identifier, ProfileId>, StoreError> {
        let mut found = HashMap::with_capacity(identifiers.len());
        let kinds: BTreeSet<&str> = identifiers.iter().map(|identifier| identifier.kind.as_str()).collect();
        for kind in kinds {
            let values: Vec<&str> =
                identifiers.iter().filter(|one| one.kind == kind).map(|one| one.value.as_str()).collect();
            for values in values.chunks(AT_ONCE) {
                let rows = identity::Entity::find()
                    .filter(identity::Column::Kind.eq(kind))
                    .filter(identity::Column::Value.is_in(values.iter().copied()))
                    .all(&self.write)
                    .await?;
                for row in rows {
                    let profile = parse_id(&row.profile)?;
                    found.insert(Identifier { kind: row.kind, value: row.value }, profile);
                }
            }
        }
        Ok(found)
    }

    /// All identifiers of a profile, sorted.
    ///
    /// # Errors
    /// The database failed.
    pub async fn identifiers_of(&self, profile: ProfileId) -> Result<Vec<Identifier>, StoreError> {
        let rows = identity::Entity::find()
            .filter(identity::Column::Profile.eq(profile.to_string()))
            .order_by_asc(identity::Column::Kind)
            .order_by_asc(identity::Column::Value)
            .all(&self.read)
            .await?;
        Ok(rows.into_iter().map(|row| Identifier { kind: row.kind, value: row.value }).collect())
    }

    /// The profile of one identifier.
    ///
    /// # Errors
    /// The database failed.
    pub async fn find_profile_by(&self, kind: &str, value: &str) -> Result<Option<ProfileId>, StoreError> {
        // Nobody has it, and PostgreSQL does not let one ask.
        if kind.contains('\0') || value.contains('\0') {
            return Ok(None);
        }
        let row = identity::Entity::find_by_id((kind.to_owned(), value.to_owned())).one(&self.read).await?;
        row.map(|row| parse_id(&row.profile)).transpose()
    }

    /// The profile and all that were merged into it, directly or by way of others: itself first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn lineage(&self, profile: ProfileId) -> Result<Vec<ProfileId>, StoreError> {
        self.lineage_ids(profile).await?.iter().map(|id| parse_id(id)).collect()
    }

    /// The profile and all that were merged into it, directly or by way of others: whose history is its own.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn lineage_ids(&self, profile: ProfileId) -> Result<Vec<String>, StoreError> {
        let mut lineage = vec![profile.to_string()];
        let mut known: HashSet<String> = lineage.iter().cloned().collect();
        let mut winners = lineage.clone();
        while !winners.is_empty() {
            let merged = merged_profile::Entity::find();
            let rows = among::find(&self.read, &merged, merged_profile::Column::Winner, &winners).await?;
            winners = rows.into_iter().map(|row| row.loser).filter(|loser| known.insert(loser.clone())).collect();
            lineage.extend(winners.iter().cloned());
        }
        Ok(lineage)
    }

    /// The profile that this one was merged into, at the end of the chain; itself if it was not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn surviving_profile(&self, profile: ProfileId) -> Result<ProfileId, StoreError> {
        survivor(&self.write, profile).await
    }
}

/// The end of each profile's chain of merges; itself where there was none. One query a link of the longest chain.
pub(super) async fn survivors(
    database: &impl ConnectionTrait,
    profiles: &[ProfileId],
) -> Result<HashMap<ProfileId, ProfileId>, StoreError> {
    let mut survivors: HashMap<ProfileId, ProfileId> = profiles.iter().map(|profile| (*profile, *profile)).collect();
    let mut ends: BTreeSet<ProfileId> = profiles.iter().copied().collect();
    while !ends.is_empty() {
        let mut winners: HashMap<ProfileId, ProfileId> = HashMap::new();
        let losers: Vec<String> = ends.iter().map(ToString::to_string).collect();
        let merged = merged_profile::Entity::find();
        for row in among::find(database, &merged, merged_profile::Column::Loser, &losers).await? {
            winners.insert(parse_id(&row.loser)?, parse_id(&row.winner)?);
        }
        for (profile, survivor) in &mut survivors {
            if let Some(winner) = winners.get(survivor) {
                if winner == profile {
                    return Err(StoreError::Corrupt(format!("profile {profile} was merged into itself")));
                }
                *survivor = *winner;
            }
        }
        ends = winners.into_values().collect();
    }
    Ok(survivors)
}

/// The end of one profile's chain of merges.
async fn survivor(database: &impl ConnectionTrait, profile: ProfileId) -> Result<ProfileId, StoreError> {
    Ok(survivors(database, &[profile]).await?.get(&profile).copied().unwrap_or(profile))
}
