//! Programs: the sources of every version that decided something.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, EntityTrait};

use super::entity::program;
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
        program::Entity::insert(row)
            .on_conflict(OnConflict::column(program::Column::Version).do_nothing().to_owned())
            .exec_without_returning(&self.write)
            .await?;
        Ok(())
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

    /// The version in force when everything in the journal has been applied, and its sources.
    ///
    /// # Errors
    /// The database failed.
    pub async fn active_program(&self) -> Result<Option<(String, ProgramSources)>, StoreError> {
        let Some(version) = self.setting("active_program").await? else { return Ok(None) };
        let sources = self.program(&version).await?;
        let sources = sources.ok_or_else(|| StoreError::Corrupt(format!("the program {version} is missing")))?;
        Ok(Some((version, sources)))
    }

    /// Notes which version is in force.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_active_program(&self, version: &str) -> Result<(), StoreError> {
        self.put_setting("active_program", version).await
    }
}
