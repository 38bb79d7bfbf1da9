//! The file, or the tables, in which removed rows still stand until they are written anew.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement};

use crate::model::{Span, Timestamp};

use super::super::entity::erasure;
use super::super::{Database, StoreError};
use super::{Erasing, Stage};

/// How long one that has just begun is waited for at the end, so that all end together.
const MOMENT: Span = Span::MINUTE;
/// Where the last stage stands once the file has been written anew.
const PACKED: Stage = Stage::File { is_packed: true };

impl Database {
    /// Has the database let go of what it still holds of removed and overwritten rows, for all that have come to that.
    /// False where there is none, or another is waited for, or a reader is in the way.
    pub(super) async fn let_go(&self, open: &[Erasing], now: Timestamp) -> Result<bool, StoreError> {
        let ready: Vec<&Erasing> = open.iter().filter(|erasing| matches!(erasing.stage, Stage::File { .. })).collect();
        // Whoever will be ready in a moment is waited for: it costs as much for one as for many.
        let is_near = |erasing: &Erasing| erasing.stage == Stage::Saving && erasing.at + MOMENT > now;
        if ready.is_empty() || open.iter().any(is_near) {
            return Ok(false);
        }
        let entries = ready.iter().map(|erasing| erasing.entry);
        if self.write.get_database_backend() == DbBackend::Sqlite {
            if ready.iter().any(|erasing| erasing.stage != PACKED) {
                // It copies the whole database, which is not to be held in memory.
                let vacuum = "PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY";
                self.write.execute_unprepared(vacuum).await?;
                let transaction = self.begin().await?;
                erasure::Entity::update_many()
                    .col_expr(erasure::Column::Cursor, Expr::value(PACKED.cursor()))
                    .filter(erasure::Column::Entry.is_in(entries.clone()))
                    .exec(&transaction)
                    .await?;
                transaction.commit().await?;
            }
            // What stood in the log goes as well.
            let truncate = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(TRUNCATE)");
            let answer = self.write.query_one_raw(truncate).await?;
            let is_busy = answer.map(|row| row.try_get_by_index::<i32>(0)).transpose()?.is_none_or(|busy| busy != 0);
            if is_busy {
                return Ok(false);
            }
        } else {
            for table in TOUCHED {
                self.write.execute_unprepared(&format!("VACUUM {table}")).await?;
            }
        }
        let transaction = self.begin().await?;
        erasure::Entity::update_many()
            .col_expr(erasure::Column::Stage, Expr::value(Stage::Done.word()))
            .col_expr(erasure::Column::EndedAt, Expr::value(now.0))
            .filter(erasure::Column::Entry.is_in(entries))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        tracing::info!(erasures = ready.len(), "what was known of people who were erased is gone");
        Ok(true)
    }
}

/// Tables that held something of the person.
const TOUCHED: [&str; 11] = [
    "profile",
    "membership",
    "history",
    "journey_run",
    "journey_step",
    "outbox",
    "relay",
    "quarantine",
    "journal_block",
    "identity",
    "deny",
];
