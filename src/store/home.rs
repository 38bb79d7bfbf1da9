//! Whether this database is the one that was served last, or a copy of it: a copy sends nothing until a person says so,
//! for what it is about to send the original may have sent.
//!
//! A database knows its home: on SQLite the very file, on PostgreSQL the cluster, the database, the table and the timeline.
//! Beside a file of SQLite stands how far its journal has come, so that an older copy in the same place is known too.

use std::path::{Path, PathBuf};

use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Statement};
use serde::{Deserialize, Serialize};

use crate::model::{Offset, Timestamp};

use super::dead_letters::{Selection, drop_in};
use super::entity::setting;
use super::outbox::OutboxStatus;
use super::{Database, StoreError};

const HOME: &str = "home";
const HELD: &str = "held";

/// Why nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub since: Timestamp,
    /// For people.
    pub reason: String,
}

/// What of the waiting effects goes out of the way when sending begins again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    Nothing,
    /// What was decided before this instant.
    DecidedBefore(Timestamp),
}

/// What is known of the home of a database that is being served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Home {
    place: String,
    reached: Offset,
}

const MOVED: &str = "this is not the database that was served last, but a copy of it, or restored from one";

impl Database {
    /// Before anything is served: looks whether the database is at home. One that is not is held from now on, and at home
    /// here. Returns whether it is held, and since when.
    ///
    /// # Errors
    /// The database failed.
    pub async fn come_home(&self, now: Timestamp) -> Result<Option<Hold>, StoreError> {
        let place = self.place().await?;
        let reached = self.journal_head().await?.offset;
        let known = self.setting(HOME).await?;
        let is_new = known.is_none() && reached == Offset(0);
        let file = self.file().await?;
        let seen = file.as_deref().and_then(read_mark);
        let reason = match (&known, seen) {
            (Some(known), _) if *known != place => Some(MOVED.to_owned()),
            (_, Some(seen)) if reached < seen && !is_new => Some(format!(
                "an older copy was put in the place of this database: it ends at entry {}, and entry {} was reached here",
                reached.0, seen.0
            )),
            _ => None,
        };
        // A server that starts where there is no room has nothing to write here, if nothing is new.
        if reason.is_some() || known.as_ref() != Some(&place) {
            let transaction = self.begin().await?;
            if let Some(reason) = reason
                && held(&transaction).await?.is_none()
            {
                put_hold(&transaction, &Hold { since: now, reason }).await?;
            }
            super::setting::put(&transaction, HOME, &place).await?;
            transaction.commit().await?;
        }
        if let Some(file) = file
            && let Err(error) = write_mark(&file, reached)
        {
            tracing::warn!(%error, "how far the database has come could not be noted; it is tried again");
        }
        self.sending_hold().await
    }

    /// While it is served: notes how far it has come, and what its home is called by now. `known` is what was noted last.
    ///
    /// # Errors
    /// The database failed, or the file beside it cannot be written.
    pub async fn stay_home(&self, known: &mut Home) -> Result<(), StoreError> {
        // Where it lived through the change of a timeline it is the same.
        let home = Home { place: self.place().await?, reached: self.journal_head().await?.offset };
        if home.place != known.place {
            let transaction = self.begin().await?;
            super::setting::put(&transaction, HOME, &home.place).await?;
            transaction.commit().await?;
        }
        if home.reached != known.reached
            && let Some(file) = self.file().await?
        {
            write_mark(&file, home.reached)?;
        }
        *known = home;
        Ok(())
    }

