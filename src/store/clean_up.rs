//! What is left of people who were erased goes from the database, piece by piece and beside everything else. Each step is
//! a transaction that notes how far it has come, so the work goes on where a process that died had left it.
//!
//! It begins when all that was decided of a person before the erasure is saved: what the state writer had under way would
//! otherwise come after it.

mod file;
mod rows;
mod stage;
mod walks;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::model::Timestamp;

pub(super) use self::stage::Stage;
use super::entity::{erased_profile, erasure};
use super::erasure::Removed;
use super::{Database, StoreError};

/// Steps of one round.
const STEPS: usize = 64;

/// An erasure that is under way.
struct Erasing {
    /// Its entry, by which it is known.
    entry: i64,
    at: Timestamp,
    /// Up to where the journal can hold anything.
    until: i64,
    stage: Stage,
    removed: Removed,
}

impl Erasing {
    fn read(row: &erasure::Model) -> Result<Self, StoreError> {
        let (stage, removed) = (Stage::read(&row.stage, &row.cursor)?, Removed::read(&row.removed)?);
        Ok(Self { entry: row.entry, at: Timestamp(row.at), until: row.until, stage, removed })
    }

    /// What is to be noted once it has come this far, with all that was removed.
    fn reached(&self, stage: &Stage, removed: &Removed) -> Result<erasure::ActiveModel, StoreError> {
        Ok(erasure::ActiveModel {
            entry: Set(self.entry),
            stage: Set(stage.word().to_owned()),
            cursor: Set(stage.cursor()),
            removed: Set(removed.to_json()?),
            ..Default::default()
        })
    }
}

impl Database {
    /// Goes on with all erasures that are under way, for a bounded time.
    ///
    /// # Errors
    /// The database failed, or what it holds is damaged.
    pub async fn clean_up(&self, now: Timestamp) -> Result<(), StoreError> {
        for _ in 0..STEPS {
            let open = erasure::Entity::find()
                .filter(erasure::Column::Stage.ne(Stage::Done.word()))
                .order_by_asc(erasure::Column::Entry)
                .all(&self.read)
                .await?;
            let mut readable = Vec::with_capacity(open.len());
            for row in &open {
                match Erasing::read(row) {
                    Ok(erasing) => readable.push(erasing),
                    Err(error) => self.note_trouble(row.entry, &error.to_string()).await?,
                }
            }
            let open = readable;
            if open.is_empty() || !self.step(&open, now).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One step; false where all wait for something.
    async fn step(&self, open: &[Erasing], now: Timestamp) -> Result<bool, StoreError> {
        let mut has_moved = false;
        for erasing in open {
            let moved = match erasing.stage {
                Stage::Saving => self.remove_rows(erasing).await,
                Stage::Effects => self.remove_effects(erasing).await,
                Stage::Quarantine { .. } | Stage::Journal { .. } | Stage::File { .. } | Stage::Done => Ok(false),
            };
            // What holds up one of them holds up nobody else.
            match moved {
                Ok(moved) => has_moved |= moved,
                Err(error) => self.note_trouble(erasing.entry, &error.to_string()).await?,
            }
        }
        if has_moved {
            return Ok(true);
        }
        // Those that stand at one place go on together: the journal is read once for all of them.
        let ahead = open.iter().map(|erasing| &erasing.stage).max_by_key(|stage| stage.walked());
        let group: Vec<&Erasing> = open.iter().filter(|erasing| Some(&erasing.stage) == ahead).collect();
        match ahead {
            Some(Stage::Quarantine { after }) => self.search_quarantine(&group, after).await?,
            Some(Stage::Journal { after }) => self.rewrite_journal(&group, *after).await?,
            _ => return self.let_go(open, now).await,
        }
        Ok(true)
    }

    /// Notes what an erasure could not do, or what stands in its way, for whoever asks how far it has come.
    async fn note_trouble(&self, entry: i64, why: &str) -> Result<(), StoreError> {
        let news = erasure::Column::Trouble.is_null().or(erasure::Column::Trouble.ne(why));
        let transaction = self.begin().await?;
        let noted = erasure::Entity::update_many()
            .col_expr(erasure::Column::Trouble, Expr::value(why))
            .filter(erasure::Column::Entry.eq(entry).and(news))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        if noted.rows_affected > 0 {
            tracing::error!(erasure = entry, reason = why, "an erasure is held up");
        }
        Ok(())
    }

    async fn profiles_of(&self, group: &[&Erasing]) -> Result<Vec<String>, StoreError> {
        let wanted = erased_profile::Column::Erasure.is_in(group.iter().map(|erasing| erasing.entry));
        let rows = erased_profile::Entity::find().filter(wanted).all(&self.read).await?;
        Ok(rows.into_iter().map(|row| row.profile).collect())
    }
}
