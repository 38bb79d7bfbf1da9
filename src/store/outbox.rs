//! The outbox: effects between decision and outcome.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, LockBehavior, LockType, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::engine::Effect;
use crate::model::{EffectId, Timestamp};

use super::bulk::{Bulk, Conflict, Row, row};
use super::dead_letters::Selection;
use super::entity::{deny, outbox};
use super::error::to_json;
use super::identity;
use super::{Database, StoreError};

/// Where an effect stands.
///
/// `Ready` → `Taken` → `Sent`, `Failed`, `Unknown`, or back to `Ready` for another try; `Suppressed` and `Expired`
/// at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxStatus {
    Ready,
    Taken,
    Sent,
    Failed,
    /// The far side fell silent after it had everything: it may have acted, or not.
    Unknown,
    Suppressed,
    Expired,
    /// Somebody decided that it shall not leave any more.
    Dropped,
}

/// A change of one effect's standing, made in the same transaction as the entry that tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxUpdate {
    pub effect: EffectId,
    pub status: OutboxStatus,
    /// For `Ready`: not before this instant.
    pub not_before: Option<Timestamp>,
    /// Why, where it did not go well.
    pub detail: Option<String>,
    pub at: Timestamp,
}

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

impl OutboxStatus {
    pub const ALL: [Self; 8] = [
        Self::Ready,
        Self::Taken,
        Self::Sent,
        Self::Failed,
        Self::Unknown,
        Self::Suppressed,
        Self::Expired,
        Self::Dropped,
    ];

    /// The word that the column holds.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Taken => "taken",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Suppressed => "suppressed",
            Self::Expired => "expired",
            Self::Dropped => "dropped",
        }
    }

    /// The status of this word.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    fn parse(word: &str) -> Result<Self, StoreError> {
        Self::find(word).ok_or_else(|| StoreError::Corrupt(format!("the outbox status `{word}`")))
    }
}

pub(super) const OUTBOX: Bulk = Bulk {
    table: "outbox",
    columns: &[
        "effect",
        "profile",
        "destination",
        "channel",
        "journey",
        "run",
        "step",
        "consent",
        "body",
        "status",
        "attempts",
        "not_before",
        "expires_at",
        "decided_at",
        "updated_at",
    ],
    // An effect is decided once; a second decision of the same id is the first one, replayed.
    conflict: Conflict::Ignore,
};

/// The row of an effect that was just decided.
pub(super) fn decided(effect: &Effect) -> Result<Row, StoreError> {
    let origin = effect.origin.as_ref();
    Ok(row![
        effect.id.to_string(),
        effect.profile.to_string(),
        effect.destination.as_str(),
        effect.body.kind(),
        origin.map(|origin| origin.journey.as_str()),
        origin.map(|origin| origin.run.to_string()),
        origin.map(|origin| origin.step.as_str()),
        effect.consent.as_ref().map(|consent| consent.key.to_string()),
        to_json(effect)?,
        OutboxStatus::Ready.as_str(),
        0,
        effect.decided_at.0,
        effect.expires_at.map(|at| at.0),
        effect.decided_at.0,
        effect.decided_at.0,
    ])
}

