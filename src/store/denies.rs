//! Withdrawals at the door of the channels: rows that the claim of an effect reads.
//!
//! The append of an entry that withdraws sets one, and only that: it cannot tell a repeat. What the profile knows lifts it, in the
//! transaction of what follows from it, up to the entry that it knew: not a withdrawal that has come since.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use crate::engine::transition::Lifted;
use crate::model::{Offset, ProfileId};

use super::StoreError;
use super::bulk::{Bulk, Conflict, Renewal, Row, row};
use super::entity::deny;
use super::identity;
use super::journal::Deny;

const DENIES: Bulk = Bulk {
    table: "deny",
    columns: &["profile", "consent", "denied", "entry"],
    conflict: Conflict::Replace(&["profile", "consent"], &["denied", "entry"]),
};

const HANDED_ON: Bulk = Bulk {
    table: "deny",
    columns: &["profile", "consent", "denied", "entry"],
    conflict: Conflict::Clause(
        "ON CONFLICT (profile, consent) DO UPDATE SET denied = excluded.denied, \
         entry = CASE WHEN deny.entry < excluded.entry THEN excluded.entry ELSE deny.entry END",
    ),
};

/// What an append has set meanwhile is looked at as it is then: the condition is on the row itself.
pub(super) const LIFTS: Renewal = Renewal {
    table: "deny",
    key: &["profile", "consent"],
    columns: &["profile", "consent", "entry"],
    set: "denied = FALSE",
    unless: "deny.entry > news.entry",
};

/// Sets what was withdrawn. A profile that was merged before speaks for its winner.
pub(super) async fn write(transaction: &DatabaseTransaction, denies: &[Deny]) -> Result<(), StoreError> {
    let speakers: Vec<ProfileId> = denies.iter().map(|deny| deny.profile).collect();
    let survivors = identity::survivors(transaction, &speakers).await?;
    let mut last: BTreeMap<(ProfileId, String), Offset> = BTreeMap::new();
    for Deny { profile, key, entry } in denies {
        let profile = survivors.get(profile).copied().unwrap_or(*profile);
        let known = last.entry((profile, key.to_string())).or_insert(*entry);
        *known = (*known).max(*entry);
    }
    let rows = last.into_iter().map(|((profile, key), entry)| row![profile.to_string(), key, true, entry.0 as i64]);
    Ok(DENIES.write(transaction, rows.collect()).await?)
}

/// Of whoever is merged away the winner refuses the same, until it has taken in what both said: nothing that it says of itself
/// before the entry of the merge lifts it.
pub(super) async fn hand_on(
    transaction: &DatabaseTransaction,
    loser: &str,
    winner: &str,
    entry: Offset,
) -> Result<(), StoreError> {
    let refused = deny::Entity::find().filter(deny::Column::Profile.eq(loser)).filter(deny::Column::Denied.eq(true));
    let rows = refused.all(transaction).await?;
    let rows = rows.into_iter().map(|said| row![winner, said.consent, true, said.entry.max(entry.0 as i64)]);
    Ok(HANDED_ON.write(transaction, rows.collect()).await?)
}

/// Lifts what the profiles know of and do not mean any more.
pub(super) fn lifts<'a>(lifted: impl Iterator<Item = &'a (ProfileId, Lifted)>) -> Vec<Row> {
    let mut last: BTreeMap<(ProfileId, String), Offset> = BTreeMap::new();
    for (profile, Lifted { key, up_to }) in lifted {
        let known = last.entry((*profile, key.to_string())).or_insert(*up_to);
        *known = (*known).max(*up_to);
    }
    last.into_iter().map(|((profile, key), up_to)| row![profile.to_string(), key, up_to.0 as i64]).collect()
}
