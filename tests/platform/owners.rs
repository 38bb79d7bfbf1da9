//! One PostgreSQL database, two real servers: one of them writes, whatever becomes of the other.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;
use tidewater::model::{Entry, EntryBody, Offset};
use tidewater::store::Database;

use crate::postgres::Postgres;
use crate::process::{PATIENCE, Server, free_port, write_workspace};

/// A workspace on this database, and where its server listens.
fn workspace(database: &str) -> (tempfile::TempDir, String) {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    write_workspace(folder.path(), port, "http://127.0.0.1:9/", Some(database));
    (folder, format!("http://127.0.0.1:{port}"))
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap()
}

/// Whether an order was accepted.
async fn order(client: &reqwest::Client, url: &str, id: &str) -> bool {
    let body = json!({
        "event": "Order Completed", "messageId": id, "userId": "ada", "properties": { "order_id": id },
    });
    let request = client.post(format!("{url}/v1/track")).basic_auth("test-write-key", Some("")).json(&body);
    request.send().await.is_ok_and(|answer| answer.status().is_success())
}

fn signal(server: &Server, name: &str) {
    let status = Command::new("kill").args([name, &server.child.id().to_string()]).status().unwrap();
    assert!(status.success(), "{name}");
}

/// Waits for the end of a server, and gives whether it was a good one, and what it said.
fn end(server: &mut Server, folder: &Path) -> (bool, String) {
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = server.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "the server goes on");
        std::thread::sleep(Duration::from_millis(20));
    };
    (status.success(), std::fs::read_to_string(folder.join("server.log")).unwrap())
}

/// The journal and the outbox, as one text to compare.
async fn written(store: &Database) -> (Vec<Entry>, String) {
    let journal = store.read_journal(Offset(0), 100_000).await.unwrap();
    let reached = store.shards_reached().await.unwrap();
    let outbox = store.outbox(None, 1_000).await.unwrap();
    let told = format!("{:?} {reached:?} {outbox:?}", store.quarantine(100).await.unwrap());
    (journal, told)
}

/// Waits until the database has done all that it was told.
async fn at_rest(postgres: &Postgres) {
    let database = sea_orm::Database::connect(postgres.url()).await.unwrap();
    let busy = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() \
                AND backend_type = 'client backend'";
    let deadline = Instant::now() + PATIENCE;
    while !database.query_all_raw(Statement::from_string(DbBackend::Postgres, busy)).await.unwrap().is_empty() {
        assert!(Instant::now() < deadline, "the database is busy");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    database.close().await.unwrap();
}

#[actix_rt::test]
async fn a_server_that_lives_keeps_its_database_and_gives_it_back_when_it_stops() {
    let (postgres, client) = (Postgres::start(), client());
    let ((one, one_url), (two, two_url)) = (workspace(&postgres.url()), workspace(&postgres.url()));
    let mut first = Server::start(one.path());
    first.ready(&client, &one_url).await;
    let mut second = Server::start(two.path());
    let (is_well, log) = end(&mut second, two.path());
    let pid = first.child.id();
    assert!(!is_well && log.contains(&format!("another server (process {pid} at ")), "{log}");
    assert!(log.contains("it renews its lease every 1 s: stop it first"), "{log}");
    assert!(order(&client, &one_url, "m1").await, "nothing changed for the first");
    signal(&first, "-TERM");
    assert!(end(&mut first, one.path()).0);
    let mut second = Server::start(two.path());
    second.ready(&client, &two_url).await;
    assert!(order(&client, &two_url, "m2").await);
}

/// Whether the newest part of the schema is there.
async fn is_up_to_date(postgres: &Postgres) -> bool {
    let database = sea_orm::Database::connect(postgres.url()).await.unwrap();
    let sql = "SELECT 1 FROM information_schema.columns WHERE table_name = 'quarantine' AND column_name = 'call'";
    let found = database.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    database.close().await.unwrap();
    !found.is_empty()
}

#[actix_rt::test]
async fn nobody_changes_the_schema_under_a_server_that_lives() {
    let (postgres, client) = (Postgres::start(), client());
    let ((one, one_url), (two, two_url)) = (workspace(&postgres.url()), workspace(&postgres.url()));
    let mut first = Server::start(one.path());
    first.ready(&client, &one_url).await;
    // As if the first were of a version that does not know the newest part yet.
    let database = sea_orm::Database::connect(postgres.url()).await.unwrap();
    for sql in [
        "ALTER TABLE quarantine DROP COLUMN call, DROP COLUMN mistakes",
        "DELETE FROM seaql_migrations WHERE version = 'quarantine_mistakes'",
    ] {
        database.execute_unprepared(sql).await.unwrap();
    }
    database.close().await.unwrap();
    let mut second = Server::start(two.path());
    let (is_well, log) = end(&mut second, two.path());
    assert!(!is_well && log.contains("another server (process"), "{log}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewater"));
    let list = command.args(["quarantine", "list", "--workspace"]).arg(two.path()).output().unwrap();
    let told = String::from_utf8(list.stderr).unwrap();
    assert!(!list.status.success() && told.contains("a server of that (process"), "{told}");
    assert!(!is_up_to_date(&postgres).await, "nothing was changed");
    first.kill();
    let mut second = Server::start(two.path());
    second.ready(&client, &two_url).await;
    assert!(is_up_to_date(&postgres).await);
    assert!(order(&client, &two_url, "m1").await);
}

