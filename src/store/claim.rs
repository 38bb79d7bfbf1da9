//! Taking effects from the outbox, to be performed now: a few queries a claim, however many it takes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement, Value,
};

use crate::engine::{Effect, EffectBody};
use crate::lang::rules::MessageClass;
use crate::model::{ConsentKey, ProfileId, Timestamp};

use super::entity::{deny, erased_profile, outbox};
use super::error::parse_id;
use super::home;
use super::identity;
use super::outbox::{OutboxStatus, read_effect, read_what_is_known};
use super::{Database, StoreError};

/// An effect taken from the outbox, to be performed now.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    pub effect: Effect,
    /// How often it was tried before.
    pub attempts: u32,
}

/// What a claim may take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// Effects at most, those that are stopped at the door included.
    pub effects: usize,
    /// The lane that was served last: the turns go on with the one after it.
    pub served: Option<String>,
    /// Where the channel has limits by domain.
    pub domains: Option<Domains>,
}

/// What the limits by domain leave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Domains {
    pub room: DomainRoom,
    /// The queues of domains that have room, to be looked at besides the queue of all.
    pub queues: Vec<String>,
}

/// How many effects may be taken for each domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainRoom {
    pub known: BTreeMap<String, usize>,
    pub others: usize,
}

/// What a claim found.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    pub taken: Vec<Claimed>,
    /// Withdrawn consent met them at the door (a deny row), or their person was erased. Left as they are: the caller reports them by an
    /// [`OutboxUpdate`](super::outbox::OutboxUpdate) to `Suppressed`, together with the event that tells of it.
    pub suppressed: Vec<Effect>,
    /// Too late: likewise left to the caller, to `Expired`.
    pub expired: Vec<Effect>,
    /// They cannot be read, for the reason beside what is known of them: likewise left to the caller, to `Failed`.
    pub damaged: Vec<(Effect, String)>,
    /// Domains of which more waits than there was room for.
    pub aside: BTreeSet<String>,
    /// Queues of [`Domains::queues`] in which nothing is ready.
    pub drained: Vec<String>,
    /// For the [`Room`] of the next claim.
    pub served: Option<String>,
    /// The next instant at which a waiting effect of this destination becomes ready.
    pub next: Option<Timestamp>,
}

impl Room {
    /// For so many effects, whosever turn it is.
    #[must_use]
    pub fn of(effects: usize) -> Self {
        Self { effects, ..Self::default() }
    }

    fn queues(&self) -> &[String] {
        self.domains.as_ref().map_or(&[], |domains| &domains.queues)
    }
}

impl Claim {
    fn len(&self) -> usize {
        self.taken.len() + self.suppressed.len() + self.expired.len() + self.damaged.len()
    }
}

/// The lane of an effect: effects of one destination are taken in turns, one a lane, those of urgent lanes first. What
/// nobody has to consent to, or what is transactional, is urgent; then each journey has its lane.
pub(super) fn lane(effect: &Effect) -> String {
    let is_marketing = effect.consent.as_ref().is_some_and(|consent| consent.class == MessageClass::Marketing);
    let journey = effect.origin.as_ref().map_or("", |origin| origin.journey.as_str());
    format!("{}{journey}", u8::from(is_marketing))
}

/// Effects that are looked at where some may have to be put aside: many are then put aside in one transaction.
const LOOK_AT: usize = 256;

/// The profiles and consents, of those that these rows are about, that are withdrawn, and whose person was erased.
struct Denied {
    survivors: HashMap<ProfileId, ProfileId>,
    said: BTreeSet<(String, String)>,
    /// Those of the profiles whose person was erased.
    erased: BTreeSet<String>,
}

