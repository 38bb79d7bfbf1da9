//! Version 3: what is at rest is packed, and the history holds what was saved together as one row.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait, IntoIden};
use sea_orm::{ConnectionTrait, DbBackend, Schema};
use sea_orm_migration::prelude::*;

use crate::engine::MembershipChange;
use crate::model::platform_event::EMAIL_CLICKED;
use crate::model::{Event, Offset, ProfileId, Timestamp, Value};
use crate::store::StoreError;
use crate::store::entity::{event_tally, history, journey_step, outbox, profile, segment_day};
use crate::store::facts::CLICKED;
use crate::store::history::{HistoryItem, Stretch, write_stretches};
use crate::store::tally::Tally;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

/// The history as version 1 had it: one row an event.
#[derive(DeriveIden)]
enum HistoryV1 {
    #[sea_orm(iden = "history_v1")]
    Table,
    Entry,
    Profile,
    ReceivedAt,
    Event,
}

/// Changes of memberships, which had a table of their own.
#[derive(DeriveIden)]
enum MembershipChangeV1 {
    #[sea_orm(iden = "membership_change")]
    Table,
    Profile,
    Segment,
    At,
    Entered,
    Cause,
}

/// Rows that are converted at once.
const PAGE: u64 = 5_000;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// May be cut off anywhere and begun again: the old rows go last.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let schema = Schema::new(manager.get_database_backend());
        for mut table in
            [schema.create_table_from_entity(event_tally::Entity), schema.create_table_from_entity(segment_day::Entity)]
        {
            manager.create_table(table.if_not_exists().to_owned()).await?;
        }
        // Version 1 makes its tables as they are today, so in a new database nothing is old.
        if !manager.has_column("history", "events").await? && !manager.has_table("history_v1").await? {
            let rename = Table::rename().table(history::Entity, HistoryV1::Table).to_owned();
            manager.rename_table(rename).await?;
        }
        if manager.has_table("history_v1").await? {
            if !manager.has_table("history").await? {
                manager.create_table(schema.create_table_from_entity(history::Entity)).await?;
            }
            let database = manager.get_connection();
            for table in [history::Entity.into_table_ref(), event_tally::Entity.into_table_ref()] {
                database.execute(&Query::delete().from_table(table).to_owned()).await?;
            }
            database.execute(&Query::delete().from_table(segment_day::Entity).to_owned()).await?;
            let mut tally = Tally::default();
            convert_events(database, &mut tally).await?;
            convert_changes(database, &mut tally).await?;
            tally.write(database).await.map_err(of_store)?;
            to_bytes(database).await?;
            manager.drop_table(Table::drop().table(MembershipChangeV1::Table).to_owned()).await?;
            manager.drop_table(Table::drop().table(HistoryV1::Table).to_owned()).await?;
        }
        change_indexes(manager).await
    }
}

fn of_store(error: StoreError) -> DbErr {
    DbErr::Custom(error.to_string())
}

/// Moves the old rows into the new table, and counts them.
async fn convert_events(database: &impl ConnectionTrait, tally: &mut Tally) -> Result<(), DbErr> {
    let mut last = (String::new(), 0_i64);
    loop {
        let (profile, entry) = (Expr::col(HistoryV1::Profile), Expr::col(HistoryV1::Entry));
        let same = profile.clone().eq(last.0.clone()).and(entry.gt(last.1));
        let query = Query::select()
            .columns([HistoryV1::Entry, HistoryV1::Profile, HistoryV1::ReceivedAt, HistoryV1::Event])
            .from(HistoryV1::Table)
            .cond_where(profile.gt(last.0.clone()).or(same))
            .order_by(HistoryV1::Profile, Order::Asc)
            .order_by(HistoryV1::Entry, Order::Asc)
            .limit(PAGE)
            .to_owned();
        let mut stretches: BTreeMap<ProfileId, Stretch> = BTreeMap::new();
        for row in database.query_all(&query).await? {
            last = (row.try_get("", "profile")?, row.try_get("", "entry")?);
            let unreadable = |error: &dyn std::fmt::Display| {
                DbErr::Custom(format!("the event at offset {} cannot be read: {error}", last.1))
            };
            let event: Event =
                serde_json::from_str(&row.try_get::<String>("", "event")?).map_err(|e| unreadable(&e))?;
            let received_at = Timestamp(row.try_get("", "received_at")?);
            let profile = last.0.parse().map_err(|e| unreadable(&e))?;
            let item = HistoryItem { offset: Offset(last.1 as u64), received_at, event };
            write_click(database, &item).await?;
            Stretch::of(&mut stretches, profile).items.push(item);
        }
        if stretches.is_empty() {
            return Ok(());
        }
        let stretches: Vec<Stretch> = stretches.into_values().collect();
        stretches.iter().for_each(|stretch| tally.events(stretch.items.iter().map(|item| &item.event)));
        write_stretches(database, stretches.iter()).await.map_err(of_store)?;
    }
}