    /// Whether nothing is sent, and why.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sending_hold(&self) -> Result<Option<Hold>, StoreError> {
        held(&self.read).await
    }

    /// From now on nothing is sent: for a copy that cannot be known as one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn hold_sending(&self, hold: &Hold) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        put_hold(&transaction, hold).await?;
        Ok(transaction.commit().await?)
    }

    /// Sends again. Returns how many waiting effects were dropped; `None` where nothing was held.
    ///
    /// # Errors
    /// The database failed: nothing changed.
    pub async fn resume_sending(&self, waiting: Drop, now: Timestamp) -> Result<Option<u64>, StoreError> {
        let transaction = self.begin().await?;
        if held(&transaction).await?.is_none() {
            return Ok(None);
        }
        let mut dropped = 0;
        if let Drop::DecidedBefore(instant) = waiting {
            let statuses = vec![OutboxStatus::Ready];
            let selection = Selection { statuses, decided_before: Some(instant), ..Selection::default() };
            dropped = drop_in(&transaction, &selection, now).await?;
        }
        setting::Entity::delete_by_id(HELD.to_owned()).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(Some(dropped))
    }

    /// What this very database is called, which no copy of it is.
    async fn place(&self) -> Result<String, StoreError> {
        if let Some(file) = self.file().await? {
            return place_of(&file).map_err(|error| unusable(&file, &error));
        }
        let of = async |cluster: &str| {
            let sql = format!(
                "SELECT concat_ws('/', {cluster}, (SELECT oid FROM pg_database WHERE datname = current_database()), \
                 'outbox'::regclass::oid, left(pg_walfile_name(pg_current_wal_lsn()), 8)) AS place"
            );
            self.write.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await
        };
        // Not everyone may ask what the cluster is called.
        let row = match of("(SELECT system_identifier FROM pg_control_system())").await {
            Ok(row) => row,
            Err(_) => of("''").await?,
        };
        let row = row.ok_or_else(|| StoreError::Corrupt("the database does not say where it is".to_owned()))?;
        Ok(row.try_get("", "place")?)
    }

    /// The file of an SQLite database.
    async fn file(&self) -> Result<Option<PathBuf>, StoreError> {
        if self.write.get_database_backend() != DbBackend::Sqlite {
            return Ok(None);
        }
        let sql = "SELECT file FROM pragma_database_list WHERE name = 'main'";
        let row = self.read.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await?;
        let file: Option<String> = row.map(|row| row.try_get("", "file")).transpose()?;
        Ok(file.filter(|file| !file.is_empty()).map(PathBuf::from))
    }
}

/// Whether nothing is to be sent.
pub(super) async fn held(database: &impl ConnectionTrait) -> Result<Option<Hold>, StoreError> {
    let row = setting::Entity::find_by_id(HELD.to_owned()).one(database).await?;
    let corrupt = |error| StoreError::Corrupt(format!("the setting `{HELD}`: {error}"));
    row.map(|row| serde_json::from_str(&row.value).map_err(corrupt)).transpose()
}

async fn put_hold(database: &impl ConnectionTrait, hold: &Hold) -> Result<(), StoreError> {
    super::setting::put(database, HELD, &super::error::to_json(hold)?).await
}

/// The number of a file on its disk, and when it was made, where the disk tells: a copy has others.
fn place_of(file: &Path) -> std::io::Result<String> {
    use std::os::unix::fs::MetadataExt;
    let about = std::fs::metadata(file)?;
    let made = about.created().ok().and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    Ok(format!("file {} made {}", about.ino(), made.map_or(0, |made| made.as_nanos())))
}

/// The file in which stands how far the journal of a database has come.
fn mark_of(file: &Path) -> PathBuf {
    let mut mark = file.as_os_str().to_owned();
    mark.push(".reached");
    PathBuf::from(mark)
}

/// One that cannot be read, such as after a loss of power, says nothing.
fn read_mark(file: &Path) -> Option<Offset> {
    std::fs::read_to_string(mark_of(file)).ok()?.trim().parse().ok().map(Offset)
}

fn write_mark(file: &Path, reached: Offset) -> Result<(), StoreError> {
    let (mark, mut fresh) = (mark_of(file), mark_of(file).into_os_string());
    fresh.push(".new");
    let written = std::fs::write(&fresh, format!("{}\n", reached.0)).and_then(|()| std::fs::rename(&fresh, &mark));
    written.map_err(|error| unusable(&mark, &error))
}

fn unusable(file: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unusable(format!("`{}` cannot be used: {error}", file.display()))
}