impl Denied {
    async fn read(transaction: &DatabaseTransaction, rows: &[outbox::Model]) -> Result<Self, StoreError> {
        let is_asking = |row: &&outbox::Model| row.consent.is_some() || row.channel != "webhook";
        let asking = rows.iter().filter(is_asking).map(|row| parse_id(&row.profile));
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
        let profiles: BTreeSet<&str> = rows.iter().map(|row| row.profile.as_str()).collect();
        let erased = if profiles.is_empty() {
            Vec::new()
        } else {
            erased_profile::Entity::find()
                .filter(erased_profile::Column::Profile.is_in(profiles))
                .all(transaction)
                .await?
        };
        Ok(Self { survivors, said, erased: erased.into_iter().map(|row| row.profile).collect() })
    }

    fn concerns(&self, row: &outbox::Model, effect: &Effect) -> bool {
        if self.erased.contains(&row.profile) {
            return !effect.body.is_removal();
        }
        let person = self.survivors.get(&effect.profile).copied().unwrap_or(effect.profile).to_string();
        let is_refused = |consent: String| self.said.contains(&(person.clone(), consent));
        row.consent.clone().is_some_and(is_refused)
            || (reaches_the_person(&effect.body) && is_refused(ConsentKey::Everything.to_string()))
    }
}

/// Whether it is what a suppression stops: a message, or a place in an audience. A webhook tells a system of ours.
fn reaches_the_person(body: &EffectBody) -> bool {
    match body {
        EffectBody::Email { .. } => true,
        EffectBody::Audience { add, .. } => *add,
        EffectBody::Webhook { .. } => false,
    }
}

impl Database {
    /// Takes ready effects of a destination as far as there is `room`, in turns, and marks them `Taken` in one
    /// transaction that looks at the deny rows and at expiry. What is beyond a domain's limit is put aside.
    ///
    /// # Errors
    /// The database failed: nothing was taken.
    pub async fn claim(&self, destination: &str, now: Timestamp, room: &Room) -> Result<Claim, StoreError> {
        let transaction = self.begin().await?;
        let mut claim = Claim { served: room.served.clone(), ..Claim::default() };
        // A copy sends nothing before a person says so.
        if home::held(&transaction).await?.is_some() {
            return Ok(claim);
        }
        let found = find_candidates(&transaction, destination, now, room, &mut claim.drained).await?;
        let rows = lock(&transaction, &found).await?;
        let denied = Denied::read(&transaction, &rows).await?;
        let mut domains = room.domains.as_ref().map(|domains| domains.room.clone());
        let mut aside: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows {
            if claim.len() >= room.effects {
                break;
            }
            let effect = match read_effect(&row) {
                Ok(effect) => effect,
                Err(error) => {
                    claim.damaged.push((read_what_is_known(&row)?, error.to_string()));
                    continue;
                }
            };
            if denied.concerns(&row, &effect) {
                claim.suppressed.push(effect);
            } else if effect.expires_at.is_some_and(|expires_at| expires_at <= now) {
                claim.expired.push(effect);
            } else if let Some(domain) = take_room(domains.as_mut(), &effect) {
                if row.queue.is_empty() {
                    aside.entry(domain.clone()).or_default().push(row.effect);
                }
                claim.aside.insert(domain);
            } else {
                claim.served = Some(row.lane);
                claim.taken.push(Claimed { effect, attempts: row.attempts.unsigned_abs() });
            }
        }
        mark_taken(&transaction, &claim.taken, now).await?;
        put_aside(&transaction, &aside).await?;
        claim.next = next_ready(&transaction, destination, now).await?;
        transaction.commit().await?;
        Ok(claim)
    }

