//! The quarantine: what was refused or set aside, kept with what is wrong with it, until it is tried again and taken.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::model::Timestamp;
use crate::model::id::hash_parts;

use super::bulk::{Bulk, Conflict, Renewal, Row, delete, row};
use super::entity::quarantine;
use super::erasure::hash;
use super::error::to_json;
use super::identity::Identifier;
use super::state::Poisoned;
use super::{Database, StoreError};

/// What was refused at the door but could be read: kept with what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    pub source: String,
    pub received_at: Timestamp,
    /// A short stable word: `invalid`, `forbidden_event`, `poison`, …
    pub code: String,
    pub mistakes: Vec<Mistake>,
    /// The call by which it came, such as `track`; `None` where that is not known, or there was none.
    pub call: Option<String>,
    /// The event as it came, as JSON, with what its request said for it.
    pub payload: String,
    /// Whom it names, as far as that could be read: kept as hashes, by which the row is found when they are to be forgotten. A
    /// row that is read has none.
    pub names: Vec<Identifier>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mistake {
    /// Where, such as `properties.products[2].price`; empty for the whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// For people: what is wrong.
    pub message: String,
}

impl Mistake {
    /// With the whole.
    #[must_use]
    pub fn of_all(message: impl Into<String>) -> Self {
        Self { path: String::new(), message: message.into() }
    }
}

impl Quarantined {
    /// Bytes that it takes in memory, about.
    #[must_use]
    pub fn held(&self) -> usize {
        let mistakes = self.mistakes.iter().map(|mistake| mistake.path.len() + mistake.message.len());
        size_of::<Self>() + self.payload.len() + mistakes.sum::<usize>()
    }

    /// All that is wrong, in one line.
    #[must_use]
    pub fn reason(&self) -> String {
        reason(&self.mistakes)
    }

    /// As programs are shown it. The payload is JSON where it can be read as such.
    #[must_use]
    pub fn shown(&self, id: &str) -> Json {
        let payload = serde_json::from_str(&self.payload).unwrap_or_else(|_| Json::from(self.payload.as_str()));
        json!({
            "id": id, "source": self.source, "received_at": self.received_at.to_string(), "code": self.code,
            "reason": self.reason(), "mistakes": self.mistakes, "call": self.call, "payload": payload,
        })
    }
}

fn reason(mistakes: &[Mistake]) -> String {
    let said = mistakes.iter().map(|Mistake { path, message }| match path.as_str() {
        "" => message.clone(),
        path => format!("{path}: {message}"),
    });
    said.collect::<Vec<_>>().join("; ")
}

/// The reason of an earlier version, taken apart: a new mistake begins where a path does.
fn apart(reason: &str) -> Vec<Mistake> {
    let mut mistakes: Vec<Mistake> = Vec::new();
    for piece in reason.split("; ") {
        let placed = piece.split_once(": ").filter(|(path, _)| !path.contains([' ', '`']));
        match (placed, mistakes.last_mut()) {
            (Some((path, message)), _) => mistakes.push(Mistake { path: path.to_owned(), message: message.to_owned() }),
            (None, Some(last)) => last.message = format!("{}; {piece}", last.message),
            (None, None) => mistakes.push(Mistake::of_all(piece)),
        }
    }
    mistakes
}

/// The payload of a row of which nothing is kept.
pub const NOTHING: &str = "{}";

/// Which rows; what is empty selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    pub ids: Vec<String>,
    pub source: Option<String>,
    /// Their codes.
    pub code: Option<String>,
    /// Only what came after this one, in the order of coming.
    pub after: Option<(Timestamp, String)>,
}

impl Held {
    fn condition(&self) -> Condition {
        let mut all = Condition::all();
        if !self.ids.is_empty() {
            all = all.add(quarantine::Column::Id.is_in(self.ids.iter().map(String::as_str)));
        }
        if let Some(source) = &self.source {
            all = all.add(quarantine::Column::Source.eq(source));
        }
        if let Some(code) = &self.code {
            all = all.add(quarantine::Column::Code.eq(code));
        }
        if let Some((at, id)) = &self.after {
            let (received_at, same) = (quarantine::Column::ReceivedAt, quarantine::Column::Id.gt(id.as_str()));
            all = all.add(received_at.gt(at.0).or(received_at.eq(at.0).and(same)));
        }
        all
    }
}

/// What trying rows again changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retried {
    /// Ids of those that are taken: they go.
    pub taken: Vec<String>,
    /// Those that are refused again, with the code and the mistakes of now.
    pub refused: Vec<(String, String, Vec<Mistake>)>,
    /// Ids of those, among the refused, of which nothing is kept but that.
    pub emptied: Vec<String>,
}

pub(super) const QUARANTINE: Bulk = Bulk {
    table: "quarantine",
    columns: &["id", "source", "received_at", "code", "reason", "payload", "mistakes", "call", "named"],
    conflict: Conflict::Ignore,
};

const REASONS: Renewal = Renewal {
    table: "quarantine",
    key: &["id"],
    columns: &["id", "code", "reason", "mistakes"],
    set: "code = news.code, reason = news.reason, mistakes = news.mistakes",
    unless: "FALSE",
};

