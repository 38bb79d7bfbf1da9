//! Programs: the sources of every version that decided something.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, EntityTrait, QueryOrder};

use super::entity::{deploy, program};
use super::error::to_json;
use super::{Database, StoreError};

/// Path and text of each file of a program.
pub type ProgramSources = Vec<(String, String)>;

impl Database {
    /// Keeps the sources of a version; one that is there is left alone.
    ///
    /// # Errors
    /// The database failed.
    pub async fn save_program(&self, version: &str, sources: &[(String, String)]) -> Result<(), StoreError> {
        let row = program::ActiveModel { version: Set(version.to_owned()), sources: Set(to_json(&sources)?) };
        let transaction = self.begin().await?;
        program::Entity::insert(row)
            .on_conflict(OnConflict::column(program::Column::Version).do_nothing().to_owned())
            .exec_without_returning(&transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// The sources of a version.
    ///
    /// # Errors
    /// The database failed, or the row is damaged.
    pub async fn program(&self, version: &str) -> Result<Option<ProgramSources>, StoreError> {
        let row = program::Entity::find_by_id(version.to_owned()).one(&self.write).await?;
        row.map(|row| {
            serde_json::from_str(&row.sources)
                .map_err(|error| StoreError::Corrupt(format!("the program {version}: {error}")))
        })
        .transpose()
    }

    /// The version that was deployed last, and its sources.
    ///
    /// # Errors
    /// The database failed, or the sources are missing.
    pub async fn active_program(&self) -> Result<Option<(String, ProgramSources)>, StoreError> {
        let last = deploy::Entity::find().order_by_desc(deploy::Column::Offset).one(&self.write).await?;
        let Some(deploy::Model { version, .. }) = last else { return Ok(None) };
        let sources = self.program(&version).await?;
        let sources = sources.ok_or_else(|| StoreError::Corrupt(format!("the program {version} is missing")))?;
        Ok(Some((version, sources)))
    }
}