#[actix_rt::test]
async fn servers_that_meet_at_an_empty_database_make_it_once() {
    let (postgres, client) = (Postgres::start(), client());
    let places: Vec<_> = (0..3).map(|_| workspace(&postgres.url())).collect();
    let mut servers: Vec<_> = places.iter().map(|(folder, _)| Server::start(folder.path())).collect();
    let deadline = Instant::now() + PATIENCE;
    let lives = |server: &mut Server| server.child.try_wait().unwrap().is_none();
    while servers.iter_mut().map(lives).filter(|lives| *lives).count() > 1 {
        assert!(Instant::now() < deadline, "two have it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let winner = servers.iter_mut().position(lives).expect("one has it");
    servers[winner].ready(&client, &places[winner].1).await;
    assert!(order(&client, &places[winner].1, "m1").await);
}

#[actix_rt::test]
async fn a_server_that_was_away_for_longer_than_its_lease_writes_nothing_any_more() {
    let (postgres, client) = (Postgres::start(), client());
    let ((one, one_url), (two, two_url)) = (workspace(&postgres.url()), workspace(&postgres.url()));
    let mut first = Server::start(one.path());
    first.ready(&client, &one_url).await;
    assert!(order(&client, &one_url, "before").await);
    // It stops with much under way.
    let senders: Vec<_> = (0..8)
        .map(|n| {
            let (client, url) = (client.clone(), one_url.clone());
            actix_rt::spawn(async move { order(&client, &url, &format!("under-way-{n}")).await })
        })
        .collect();
    signal(&first, "-STOP");
    let mut second = Server::start(two.path());
    second.ready(&client, &two_url).await;
    assert!(order(&client, &two_url, "after").await);
    let store = Database::open_existing(&postgres.url()).await.unwrap();
    // What the second does comes to rest: the far side of its webhook refuses, and is tried again after seconds.
    signal(&second, "-STOP");
    at_rest(&postgres).await;
    let before = written(&store).await;
    signal(&first, "-CONT");
    let late = order(&client, &one_url, "late").await;
    let (is_well, log) = end(&mut first, one.path());
    assert!(!is_well && log.contains("another server has taken over this database"), "{log}");
    assert!(!late, "what it does not write it does not accept");
    assert_eq!(written(&store).await, before, "not a byte");
    signal(&second, "-CONT");
    // What was answered with yes is there, and what was not answered is there once at most.
    for (n, sender) in senders.into_iter().enumerate() {
        let is_accepted = sender.await.unwrap();
        let id = format!("under-way-{n}");
        let times =
            before.0.iter().filter(|entry| matches!(&entry.body, EntryBody::Event(event) if event.message_id == id));
        let times = times.count();
        assert!(times <= 1 && (times == 1 || !is_accepted), "{id} is there {times} times");
    }
    assert!(order(&client, &two_url, "last").await, "the second goes on");
}