/// Keeps what came to the door. The same thing twice in one instant is one.
pub(super) async fn write(
    transaction: &DatabaseTransaction,
    secret: &[u8],
    items: &[Quarantined],
) -> Result<(), StoreError> {
    let rows = items.iter().map(|item| {
        let reason = item.reason();
        let parts: [&[u8]; 4] =
            [item.source.as_bytes(), &item.received_at.0.to_be_bytes(), reason.as_bytes(), item.payload.as_bytes()];
        kept(format!("{:032x}", hash_parts("quarantine", &parts)), item, named(secret, &item.names))
    });
    Ok(QUARANTINE.write(transaction, rows.collect::<Result<_, _>>()?).await?)
}

/// The hashes of names, one after the other.
fn named(secret: &[u8], names: &[Identifier]) -> String {
    let hashes: Vec<String> = names.iter().map(|name| hash(secret, &name.kind, &name.value)).collect();
    hashes.join(" ")
}

/// What the engine failed on. Its payload names the profile.
pub(super) fn poison<'a>(poison: impl Iterator<Item = &'a Poisoned>) -> Result<Vec<Row>, StoreError> {
    poison.map(|poisoned| kept(poisoned.id(), &poisoned.row, String::new())).collect()
}

fn kept(id: String, item: &Quarantined, named: String) -> Result<Row, StoreError> {
    Ok(row![
        id,
        item.source.as_str(),
        item.received_at.0,
        item.code.as_str(),
        item.reason(),
        item.payload.as_str(),
        to_json(&item.mistakes)?,
        item.call.as_deref(),
        named,
    ])
}

/// Lets go of what was taken, and says of the rest what is wrong with it now.
pub(super) async fn write_retried(transaction: &DatabaseTransaction, retried: &Retried) -> Result<(), StoreError> {
    delete(transaction, "quarantine", &["id"], retried.taken.iter().map(|id| row![id.as_str()]).collect()).await?;
    let refused = retried.refused.iter().map(|(id, code, mistakes)| {
        Ok::<_, StoreError>(row![id.as_str(), code.as_str(), reason(mistakes), to_json(mistakes)?])
    });
    REASONS.write(transaction, refused.collect::<Result<_, _>>()?).await?;
    if !retried.emptied.is_empty() {
        quarantine::Entity::update_many()
            .col_expr(quarantine::Column::Payload, Expr::value(NOTHING))
            .col_expr(quarantine::Column::Named, Expr::value(""))
            .filter(quarantine::Column::Id.is_in(retried.emptied.iter().map(String::as_str)))
            .exec(transaction)
            .await?;
    }
    Ok(())
}

impl Database {
    /// The quarantine, newest first.
    ///
    /// # Errors
    /// The database failed, or a row is damaged.
    pub async fn quarantine(&self, limit: u64) -> Result<Vec<(String, Quarantined)>, StoreError> {
        let rows = quarantine::Entity::find()
            .order_by_desc(quarantine::Column::ReceivedAt)
            .order_by_asc(quarantine::Column::Id)
            .limit(limit)
            .all(&self.read)
            .await?;
        rows.into_iter().map(item).collect()
    }

    /// Selected rows in the order in which they came.
    ///
    /// # Errors
    /// The database failed, or a row is damaged.
    pub async fn quarantine_of(&self, held: &Held, limit: u64) -> Result<Vec<(String, Quarantined)>, StoreError> {
        let rows = quarantine::Entity::find()
            .filter(held.condition())
            .order_by_asc(quarantine::Column::ReceivedAt)
            .order_by_asc(quarantine::Column::Id)
            .limit(limit)
            .all(&self.read)
            .await?;
        rows.into_iter().map(item).collect()
    }

    /// What is in the quarantine under this id.
    ///
    /// # Errors
    /// The database failed, or the row is damaged.
    pub async fn quarantined(&self, id: &str) -> Result<Option<Quarantined>, StoreError> {
        let row = quarantine::Entity::find_by_id(id.to_owned()).one(&self.read).await?;
        Ok(row.map(item).transpose()?.map(|(_, item)| item))
    }
}

fn item(row: quarantine::Model) -> Result<(String, Quarantined), StoreError> {
    let quarantine::Model { id, source, received_at, code, reason, payload, mistakes, call, named: _ } = row;
    let mistakes = match mistakes {
        Some(mistakes) => serde_json::from_str(&mistakes)
            .map_err(|error| StoreError::Corrupt(format!("the quarantine, `{id}`: {error}")))?,
        None => apart(&reason),
    };
    Ok((
        id,
        Quarantined { source, received_at: Timestamp(received_at), code, mistakes, call, payload, names: Vec::new() },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_earlier_versions_come_apart_at_places_and_not_within_a_sentence() {
        let reason = "properties.price: must be a number, got a text; or nothing; traits.email: is no address";
        let told: Vec<_> = apart(reason).into_iter().map(|mistake| (mistake.path, mistake.message)).collect();
        let expected =
            [("properties.price", "must be a number, got a text; or nothing"), ("traits.email", "is no address")];
        assert_eq!(told, expected.map(|(path, message)| (path.to_owned(), message.to_owned())));
        let whole = "the engine could not apply it: index out of bounds; `x`: y";
        assert_eq!(apart(whole), [Mistake::of_all(whole)]);
        assert_eq!(super::reason(&apart(reason)), reason);
    }
}
