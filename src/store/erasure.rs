//! People who are to be forgotten: what goes at once, in the transaction of the entry that says so, by what they are
//! recognised afterwards, and the receipts. What goes later: see [`super::clean_up`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::{ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder};
use serde::Serialize;

use crate::model::id::hash_parts;
use crate::model::{Offset, ProfileId, Timestamp, packed};

use super::among::{self, AT_ONCE};
use super::bulk::{Bulk, Conflict, row};
use super::clean_up::Stage;
use super::entity::{deny, erased_identifier, erased_profile, erasure, identity, outbox};
use super::error::{parse_id, to_json};
use super::identity::{ErasedIdentifier, Identifier};
use super::outbox::{OutboxStatus, read_what_is_known};
use super::{Database, StoreError};

/// A person who is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The last of its entries, by which it is known.
    pub entry: Offset,
    pub at: Timestamp,
    /// The person's profile, and all that were merged into it.
    pub lineage: Vec<ProfileId>,
    /// They are not to be known again.
    pub is_suppressed: bool,
}

/// What became of an erasure. It tells nothing of the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    pub erasure: Offset,
    pub at: Timestamp,
    pub is_suppressed: bool,
    /// What it is at, or waits for; `None` where all is done.
    pub under_way: Option<String>,
    /// Rows that were removed, by place.
    pub removed: BTreeMap<String, u64>,
    pub ended_at: Option<Timestamp>,
    /// What could not be done, or stands in the way.
    pub trouble: Option<String>,
}

/// Names the secret that keys the hashes of identifiers.
pub(super) const SECRET: &str = "erased identifiers";

/// What an identifier of somebody who was erased is recognised by.
pub(super) fn hash(secret: &[u8], kind: &str, value: &str) -> String {
    format!("{:032x}", hash_parts("erased identifier", &[secret, kind.as_bytes(), value.as_bytes()]))
}

const IDENTIFIERS: Bulk = Bulk {
    table: "erased_identifier",
    columns: &["hash", "erasure", "suppressed"],
    conflict: Conflict::Clause(
        "ON CONFLICT (hash) DO UPDATE SET erasure = excluded.erasure, \
         suppressed = erased_identifier.suppressed OR excluded.suppressed",
    ),
};
const PROFILES: Bulk = Bulk { table: "erased_profile", columns: &["profile", "erasure"], conflict: Conflict::Ignore };

/// From here on the person's identifiers are nobody's, and nothing is sent to them but what takes them out of audiences.
pub(super) async fn begin(
    transaction: &DatabaseTransaction,
    secret: &[u8],
    erased: &Erasure,
) -> Result<(), StoreError> {
    let Erasure { entry, at, lineage, is_suppressed } = erased;
    let entry = entry.0 as i64;
    let profiles: Vec<String> = lineage.iter().map(ToString::to_string).collect();
    let known = among::find(transaction, &identity::Entity::find(), identity::Column::Profile, &profiles).await?;
    let hashes: BTreeSet<String> = known.iter().map(|one| hash(secret, &one.kind, &one.value)).collect();
    let hashes = hashes.into_iter().map(|hash| row![hash, entry, *is_suppressed]);
    IDENTIFIERS.write(transaction, hashes.collect()).await?;
    PROFILES.write(transaction, profiles.iter().map(|profile| row![profile.as_str(), entry]).collect()).await?;
    let mut removed = Removed::default();
    let gone =
        among::delete(transaction, &identity::Entity::delete_many(), identity::Column::Profile, &profiles).await?;
    removed.add("identity", gone);
    let gone = among::delete(transaction, &deny::Entity::delete_many(), deny::Column::Profile, &profiles).await?;
    removed.add("deny", gone);
    removed.add("outbox", drop_waiting(transaction, &profiles).await?);
    let row = erasure::ActiveModel {
        entry: Set(entry),
        at: Set(at.0),
        suppressed: Set(*is_suppressed),
        stage: Set(Stage::Saving.word().to_owned()),
        cursor: Set(Stage::Saving.cursor()),
        until: Set(0),
        removed: Set(removed.to_json()?),
        ended_at: Set(None),
        trouble: Set(None),
    };
    erasure::Entity::insert(row).exec_without_returning(transaction).await?;
    Ok(())
}

