//! Rows whose key is one of many, in as many statements as that takes: SQLite takes 32,766 values at once, PostgreSQL
//! 65,535, and a person may have been any number of visitors.

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, DeleteMany, EntityTrait, QueryFilter, Select};

/// Keys of one statement.
pub(super) const AT_ONCE: usize = 5_000;

/// Finds what of `query` has one of these keys, in no order.
pub(super) async fn find<E: EntityTrait>(
    database: &impl ConnectionTrait,
    query: &Select<E>,
    column: E::Column,
    keys: &[String],
) -> Result<Vec<E::Model>, DbErr> {
    let mut found = Vec::new();
    for keys in keys.chunks(AT_ONCE) {
        found.extend(query.clone().filter(column.is_in(keys)).all(database).await?);
    }
    Ok(found)
}

/// Removes what of `query` has one of these keys. Returns how many rows that were.
pub(super) async fn delete<E: EntityTrait>(
    database: &impl ConnectionTrait,
    query: &DeleteMany<E>,
    column: E::Column,
    keys: &[String],
) -> Result<u64, DbErr> {
    let mut gone = 0;
    for keys in keys.chunks(AT_ONCE) {
        gone += query.clone().filter(column.is_in(keys)).exec(database).await?.rows_affected;
    }
    Ok(gone)
}