/// Likewise, profile by profile: few change so often that their changes would not fit into memory.
async fn convert_changes(database: &impl ConnectionTrait, tally: &mut Tally) -> Result<(), DbErr> {
    let mut last = String::new();
    loop {
        let next = Query::select()
            .expr_as(Expr::col(MembershipChangeV1::Profile).min(), "profile")
            .from(MembershipChangeV1::Table)
            .and_where(Expr::col(MembershipChangeV1::Profile).gt(last.clone()))
            .to_owned();
        let Some(row) = database.query_one(&next).await? else { return Ok(()) };
        let Some(profile) = row.try_get::<Option<String>>("", "profile")? else { return Ok(()) };
        last.clone_from(&profile);
        let unreadable = |error: &dyn std::fmt::Display| DbErr::Custom(format!("profile {profile}: {error}"));
        let query = Query::select()
            .columns([MembershipChangeV1::Segment, MembershipChangeV1::At, MembershipChangeV1::Entered])
            .column(MembershipChangeV1::Cause)
            .from(MembershipChangeV1::Table)
            .and_where(Expr::col(MembershipChangeV1::Profile).eq(profile.clone()))
            .order_by(MembershipChangeV1::At, Order::Asc)
            .to_owned();
        let (id, mut changes) = (profile.parse().map_err(|e| unreadable(&e))?, Vec::new());
        for row in database.query_all(&query).await? {
            let cause = serde_json::Value::String(row.try_get("", "cause")?);
            changes.push(MembershipChange {
                segment: row.try_get("", "segment")?,
                entered: row.try_get("", "entered")?,
                at: Timestamp(row.try_get("", "at")?),
                cause: serde_json::from_value(cause).map_err(|e| unreadable(&e))?,
            });
        }
        tally.changes(&changes);
        let stretch: Stretch = Stretch { profile: id, items: Vec::new(), changes };
        write_stretches(database, std::iter::once(&stretch)).await.map_err(of_store)?;
    }
}

/// Clicks were found in the history; now they stand with the step.
async fn write_click(database: &impl ConnectionTrait, item: &HistoryItem) -> Result<(), DbErr> {
    if item.event.name != EMAIL_CLICKED {
        return Ok(());
    }
    let of = |name: &str| item.event.properties.get(name).and_then(Value::as_text).map(str::to_owned);
    let (Some(run), Some(journey), Some(step)) = (of("run_id"), of("journey"), of("step")) else { return Ok(()) };
    let row = journey_step::ActiveModel {
        run: sea_orm::Set(run),
        step: sea_orm::Set(step),
        at: sea_orm::Set(item.received_at.0),
        outcome: sea_orm::Set(CLICKED.to_owned()),
        journey: sea_orm::Set(journey),
        detail: sea_orm::Set(of("effect_id")),
    };
    let insert = <journey_step::Entity as sea_orm::EntityTrait>::insert(row);
    insert.on_conflict(OnConflict::new().do_nothing().to_owned()).exec_without_returning(database).await?;
    Ok(())
}

/// Texts become bytes; what is in them stays.
async fn to_bytes(database: &impl ConnectionTrait) -> Result<(), DbErr> {
    for (table, column) in [("profile", "snapshot"), ("journal_block", "entries")] {
        let statement = match database.get_database_backend() {
            DbBackend::Postgres => {
                format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE bytea USING convert_to({column}::text, 'UTF8')")
            }
            _ => format!("UPDATE {table} SET {column} = CAST({column} AS BLOB)"),
        };
        database.execute_unprepared(&statement).await?;
    }
    Ok(())
}

/// What is looked up by two columns together has an index of both.
async fn change_indexes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    for (table, column) in [("profile", "wake"), ("profile", "shard"), ("outbox", "status"), ("outbox", "destination")]
    {
        let drop = Index::drop().name(format!("{table}_{column}")).table(table.into_iden()).if_exists().to_owned();
        manager.drop_index(drop).await?;
    }
    let profile = profile::Entity.into_table_ref();
    index(manager, "profile_shard_wake", profile, &["shard", "wake"]).await?;
    let history = history::Entity.into_table_ref();
    index(manager, "history_profile_last_entry", history, &["profile", "last_entry"]).await?;
    let outbox = outbox::Entity.into_table_ref();
    let claimed_by = ["status", "destination", "not_before"];
    index(manager, "outbox_status_destination_not_before", outbox, &claimed_by).await
}

async fn index(
    manager: &SchemaManager<'_>,
    name: &'static str,
    table: TableRef,
    columns: &[&'static str],
) -> Result<(), DbErr> {
    let mut index = Index::create();
    index.name(name).table(table).if_not_exists();
    for column in columns {
        index.col(*column);
    }
    manager.create_index(index).await
}
