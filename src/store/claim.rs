//! Taking effects from the outbox, to be performed now: a few queries a claim, however many it takes.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::{Alias, Expr, ExprTrait, LockBehavior, LockType, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::engine::Effect;
use crate::model::{ProfileId, Timestamp};

use super::entity::{deny, outbox};
use super::error::parse_id;
use super::identity;
use super::outbox::{OutboxStatus, read_effect};
use super::{Database, StoreError};

/// An effect taken from the outbox, to be performed now.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    pub effect: Effect,
    /// How often it was tried before.
    pub attempts: u32,
}

/// What a claim found.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    pub taken: Vec<Claimed>,
    /// Withdrawn consent met them at the door (a deny row). Left as they are: the caller reports them by an
    /// [`OutboxUpdate`] to `Suppressed`, together with the event that tells of it.
    pub suppressed: Vec<Effect>,
    /// Too late: likewise left to the caller, to `Expired`.
    pub expired: Vec<Effect>,
    /// The next instant at which a waiting effect of this destination becomes ready.
    pub next: Option<Timestamp>,
}

/// Whether an older change of a person's place in an audience is still on its way: a late `add` must not overtake the
/// `remove` that follows it. Asked in the query itself, so that those who wait take nobody else's place in a claim.
fn is_behind() -> Expr {
    let older = Alias::new("older");
    let of = |column: outbox::Column| Expr::col((older.clone(), column));
    let own = |column: outbox::Column| (outbox::Entity, column);
    let unsettled = [OutboxStatus::Ready.as_str(), OutboxStatus::Taken.as_str()];
    let before = Query::select()
        .expr(Expr::val(1))
        .from_as(outbox::Entity, older.clone())
        .and_where(of(outbox::Column::Profile).equals(own(outbox::Column::Profile)))
        .and_where(of(outbox::Column::Destination).equals(own(outbox::Column::Destination)))
        .and_where(of(outbox::Column::Status).is_in(unsettled))
        .and_where(of(outbox::Column::DecidedAt).lt(Expr::col(own(outbox::Column::DecidedAt))))
        .to_owned();
    outbox::Column::Channel.eq("audience_sync").and(Expr::exists(before))
}

/// The profiles and consents, of those that these rows are about, that are withdrawn.
struct Denied {
    survivors: HashMap<ProfileId, ProfileId>,
    said: BTreeSet<(String, String)>,
}

impl Denied {
    async fn read(transaction: &DatabaseTransaction, rows: &[outbox::Model]) -> Result<Self, StoreError> {
        let asking = rows.iter().filter(|row| row.consent.is_some()).map(|row| parse_id(&row.profile));
        let asking = asking.collect::<Result<Vec<ProfileId>, _>>()?;
        // What a merged profile decided is subject to what its winner says since.
        let survivors = identity::survivors(transaction, &asking).await?;
        let said = if survivors.is_empty() {
            BTreeSet::new()
        } else {
            let found = deny::Entity::find()
                .filter(deny::Column::Profile.is_in(survivors.values().map(ToString::to_string)))
                .filter(deny::Column::Denied.eq(true))
                .all(transaction)
                .await?;
            found.into_iter().map(|row| (row.profile, row.consent)).collect()
        };
        Ok(Self { survivors, said })
    }

    fn concerns(&self, row: &outbox::Model, effect: &Effect) -> bool {
        let person = self.survivors.get(&effect.profile).copied().unwrap_or(effect.profile);
        row.consent.as_ref().is_some_and(|consent| self.said.contains(&(person.to_string(), consent.clone())))
    }
}

impl Database {
    /// Takes up to `limit` ready effects of a destination, oldest first, and marks them `Taken` in one transaction
    /// that looks at the deny rows and at expiry.
    ///
    /// # Errors
    /// The database failed: nothing was taken.
    pub async fn claim(&self, destination: &str, now: Timestamp, limit: usize) -> Result<Claim, StoreError> {
        let transaction = self.begin().await?;
        let mut query = outbox::Entity::find()
            .filter(outbox::Column::Destination.eq(destination))
            .filter(outbox::Column::Status.eq(OutboxStatus::Ready.as_str()))
            .filter(outbox::Column::NotBefore.lte(now.0))
            .filter(is_behind().not())
            .order_by_asc(outbox::Column::NotBefore)
            .order_by_asc(outbox::Column::Effect)
            .limit(limit as u64);
        if transaction.get_database_backend() == DbBackend::Postgres {
            query = query.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        }
        let rows = query.all(&transaction).await?;
        let denied = Denied::read(&transaction, &rows).await?;
        let mut claim = Claim::default();
        for row in &rows {
            let effect = read_effect(row)?;
            if denied.concerns(row, &effect) {
                claim.suppressed.push(effect);
            } else if effect.expires_at.is_some_and(|expires_at| expires_at <= now) {
                claim.expired.push(effect);
            } else {
                claim.taken.push(Claimed { effect, attempts: row.attempts.unsigned_abs() });
            }
        }
        mark_taken(&transaction, &claim.taken, now).await?;
        claim.next = next_ready(&transaction, destination, now).await?;
        transaction.commit().await?;
        Ok(claim)
    }
}

async fn mark_taken(transaction: &DatabaseTransaction, taken: &[Claimed], now: Timestamp) -> Result<(), StoreError> {
    if !taken.is_empty() {
        outbox::Entity::update_many()
            .col_expr(outbox::Column::Status, Expr::value(OutboxStatus::Taken.as_str()))
            .col_expr(outbox::Column::Attempts, Expr::col(outbox::Column::Attempts).add(1))
            .col_expr(outbox::Column::UpdatedAt, Expr::value(now.0))
            .filter(outbox::Column::Effect.is_in(taken.iter().map(|one| one.effect.id.to_string())))
            .exec(transaction)
            .await?;
    }
    Ok(())
}

/// The first instant after `now` at which an effect of the destination becomes ready.
async fn next_ready(
    transaction: &DatabaseTransaction,
    destination: &str,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let next: Option<i64> = outbox::Entity::find()
        .select_only()
        .column(outbox::Column::NotBefore)
        .filter(outbox::Column::Destination.eq(destination))
        .filter(outbox::Column::Status.eq(OutboxStatus::Ready.as_str()))
        .filter(outbox::Column::NotBefore.gt(now.0))
        .order_by_asc(outbox::Column::NotBefore)
        .into_tuple()
        .one(transaction)
        .await?;
    Ok(next.map(Timestamp))
}