    /// The domains for which effects of a destination were put aside.
    ///
    /// # Errors
    /// The database failed.
    pub async fn queues(&self, destination: &str) -> Result<BTreeSet<String>, StoreError> {
        // From one to the next by the index. `MIN` would be the same, and PostgreSQL would rather look at everything for it
        // while it has no statistics.
        let sql = "WITH RECURSIVE queues (queue) AS (\
                   SELECT (SELECT first.queue FROM outbox first WHERE first.status = 'ready' \
                   AND first.destination = $1 AND first.queue > '' ORDER BY first.queue LIMIT 1) \
                   UNION ALL SELECT (SELECT later.queue FROM outbox later WHERE later.status = 'ready' \
                   AND later.destination = $1 AND later.queue > queues.queue ORDER BY later.queue LIMIT 1) \
                   FROM queues WHERE queues.queue IS NOT NULL) \
                   SELECT queue FROM queues WHERE queue IS NOT NULL";
        let statement = Statement::from_sql_and_values(self.write.get_database_backend(), sql, [destination.into()]);
        let rows = self.write.query_all_raw(statement).await?;
        Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
    }
}

/// Takes a place of the effect's domain; the domain's name where it has none left.
fn take_room(domains: Option<&mut DomainRoom>, effect: &Effect) -> Option<String> {
    let (domains, domain) = (domains?, effect.body.domain()?);
    let left = domains.known.entry(domain.clone()).or_insert(domains.others);
    if *left == 0 {
        return Some(domain);
    }
    *left -= 1;
    None
}

/// The effects that may be taken, in the order of their turns: of the queue of all, and of those of domains.
async fn find_candidates(
    transaction: &DatabaseTransaction,
    destination: &str,
    now: Timestamp,
    room: &Room,
    drained: &mut Vec<String>,
) -> Result<Vec<String>, StoreError> {
    // Some of what is found may have to be put aside.
    let look_at = if room.domains.is_some() { room.effects.max(LOOK_AT) } else { room.effects };
    let backend = transaction.get_database_backend();
    let mut turns: Vec<(String, i64, String)> = Vec::new();
    for queue in std::iter::once("").chain(room.queues().iter().map(String::as_str)) {
        let limit = if queue.is_empty() { look_at } else { room.effects };
        let values: [Value; 5] = [
            destination.into(),
            queue.into(),
            now.0.into(),
            (limit as i64).into(),
            room.served.as_deref().unwrap_or_default().into(),
        ];
        let found =
            transaction.query_all_raw(Statement::from_sql_and_values(backend, turns_of(backend), values)).await?;
        if found.is_empty() && !queue.is_empty() {
            drained.push(queue.to_owned());
        }
        for row in found {
            turns.push((row.try_get("", "urgency")?, row.try_get("", "turn")?, row.try_get("", "effect")?));
        }
    }
    // Queues take turns as lanes do.
    turns.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    Ok(turns.into_iter().map(|(_, _, effect)| effect).collect())
}

/// The effects of a queue in the order of their turns. It goes from lane to lane by the index `outbox_turn` and looks at
/// the first few of each, so that it costs as much as there are lanes, however many effects wait in them. Those whose
/// older change is on its way take nobody's place.
///
/// `$1` is the destination, `$2` the queue, `$3` the present, `$4` how many, `$5` the lane that was served last.
fn turns_of(backend: DbBackend) -> String {
    let first_of_lane = format!(
        "SELECT due.effect, due.lane, due.not_before FROM outbox due WHERE due.status = 'ready' AND due.destination = $1 \
         AND due.queue = $2 AND due.lane = lanes.lane AND due.not_before <= $3 AND NOT ({IS_BEHIND}) \
         ORDER BY due.not_before, due.effect LIMIT $4"
    );
    let due = match backend {
        DbBackend::Postgres => format!("CROSS JOIN LATERAL ({first_of_lane}) first"),
        _ => format!(
            "JOIN outbox first ON first.effect IN ({})",
            first_of_lane.replacen("due.effect, due.lane, due.not_before", "due.effect", 1)
        ),
    };
    format!(
        "WITH RECURSIVE lanes (lane) AS (\
         SELECT (SELECT head.lane FROM outbox head WHERE head.status = 'ready' \
         AND head.destination = $1 AND head.queue = $2 ORDER BY head.lane LIMIT 1) \
         UNION ALL SELECT (SELECT later.lane FROM outbox later WHERE later.status = 'ready' \
         AND later.destination = $1 AND later.queue = $2 AND later.lane > lanes.lane ORDER BY later.lane LIMIT 1) \
         FROM lanes WHERE lanes.lane IS NOT NULL), \
         turns AS (SELECT first.effect AS effect, first.lane AS lane, substr(first.lane, 1, 1) AS urgency, \
         ROW_NUMBER() OVER (PARTITION BY first.lane ORDER BY first.not_before, first.effect) AS turn \
         FROM lanes {due} WHERE lanes.lane IS NOT NULL) \
         SELECT effect, urgency, turn FROM turns \
         ORDER BY urgency, turn, CASE WHEN lane > $5 THEN 0 ELSE 1 END, lane LIMIT $4"
    )
}