/// Records outcomes, in the transaction of the entries that tell of them.
pub(super) async fn update(transaction: &DatabaseTransaction, updates: &[OutboxUpdate]) -> Result<(), StoreError> {
    for update in updates {
        let mut statement = outbox::Entity::update_many()
            .col_expr(outbox::Column::Status, Expr::value(update.status.as_str()))
            .col_expr(outbox::Column::Detail, Expr::value(update.detail.clone()))
            .col_expr(outbox::Column::UpdatedAt, Expr::value(update.at.0))
            .filter(outbox::Column::Effect.eq(update.effect.to_string()));
        if let Some(not_before) = update.not_before {
            statement = statement.col_expr(outbox::Column::NotBefore, Expr::value(not_before.0));
        }
        statement.exec(transaction).await?;
    }
    Ok(())
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

fn read_effect(row: &outbox::Model) -> Result<Effect, StoreError> {
    serde_json::from_str(&row.body).map_err(|error| StoreError::Corrupt(format!("effect {}: {error}", row.effect)))
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
        let mut claim = Claim::default();
        for row in query.all(&transaction).await? {
            let effect = read_effect(&row)?;
            let is_denied = match &row.consent {
                Some(consent) => {
                    // What a merged profile decided is subject to what its winner says since.
                    let person = identity::survivor(&transaction, effect.profile).await?;
                    let key = (person.to_string(), consent.clone());
                    deny::Entity::find_by_id(key).one(&transaction).await?.is_some_and(|said| said.denied)
                }
                None => false,
            };
            if is_denied {
                claim.suppressed.push(effect);
            } else if effect.expires_at.is_some_and(|expires_at| expires_at <= now) {
                claim.expired.push(effect);
            } else {
                claim.taken.push(Claimed { effect, attempts: row.attempts.unsigned_abs() });
            }
        }
        if !claim.taken.is_empty() {
            outbox::Entity::update_many()
                .col_expr(outbox::Column::Status, Expr::value(OutboxStatus::Taken.as_str()))
                .col_expr(outbox::Column::Attempts, Expr::col(outbox::Column::Attempts).add(1))
                .col_expr(outbox::Column::UpdatedAt, Expr::value(now.0))
                .filter(outbox::Column::Effect.is_in(claim.taken.iter().map(|one| one.effect.id.to_string())))
                .exec(&transaction)
                .await?;
        }
        let next = outbox::Entity::find()
            .filter(outbox::Column::Destination.eq(destination))
            .filter(outbox::Column::Status.eq(OutboxStatus::Ready.as_str()))
            .filter(outbox::Column::NotBefore.gt(now.0))
            .order_by_asc(outbox::Column::NotBefore)
            .one(&transaction)
            .await?;
        claim.next = next.map(|row| Timestamp(row.not_before));
        transaction.commit().await?;
        Ok(claim)
    }

    /// Effects left `Taken` by a process that died, of a destination.
    ///
    /// # Errors
    /// The database failed.
    pub async fn taken(&self, destination: &str) -> Result<Vec<Claimed>, StoreError> {
        let rows = outbox::Entity::find()
            .filter(outbox::Column::Destination.eq(destination))
            .filter(outbox::Column::Status.eq(OutboxStatus::Taken.as_str()))
            .all(&self.write)
            .await?;
        rows.iter()
            .map(|row| Ok(Claimed { effect: read_effect(row)?, attempts: row.attempts.unsigned_abs() }))
            .collect()
    }

    /// Number of effects that still wait or are being performed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outbox_open(&self) -> Result<u64, StoreError> {
        Ok(outbox::Entity::find()
            .filter(outbox::Column::Status.is_in([OutboxStatus::Ready.as_str(), OutboxStatus::Taken.as_str()]))
            .count(&self.write)
            .await?)
    }

    /// Number of effects that could be performed now, or are being performed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outbox_busy(&self, now: Timestamp) -> Result<u64, StoreError> {
        let ready = outbox::Column::Status.eq(OutboxStatus::Ready.as_str()).and(outbox::Column::NotBefore.lte(now.0));
        let taken = outbox::Column::Status.eq(OutboxStatus::Taken.as_str());
        Ok(outbox::Entity::find().filter(ready.or(taken)).count(&self.write).await?)
    }

    /// An effect by its id, with its status.
    ///
    /// # Errors
    /// The database failed.
    pub async fn effect(&self, id: EffectId) -> Result<Option<(Effect, OutboxStatus)>, StoreError> {
        let row = outbox::Entity::find_by_id(id.to_string()).one(&self.read).await?;
        row.map(|row| Ok((read_effect(&row)?, OutboxStatus::parse(&row.status)?))).transpose()
    }

    /// Effects with their status, newest first; all, or those of one status.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outbox(&self, status: Option<OutboxStatus>, limit: u64) -> Result<Vec<OutboxItem>, StoreError> {
        self.outbox_of(&Selection { statuses: status.into_iter().collect(), ..Selection::default() }, limit).await
    }

    /// Selected effects with their status, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn outbox_of(&self, selection: &Selection, limit: u64) -> Result<Vec<OutboxItem>, StoreError> {
        let rows = outbox::Entity::find()
            .filter(selection.condition())
            .order_by_desc(outbox::Column::DecidedAt)
            .order_by_asc(outbox::Column::Effect)
            .limit(limit)
            .all(&self.read)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(OutboxItem {
                    effect: read_effect(row)?,
                    status: OutboxStatus::parse(&row.status)?,
                    attempts: row.attempts.unsigned_abs(),
                    detail: row.detail.clone(),
                    updated_at: Timestamp(row.updated_at),
                })
            })
            .collect()
    }
}

/// An effect as lists show it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct OutboxItem {
    pub effect: Effect,
    pub status: OutboxStatus,
    pub attempts: u32,
    pub detail: Option<String>,
    pub updated_at: Timestamp,
}
