//! What the store keeps about itself, by name.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};

use crate::model::limit::SHARDS;

use super::entity::setting;
use super::{Database, StoreError};

impl Database {
    /// A random secret of 32 bytes, made at first use and kept; such as the one that signs links.
    ///
    /// # Errors
    /// The database fails, or holds something else under this name.
    pub async fn secret(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD;
        let name = format!("secret:{name}");
        let read = |kept: &str| engine.decode(kept).map_err(|_| StoreError::Corrupt(format!("the setting `{name}`")));
        if let Some(kept) = self.setting(&name).await? {
            return read(&kept);
        }
        let fresh = engine.encode(rand::random::<[u8; 32]>());
        let row = setting::ActiveModel { name: Set(name.clone()), value: Set(fresh) };
        // Whoever comes first makes it; everyone reads what is there.
        let transaction = self.begin().await?;
        setting::Entity::insert(row)
            .on_conflict(OnConflict::column(setting::Column::Name).do_nothing().to_owned())
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        read(&self.setting(&name).await?.unwrap_or_default())
    }

    pub(super) async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let row = setting::Entity::find_by_id(name.to_owned()).one(&self.write).await?;
        Ok(row.map(|row| row.value))
    }

    pub(super) async fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        put(&transaction, name, value).await?;
        Ok(transaction.commit().await?)
    }

    /// A profile's shard follows from its id and the number of shards, so that number is fixed for good.
    pub(super) async fn check_shards(&self) -> Result<(), StoreError> {
        match self.setting("shards").await? {
            None => self.put_setting("shards", &SHARDS.to_string()).await,
            Some(kept) if kept == SHARDS.to_string() => Ok(()),
            Some(kept) => Err(StoreError::Unusable(format!(
                "the database was made for {kept} shards and this program has {SHARDS}, which cannot be changed: use the \
                     version of Tidewater that made it, or name another with `database` in tidewater.yaml"
            ))),
        }
    }
}

/// Writes a setting.
pub(super) async fn put(database: &impl ConnectionTrait, name: &str, value: &str) -> Result<(), StoreError> {
    let row = setting::ActiveModel { name: Set(name.to_owned()), value: Set(value.to_owned()) };
    setting::Entity::insert(row)
        .on_conflict(OnConflict::column(setting::Column::Name).update_column(setting::Column::Value).to_owned())
        .exec_without_returning(database)
        .await?;
    Ok(())
}