/// Whether an older change of a person's place in an audience is still on its way: a late `add` must not overtake the
/// `remove` that follows it.
const IS_BEHIND: &str = "due.channel = 'audience_sync' AND EXISTS (SELECT 1 FROM outbox older \
     WHERE older.profile = due.profile AND older.destination = due.destination AND older.status IN ('ready', 'taken') \
     AND (older.decided_at < due.decided_at OR (older.decided_at = due.decided_at AND older.ordinal < due.ordinal)))";

/// The rows of these effects, in this order, without those that another process holds or took meanwhile.
async fn lock(transaction: &DatabaseTransaction, effects: &[String]) -> Result<Vec<outbox::Model>, StoreError> {
    if effects.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = outbox::Entity::find()
        .filter(outbox::Column::Effect.is_in(effects.iter().map(String::as_str)))
        .filter(outbox::Column::Status.eq(OutboxStatus::Ready.as_str()));
    if transaction.get_database_backend() == DbBackend::Postgres {
        query = query.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    }
    let places: HashMap<&str, usize> = effects.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
    let mut rows = query.all(transaction).await?;
    rows.sort_by_key(|row| places.get(row.effect.as_str()).copied());
    Ok(rows)
}

/// Effects beyond the limits of their domains wait in queues of their own, where they are in nobody's way.
async fn put_aside(transaction: &DatabaseTransaction, aside: &BTreeMap<String, Vec<String>>) -> Result<(), StoreError> {
    for (domain, effects) in aside {
        outbox::Entity::update_many()
            .col_expr(outbox::Column::Queue, Expr::value(domain.as_str()))
            .filter(outbox::Column::Effect.is_in(effects.iter().map(String::as_str)))
            .exec(transaction)
            .await?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What SQLite says of how it goes about a query.
    async fn plan(store: &Database, sql: &str) -> String {
        let values: [Value; 5] = ["crm".into(), "".into(), 100_i64.into(), 8_i64.into(), "".into()];
        let statement = Statement::from_sql_and_values(DbBackend::Sqlite, format!("EXPLAIN QUERY PLAN {sql}"), values);
        let rows = store.write.query_all_raw(statement).await.unwrap();
        rows.iter().map(|row| row.try_get::<String>("", "detail").unwrap() + "\n").collect()
    }

    #[tokio::test]
    async fn a_claim_looks_at_the_heads_of_lanes_and_walks_through_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Database::open(&format!("sqlite://{}", folder.path().join("t.db").display())).await.unwrap();
        let plan = plan(&store, &turns_of(DbBackend::Sqlite)).await;
        for line in plan.lines().filter(|line| line.contains("SCAN")) {
            assert!(["lanes", "turns", "subquery", "CONSTANT"].iter().any(|own| line.contains(own)), "{line}\n{plan}");
        }
        let heads = "SEARCH due USING INDEX outbox_turn (destination=? AND queue=? AND lane=? AND not_before<?)";
        assert!(plan.contains(heads), "{plan}");
        assert!(!plan.contains("USE TEMP B-TREE FOR ORDER BY\nSEARCH due"), "{plan}");
    }
}
