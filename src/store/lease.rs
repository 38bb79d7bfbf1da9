//! One owner of a PostgreSQL database at a time: a lease with a fencing number, by the database's own clock.
//!
//! The owner renews its lease; whoever finds it expired takes it over and raises the number. Every transaction of the
//! owner holds on to the row with its own number, so that a server that was away for longer than its lease (stopped,
//! swapped out, cut off) writes nothing any more, whatever it had under way, and a takeover waits for what is being
//! committed. The schema is changed under the lease as well. SQLite has a lock file instead: see [`super::open::lock`].

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, Schema, Statement, TransactionTrait,
};

use crate::model::Timestamp;

use super::entity::lease;
use super::{Database, StoreError};

/// How long an owner may be silent before another takes its place.
const LEASE: Duration = Duration::from_secs(5);
/// How often it renews.
pub const RENEWAL: Duration = Duration::from_secs(1);
/// An owner that stops in the middle of a transaction keeps others away until the database has ended that.
pub(super) const IDLE_TRANSACTION: Duration = LEASE;
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The database's clock, in milliseconds.
const NOW: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

/// The table and its one row, where they are not there.
pub(super) async fn make_table(database: &impl ConnectionTrait) -> Result<(), DbErr> {
    let schema = Schema::new(database.get_database_backend());
    database.execute(schema.create_table_from_entity(lease::Entity).if_not_exists()).await?;
    let nobody =
        "INSERT INTO lease (fence, holder, since, until) SELECT 0, '', 0, 0 WHERE NOT EXISTS (SELECT 1 FROM lease)";
    database.execute_unprepared(nobody).await?;
    Ok(())
}

/// Servers that meet at an empty database make the table one after the other: the number of a lock that is nobody else's.
const MAKING: i64 = 0x7469_6465;

impl Database {
    /// Makes this handle the one that writes. Where another server has the database, waits to see whether that still
    /// lives: its lease is taken over once it expires. `holder` tells people who it is. On SQLite there is nothing to do.
    ///
    /// # Errors
    /// Another server has the database and lives, or the database failed.
    pub async fn own(self, holder: &str) -> Result<Self, StoreError> {
        if self.write.get_database_backend() != DbBackend::Postgres {
            return Ok(self);
        }
        self.make_room().await?;
        let mut seen: Option<lease::Model> = None;
        loop {
            if let Some(fence) = self.take(holder).await? {
                return Ok(Self { fence: Some(fence), ..self });
            }
            let held = self.held().await?;
            match &seen {
                None => tracing::warn!(holder = held.holder, "another server has this database; waiting for its lease"),
                Some(before) if *before != held => return Err(StoreError::Unusable(in_use(&held))),
                Some(_) => {}
            }
            seen = Some(held);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Keeps the lease for as long again.
    ///
    /// # Errors
    /// [`StoreError::Superseded`] where another server has taken over; or the database failed.
    pub async fn renew(&self) -> Result<(), StoreError> {
        let Some(fence) = self.fence else { return Ok(()) };
        let sql = format!("UPDATE lease SET until = {NOW} + $2 WHERE fence = $1");
        let statement = postgres(&sql, [fence.into(), millis(LEASE).into()]);
        let renewed = self.write.execute_raw(statement).await?;
        if renewed.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Superseded) }
    }

    /// Gives the lease back, so that the next server need not wait.
    ///
    /// # Errors
    /// The database failed.
    pub async fn disown(&self) -> Result<(), StoreError> {
        if let Some(fence) = self.fence {
            self.write.execute_raw(postgres("UPDATE lease SET until = 0 WHERE fence = $1", [fence.into()])).await?;
        }
        Ok(())
    }

    async fn make_room(&self) -> Result<(), StoreError> {
        let transaction = self.write.begin().await?;
        transaction.execute_raw(postgres("SELECT pg_advisory_xact_lock($1)", [MAKING.into()])).await?;
        make_table(&transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Whether a server has the database now, and which: for those who are about to change its schema beside it.
    pub(super) async fn owner(&self) -> Result<Option<String>, StoreError> {
        if self.write.get_database_backend() != DbBackend::Postgres || self.fence.is_some() {
            return Ok(None);
        }
        let is_there = postgres("SELECT to_regclass($1) IS NOT NULL AS there", ["lease".into()]);
        let row = self.write.query_one_raw(is_there).await?;
        if !row.map(|row| row.try_get::<bool>("", "there")).transpose()?.unwrap_or_default() {
            return Ok(None);
        }
        let sql = format!("SELECT holder FROM lease WHERE until >= {NOW}");
        let row = self.write.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        Ok(row.map(|row| row.try_get("", "holder")).transpose()?)
    }

    /// Raises the number, if nobody has the lease.
    async fn take(&self, holder: &str) -> Result<Option<i64>, StoreError> {
        let sql = format!(
            "UPDATE lease SET fence = fence + 1, holder = $1, since = {NOW}, until = {NOW} + $2 WHERE until < {NOW} \
             RETURNING fence"
        );
        let row = self.write.query_one_raw(postgres(&sql, [holder.into(), millis(LEASE).into()])).await?;
        Ok(row.map(|row| row.try_get("", "fence")).transpose()?)
    }

    async fn held(&self) -> Result<lease::Model, StoreError> {
        let row = lease::Entity::find().one(&self.write).await?;
        row.ok_or_else(|| StoreError::Corrupt("the table `lease` has no row".to_owned()))
    }
}

/// Makes sure that the lease with this number is in force, and stays so until the transaction ends.
pub(super) async fn hold(transaction: &DatabaseTransaction, fence: i64) -> Result<(), StoreError> {
    // It shares the row with renewals, which leave the key alone, and not with a takeover, which changes it.
    let statement = postgres("SELECT fence FROM lease WHERE fence = $1 FOR KEY SHARE", [fence.into()]);
    match transaction.query_one_raw(statement).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::Superseded),
    }
}

fn in_use(held: &lease::Model) -> String {
    format!(
        "another server ({}) holds this database since {}; it renews its lease every {} s: stop it first",
        held.holder,
        Timestamp(held.since),
        RENEWAL.as_secs()
    )
}

fn postgres<const N: usize>(sql: &str, values: [sea_orm::Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

fn millis(span: Duration) -> i64 {
    span.as_millis() as i64
}
