//! The outbox: effects between decision and outcome.

use std::collections::BTreeMap;

use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::engine::transition::{AUDIENCE_SYNC, Origin};
use crate::engine::{Effect, EffectBody};
use crate::model::packed::{self, PackedError};
use crate::model::value::ValueMap;
use crate::model::{EffectId, Timestamp, Value};

use super::bulk::{Bulk, Conflict, Renewal, Row, row};
use super::claim;
pub use super::claim::{Claim, Claimed, DomainRoom, Domains, Room};
use super::dead_letters::Selection;
use super::entity::outbox;
use super::error::parse_id;
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
        "lane",
        "queue",
        "ordinal",
    ],
    // An effect is decided once; a second decision of the same id is the first one, replayed.
    conflict: Conflict::Ignore,
};

/// The row of an effect that was just decided.
pub(super) fn decided(effect: &Effect) -> Row {
    let origin = effect.origin.as_ref();
    row![
        effect.id.to_string(),
        effect.profile.to_string(),
        effect.destination.as_str(),
        effect.body.kind(),
        origin.map(|origin| origin.journey.as_str()),
        origin.map(|origin| origin.run.to_string()),
        origin.map(|origin| origin.step.as_str()),
        effect.consent.as_ref().map(|consent| consent.key.to_string()),
        packed::pack(effect),
        OutboxStatus::Ready.as_str(),
        0,
        effect.decided_at.0,
        effect.expires_at.map(|at| at.0),
        effect.decided_at.0,
        effect.decided_at.0,
        claim::lane(effect),
        "",
        effect.body.ordinal() as i64,
    ]
}

const STANDINGS: Renewal = Renewal {
    table: "outbox",
    key: &["effect"],
    columns: &["effect", "status", "detail", "updated_at", "not_before"],
    // What is to be tried again joins the others once more.
    set: "queue = '', status = news.status, detail = news.detail, updated_at = news.updated_at, \
          not_before = COALESCE(news.not_before, outbox.not_before)",
    // It may have been dropped between an outcome whose answer was lost and its being told once more.
    unless: "outbox.status = 'dropped'",
};

/// Records outcomes, in the transaction of the entries that tell of them. What is said last of an effect holds; what
/// somebody dropped stays so.
pub(super) async fn update(transaction: &DatabaseTransaction, updates: &[OutboxUpdate]) -> Result<(), StoreError> {
    let mut last: BTreeMap<EffectId, OutboxUpdate> = BTreeMap::new();
    for update in updates {
        let earlier = last.get(&update.effect).and_then(|earlier| earlier.not_before);
        let not_before = update.not_before.or(earlier);
        last.insert(update.effect, OutboxUpdate { not_before, ..update.clone() });
    }
    let rows = last.into_values().map(|update| {
        let not_before = update.not_before.map(|at| at.0);
        row![update.effect.to_string(), update.status.as_str(), update.detail, update.at.0, not_before]
    });
    Ok(STANDINGS.write(transaction, rows.collect()).await?)
}

pub(super) fn read_effect(row: &outbox::Model) -> Result<Effect, PackedError> {
    packed::unpack(&row.body)
}

/// An effect as it is, or where it is damaged as far as its other columns tell: it is known that there is one, whose, and
/// by which step.
pub(super) fn read_what_is_known(row: &outbox::Model) -> Result<Effect, StoreError> {
    read_effect(row).or_else(|_| outline(row))
}

fn outline(row: &outbox::Model) -> Result<Effect, StoreError> {
    let origin = match (&row.journey, &row.run, &row.step) {
        (Some(journey), Some(run), Some(step)) => {
            Some(Origin { journey: journey.clone(), run: parse_id(run)?, step: step.clone() })
        }
        _ => None,
    };
    let body = match row.channel.as_str() {
        AUDIENCE_SYNC => EffectBody::Audience {
            audience: String::new(),
            add: true,
            identifiers: BTreeMap::new(),
            change: row.ordinal.unsigned_abs(),
        },
        "email" => EffectBody::Email {
            to: String::new(),
            template: String::new(),
            subject: String::new(),
            variables: ValueMap::new(),
        },
        _ => EffectBody::Webhook { body: Value::Null, variables: ValueMap::new() },
    };
    Ok(Effect {
        id: parse_id(&row.effect)?,
        profile: parse_id(&row.profile)?,
        destination: row.destination.clone(),
        origin,
        consent: None,
        decided_at: Timestamp(row.decided_at),
        expires_at: row.expires_at.map(Timestamp),
        body,
    })
}

impl Database {
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
            // What is damaged is seen to by the claim.
            .map(|row| Ok(Claimed { effect: read_what_is_known(row)?, attempts: row.attempts.unsigned_abs() }))
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
        row.map(|row| Ok((read_what_is_known(&row)?, OutboxStatus::parse(&row.status)?))).transpose()
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
                    effect: read_what_is_known(row)?,
                    status: OutboxStatus::parse(&row.status)?,
                    attempts: row.attempts.unsigned_abs(),
                    detail: row.detail.clone(),
                    updated_at: Timestamp(row.updated_at),
                    waits: Waits::of(row),
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
    /// What it waits for, where it is ready and that is known.
    pub waits: Option<Waits>,
}

/// What an effect that is ready waits for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Waits {
    /// It was tried, and is tried again then.
    Until(Timestamp),
    /// The limits of this domain.
    Limit(String),
}

impl Waits {
    fn of(row: &outbox::Model) -> Option<Self> {
        match row {
            _ if row.status != OutboxStatus::Ready.as_str() => None,
            _ if !row.queue.is_empty() => Some(Self::Limit(row.queue.clone())),
            _ => (row.not_before > row.updated_at).then_some(Self::Until(Timestamp(row.not_before))),
        }
    }
}
