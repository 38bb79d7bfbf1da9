//! Far sides that do not answer, told to people: while effects wait for one, no claim is made. It decides nothing.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::model::Timestamp;

use super::entity::setting;
use super::setting::put;
use super::{Database, StoreError};

const SILENT: &str = "silent:";

impl Database {
    /// Notes that the far side of a channel is left alone until then; `None`: it answers, as far as we know.
    ///
    /// # Errors
    /// The database failed.
    pub async fn note_silence(&self, destination: &str, until: Option<Timestamp>) -> Result<(), StoreError> {
        let name = format!("{SILENT}{destination}");
        let transaction = self.begin().await?;
        match until {
            Some(until) => put(&transaction, &name, &until.0.to_string()).await?,
            None => {
                setting::Entity::delete_by_id(name).exec(&transaction).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    /// The channels whose far sides do not answer, each with the instant at which one is sent to see.
    ///
    /// # Errors
    /// The database failed, or a row is damaged.
    pub async fn silences(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let rows = setting::Entity::find()
            .filter(setting::Column::Name.starts_with(SILENT))
            .order_by_asc(setting::Column::Name)
            .all(&self.read)
            .await?;
        let read = |row: setting::Model| {
            let until = row.value.parse().map_err(|_| StoreError::Corrupt(format!("the setting `{}`", row.name)))?;
            Ok((row.name.trim_start_matches(SILENT).to_owned(), Timestamp(until)))
        };
        rows.into_iter().map(read).collect()
    }
}