/// Removes what waits to be sent to these profiles. What takes them out of audiences stays, with hashes for identifiers:
/// the far side is to let go of them too. Returns how many were removed.
pub(super) async fn drop_waiting(transaction: &DatabaseTransaction, profiles: &[String]) -> Result<u64, StoreError> {
    let waiting = outbox::Entity::find().filter(outbox::Column::Status.eq(OutboxStatus::Ready.as_str()));
    let waiting = among::find(transaction, &waiting, outbox::Column::Profile, profiles).await?;
    let mut removed = 0;
    for row in waiting {
        let mut effect = read_what_is_known(&row)?;
        if effect.body.is_removal() {
            effect.body = effect.body.concealed();
            let body =
                outbox::ActiveModel { effect: Set(row.effect), body: Set(packed::pack(&effect)), ..Default::default() };
            outbox::Entity::update(body).exec(transaction).await?;
        } else {
            removed += outbox::Entity::delete_by_id(row.effect).exec(transaction).await?.rows_affected;
        }
    }
    Ok(removed)
}

/// Counts of what was removed, by place.
#[derive(Debug, Clone, Default)]
pub(super) struct Removed(BTreeMap<String, u64>);

impl Removed {
    pub(super) fn read(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text).map(Self).map_err(|error| StoreError::Corrupt(format!("a receipt: {error}")))
    }

    pub(super) fn add(&mut self, place: &str, rows: u64) {
        *self.0.entry(place.to_owned()).or_default() += rows;
    }

    pub(super) fn to_json(&self) -> Result<String, StoreError> {
        to_json(&self.0)
    }
}

impl Database {
    /// All profiles of people who were erased.
    ///
    /// # Errors
    /// The database failed.
    pub async fn erased_profiles(&self) -> Result<Vec<ProfileId>, StoreError> {
        let rows = erased_profile::Entity::find().all(&self.write).await?;
        rows.iter().map(|row| parse_id(&row.profile)).collect()
    }

    /// Whether the profile is of a person who was erased.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_erased(&self, profile: ProfileId) -> Result<bool, StoreError> {
        Ok(erased_profile::Entity::find_by_id(profile.to_string()).one(&self.read).await?.is_some())
    }

    /// Of these identifiers, those that belonged to somebody who was erased.
    ///
    /// # Errors
    /// The database failed.
    pub async fn erased_identifiers(
        &self,
        identifiers: &[Identifier],
    ) -> Result<HashMap<Identifier, ErasedIdentifier>, StoreError> {
        let secret = self.secret(SECRET).await?;
        let hashes: HashMap<String, &Identifier> =
            identifiers.iter().map(|one| (hash(&secret, &one.kind, &one.value), one)).collect();
        let mut found = HashMap::new();
        for some in hashes.keys().collect::<Vec<_>>().chunks(AT_ONCE) {
            let wanted = erased_identifier::Column::Hash.is_in(some.iter().map(|hash| hash.as_str()));
            for row in erased_identifier::Entity::find().filter(wanted).all(&self.write).await? {
                let erased = ErasedIdentifier { erasure: Offset(row.erasure as u64), is_suppressed: row.suppressed };
                found.extend(hashes.get(&row.hash).map(|identifier| ((*identifier).clone(), erased)));
            }
        }
        Ok(found)
    }

    /// The receipts of all erasures, newest first; those that are under way say so.
    ///
    /// # Errors
    /// The database failed, or a row is damaged.
    pub async fn erasures(&self) -> Result<Vec<Receipt>, StoreError> {
        let rows = erasure::Entity::find().order_by_desc(erasure::Column::Entry).all(&self.read).await?;
        rows.into_iter().map(receipt).collect()
    }

    /// The receipt of the erasure by this entry.
    ///
    /// # Errors
    /// The database failed, or the row is damaged.
    pub async fn erasure(&self, entry: Offset) -> Result<Option<Receipt>, StoreError> {
        erasure::Entity::find_by_id(entry.0 as i64).one(&self.read).await?.map(receipt).transpose()
    }
}

fn receipt(row: erasure::Model) -> Result<Receipt, StoreError> {
    let stage = Stage::read(&row.stage, &row.cursor)?;
    Ok(Receipt {
        erasure: Offset(row.entry as u64),
        at: Timestamp(row.at),
        is_suppressed: row.suppressed,
        under_way: stage.says().map(str::to_owned),
        removed: Removed::read(&row.removed)?.0,
        ended_at: row.ended_at.map(Timestamp),
        trouble: row.trouble,
    })
}
