//! Version 3: what is at rest is packed, and the history holds what was saved together as one row.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait, IntoIden};
use sea_orm::{ConnectionTrait, DbBackend, Schema};
use sea_orm_migration::prelude::*;

use crate::model::platform_event::EMAIL_CLICKED;
use crate::model::{Event, Offset, ProfileId, Timestamp, Value};
use crate::store::entity::{event_tally, history, journey_step, outbox, profile};
use crate::store::facts::CLICKED;
use crate::store::history::{HistoryItem, Stretch, tally, write_stretches, write_tallies};

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

/// Rows that are converted at once.
const PAGE: u64 = 5_000;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// May be cut off anywhere and begun again: the old rows go last.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let schema = Schema::new(manager.get_database_backend());
        if !manager.has_table("event_tally").await? {
            manager.create_table(schema.create_table_from_entity(event_tally::Entity)).await?;
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
            convert(manager.get_connection()).await?;
            to_bytes(manager.get_connection()).await?;
            manager.drop_table(Table::drop().table(HistoryV1::Table).to_owned()).await?;
        }
        change_indexes(manager).await
    }
}

/// Moves the old rows into the new table, and gathers what was counted from them.
async fn convert(database: &impl ConnectionTrait) -> Result<(), DbErr> {
    let mut last = (String::new(), 0_i64);
    let mut tallies = BTreeMap::new();
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
        let mut page: Vec<(ProfileId, HistoryItem)> = Vec::new();
        for row in database.query_all(&query).await? {
            last = (row.try_get("", "profile")?, row.try_get("", "entry")?);
            let unreadable = |error: &dyn std::fmt::Display| {
                DbErr::Custom(format!("the event at offset {} cannot be read: {error}", last.1))
            };
            let event: Event =
                serde_json::from_str(&row.try_get::<String>("", "event")?).map_err(|e| unreadable(&e))?;
            let received_at = Timestamp(row.try_get("", "received_at")?);
            let profile = last.0.parse().map_err(|e| unreadable(&e))?;
            page.push((profile, HistoryItem { offset: Offset(last.1 as u64), received_at, event }));
        }
        if page.is_empty() {
            break;
        }
        write_page(database, page, &mut tallies).await?;
    }
    database.execute(&Query::delete().from_table(event_tally::Entity).to_owned()).await?;
    write_tallies(database, tallies).await.map_err(|error| DbErr::Custom(error.to_string()))
}

async fn write_page(
    database: &impl ConnectionTrait,
    page: Vec<(ProfileId, HistoryItem)>,
    tallies: &mut BTreeMap<String, (i64, i64)>,
) -> Result<(), DbErr> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (profile, item) in page {
        write_click(database, &item).await?;
        match stretches.last_mut() {
            Some(stretch) if stretch.profile == profile => stretch.items.push(item),
            _ => stretches.push(Stretch { profile, items: vec![item] }),
        }
    }
    for stretch in &stretches {
        tally(tallies, &stretch.items);
    }
    write_stretches(database, &stretches).await.map_err(|error| DbErr::Custom(error.to_string()))
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
    let wakes = Index::create()
        .name("profile_shard_wake")
        .table(profile::Entity)
        .col(profile::Column::Shard)
        .col(profile::Column::Wake)
        .if_not_exists()
        .to_owned();
    manager.create_index(wakes).await?;
    let claims = Index::create()
        .name("outbox_status_destination_not_before")
        .table(outbox::Entity)
        .col(outbox::Column::Status)
        .col(outbox::Column::Destination)
        .col(outbox::Column::NotBefore)
        .if_not_exists()
        .to_owned();
    manager.create_index(claims).await
}
