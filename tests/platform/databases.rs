//! One test body, two databases: SQLite, and a PostgreSQL that is started for the purpose.

use sea_orm::ConnectionTrait;
use tidewater::store::Database;

use crate::postgres::Postgres;

/// An empty database of a test's own.
pub struct TestDatabase {
    pub url: String,
    /// SQLite's file goes with it.
    _folder: Option<tempfile::TempDir>,
}

impl TestDatabase {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("new/folder/t.db").display());
        Self { url, _folder: Some(folder) }
    }

    /// `name` is one of a test, used once a cluster.
    pub async fn postgres(cluster: &Postgres, name: &str) -> Self {
        let base = cluster.url();
        let connection = sea_orm::Database::connect(&base).await.unwrap();
        connection.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        connection.close().await.unwrap();
        let (server, _) = base.rsplit_once('/').unwrap();
        Self { url: format!("{server}/{name}"), _folder: None }
    }

    pub async fn open(&self) -> Database {
        Database::open(&self.url).await.unwrap()
    }

    pub fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// Does something to the database behind the store's back.
    pub async fn tamper(&self, sql: &str) {
        let connection = sea_orm::Database::connect(&self.url).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// Runs each of the given bodies on SQLite as a test of its own, and all of them on one PostgreSQL as another: a
/// cluster takes seconds to start.
macro_rules! on_both_databases {
    ($($body:ident),+ $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $body() {
                    super::$body(crate::databases::TestDatabase::sqlite()).await;
                }
            )+
        }

        #[test]
        fn all_on_postgresql() {
            let cluster = crate::postgres::Postgres::start();
            $(
                // Shown where the test fails: which of them it was.
                eprintln!("{}", stringify!($body));
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                    let database = crate::databases::TestDatabase::postgres(&cluster, stringify!($body)).await;
                    $body(database).await;
                });
            )+
        }
    };
}
pub(crate) use on_both_databases;
