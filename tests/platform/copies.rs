//! A copy of a database sends nothing until a person says so, however it was made; what is no copy sends as before.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use serde_json::{Value as Json, json};
use tidewater::channels::webhook::catcher::HookCatcher;
use tidewater::store::Database;
use tidewater::store::outbox::OutboxStatus;

use crate::postgres::Postgres;
use crate::process::{PATIENCE, Server, edit, free_port, write_workspace};

const KEY: &str = "a-management-key";
/// Far longer than a channel takes to send what it may send.
const LONG: Duration = Duration::from_millis(1_500);

/// A workspace, its server, and the far side.
struct Place {
    folder: PathBuf,
    database: Option<String>,
    url: String,
    server: Option<Server>,
}

impl Place {
    fn new(folder: &Path, hooks: &HookCatcher, database: Option<&str>) -> Self {
        let port = free_port();
        write_workspace(folder, port, &hooks.url(), database);
        edit(&folder.join("tidewater.yaml"), "sources:", &format!("api_key: {KEY}\nsources:"));
        let url = format!("http://127.0.0.1:{port}");
        Self { folder: folder.to_owned(), database: database.map(str::to_owned), url, server: None }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("data/tidewater.db")
    }

    fn address(&self) -> String {
        self.database.clone().unwrap_or_else(|| format!("sqlite://{}", self.file().display()))
    }

    async fn start(&mut self) {
        let mut server = Server::start(&self.folder);
        server.ready(&client(), &self.url).await;
        self.server = Some(server);
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.server.take().unwrap().kill();
    }

    async fn order(&self, id: &str) {
        let body =
            json!({"event": "Order Completed", "messageId": id, "userId": "ada", "properties": {"order_id": id}});
        let request = client().post(format!("{}/v1/track", self.url)).basic_auth("test-write-key", Some(""));
        assert_eq!(request.json(&body).send().await.unwrap().status().as_u16(), 200);
    }

    async fn store(&self) -> Database {
        Database::open_existing(&self.address()).await.unwrap()
    }

    fn outbox(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidewater"));
        command
            .arg("outbox")
            .args(arguments)
            .arg("--workspace")
            .arg(&self.folder)
            .env_remove("RUST_LOG")
            .output()
            .unwrap()
    }

    async fn get(&self, path: &str) -> String {
        let answer = client().get(format!("{}{path}", self.url)).bearer_auth(KEY).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        answer.text().await.unwrap()
    }

    /// Whether everything that looks at it says that nothing is sent, with the reason and what to do.
    async fn is_held(&self, reason: &str) -> bool {
        let ready: Json = serde_json::from_str(&self.get("/readyz").await).unwrap();
        let is_held = ready["sending"] == "held";
        let metrics = self.get("/metrics").await;
        assert_eq!(metrics.contains("tidewater_sending_held 1\n"), is_held, "{metrics}");
        let listed = String::from_utf8(self.outbox(&["list"]).stderr).unwrap();
        assert_eq!(listed.contains("`tidewater outbox resume` sends again"), is_held, "{listed}");
        if is_held {
            let log = std::fs::read_to_string(self.folder.join("server.log")).unwrap();
            assert!(ready["reason"].as_str().unwrap().contains(reason) && listed.contains(reason), "{ready} {listed}");
            assert!(ready["help"].as_str().unwrap().contains("outbox resume"), "{ready}");
            assert!(log.contains("nothing is sent: say `tidewater outbox resume`"), "{log}");
        }
        is_held
    }

    /// Waits until so many effects are in the outbox in this state.
    async fn until(&self, status: OutboxStatus, count: usize) {
        let (store, deadline) = (self.store().await, Instant::now() + PATIENCE);
        loop {
            let found = store.outbox(Some(status), 100).await.unwrap().len();
            if found == count {
                return store.close().await;
            }
            assert!(Instant::now() < deadline, "{found} are {}", status.as_str());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap()
}

/// The orders that the far side was told of; no two calls are about one.
fn told(hooks: &HookCatcher) -> BTreeSet<String> {
    let orders: Vec<String> = hooks.requests().iter().map(|request| order_of(&request.body)).collect();
    let distinct: BTreeSet<String> = orders.iter().cloned().collect();
    assert_eq!(orders.len(), distinct.len(), "each once: {orders:?}");
    distinct
}

fn order_of(body: &str) -> String {
    let body: Json = serde_json::from_str(body).unwrap();
    let order = body.pointer("/data/order").or_else(|| body.get("order")).and_then(Json::as_str);
    order.unwrap_or_else(|| panic!("{body}")).to_owned()
}

fn orders(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// An original in which two orders wait to be told, as its far side was away when the copy was made.
async fn original(folder: &Path, hooks: &HookCatcher, database: Option<&str>) -> Place {
    let mut place = Place::new(folder, hooks, database);
    place.start().await;
    assert!(!place.is_held("").await);
    // A hold by hand stands for the far side that is away: it waits, and is no copy.
    assert!(place.outbox(&["hold"]).status.success());
    for id in ["o1", "o2"] {
        place.order(id).await;
    }
    place.until(OutboxStatus::Ready, 2).await;
    place.kill();
    let store = sea_orm::Database::connect(place.address()).await.unwrap();
    store.execute_unprepared("DELETE FROM setting WHERE name = 'held'").await.unwrap();
    store.close().await.unwrap();
    place
}

/// It takes events and decides, sends nothing, and after a word of confirmation each once: all, or what is new.
async fn sends_only_when_told(copy: &mut Place, hooks: &HookCatcher, reason: &str, drops: bool) {
    copy.start().await;
    assert!(copy.is_held(reason).await);
    copy.order("o3").await;
    copy.until(OutboxStatus::Ready, 3).await;
    tokio::time::sleep(LONG).await;
    // A restart is no confirmation.
    copy.kill();
    copy.start().await;
    tokio::time::sleep(LONG).await;
    assert!(copy.is_held(reason).await);
    assert_eq!(hooks.requests().len(), 0, "nothing leaves");
    let would = String::from_utf8(copy.outbox(&["resume"]).stdout).unwrap();
    assert!(would.contains("3 wait, 2 of them from before; 3 would be sent"), "{would}");
    let resumed = copy.outbox(if drops { &["resume", "--drop-waiting", "--yes"] } else { &["resume", "--yes"] });
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    let expected = if drops { orders(&["o3"]) } else { orders(&["o1", "o2", "o3"]) };
    copy.until(OutboxStatus::Sent, expected.len()).await;
    copy.until(OutboxStatus::Dropped, 3 - expected.len()).await;
    assert_eq!(told(hooks), expected);
    assert!(!copy.is_held("").await);
    // Now it is at home here.
    copy.kill();
    copy.start().await;
    assert!(!copy.is_held("").await);
    copy.order("o4").await;
    copy.until(OutboxStatus::Sent, expected.len() + 1).await;
    assert_eq!(copy.outbox(&["resume", "--yes"]).status.code(), Some(1), "there is nothing to resume");
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

async fn hooks() -> HookCatcher {
    HookCatcher::start().await.unwrap()
}

#[actix_rt::test]
async fn a_copy_of_the_data_folder_sends_nothing_before_it_is_told() {
    for drops in [false, true] {
        let (folder, hooks) = (tempfile::tempdir().unwrap(), hooks().await);
        let original = original(&folder.path().join("one"), &hooks, None).await;
        let mut copy = Place::new(&folder.path().join("two"), &hooks, None);
        copy_folder(&original.folder.join("data"), &copy.folder.join("data"));
        sends_only_when_told(&mut copy, &hooks, "not the database that was served last", drops).await;
    }
}

#[actix_rt::test]
async fn a_vacuumed_copy_sends_nothing_before_it_is_told() {
    let (folder, hooks) = (tempfile::tempdir().unwrap(), hooks().await);
    let original = original(&folder.path().join("one"), &hooks, None).await;
    let mut copy = Place::new(&folder.path().join("two"), &hooks, None);
    std::fs::create_dir_all(copy.folder.join("data")).unwrap();
    vacuum_into(&original, &copy.file()).await;
    sends_only_when_told(&mut copy, &hooks, "not the database that was served last", true).await;
}

async fn vacuum_into(place: &Place, file: &Path) {
    let connection = sea_orm::Database::connect(place.address()).await.unwrap();
    connection.execute_unprepared(&format!("VACUUM INTO '{}'", file.display())).await.unwrap();
    connection.close().await.unwrap();
}

#[actix_rt::test]
async fn an_older_copy_in_the_same_place_sends_nothing_before_it_is_told() {
    let (folder, hooks) = (tempfile::tempdir().unwrap(), hooks().await);
    let mut place = original(&folder.path().join("one"), &hooks, None).await;
    let backup = folder.path().join("backup.db");
    vacuum_into(&place, &backup).await;
    place.start().await;
    place.until(OutboxStatus::Sent, 2).await;
    let head = place.store().await.journal_head().await.unwrap().offset.0;
    let deadline = Instant::now() + PATIENCE;
    let reached = || std::fs::read_to_string(place.folder.join("data/tidewater.db.reached")).unwrap();
    while reached().trim().parse::<u64>().unwrap() < head {
        assert!(Instant::now() < deadline, "{} is not noted", head);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    place.kill();
    assert_eq!(told(&hooks), orders(&["o1", "o2"]), "the original sends");
    // Written over the file, which stays the same one.
    std::fs::write(place.file(), std::fs::read(&backup).unwrap()).unwrap();
    for log in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{log}", place.file().display()));
    }
    place.start().await;
    assert!(place.is_held("an older copy was put in the place of this database").await);
    tokio::time::sleep(LONG).await;
    assert_eq!(told(&hooks).len(), 2, "nothing leaves once more");
    assert!(place.outbox(&["resume", "--drop-older-than", "0 seconds", "--yes"]).status.success());
    place.order("o3").await;
    place.until(OutboxStatus::Sent, 1).await;
    assert_eq!(told(&hooks), orders(&["o1", "o2", "o3"]));
}

#[actix_rt::test]
async fn a_dump_in_another_database_sends_nothing_before_it_is_told() {
    let (postgres, folder, hooks) = (Postgres::start(), tempfile::tempdir().unwrap(), hooks().await);
    let original = original(&folder.path().join("one"), &hooks, Some(&postgres.url())).await;
    let database = postgres.copy("staging");
    let mut copy = Place::new(&folder.path().join("two"), &hooks, Some(&database));
    sends_only_when_told(&mut copy, &hooks, "not the database that was served last", true).await;
    copy.kill();
    // The same database, from a dump of it.
    let mut restored = original;
    postgres.restore_over();
    restored.start().await;
    assert!(restored.is_held("not the database that was served last").await);
}

#[actix_rt::test]
async fn a_restart_a_renamed_folder_and_a_new_database_are_no_copies() {
    let (folder, hooks) = (tempfile::tempdir().unwrap(), hooks().await);
    let mut place = Place::new(&folder.path().join("one"), &hooks, None);
    place.start().await;
    place.order("o1").await;
    place.until(OutboxStatus::Sent, 1).await;
    place.kill();
    std::fs::rename(folder.path().join("one"), folder.path().join("two")).unwrap();
    place.folder = folder.path().join("two");
    place.start().await;
    assert!(!place.is_held("").await);
    place.order("o2").await;
    place.until(OutboxStatus::Sent, 2).await;
    place.kill();
    // Somebody begins anew where another database was.
    for file in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{}{file}", place.file().display())).unwrap();
    }
    place.start().await;
    assert!(!place.is_held("").await);
    place.order("o3").await;
    place.until(OutboxStatus::Sent, 1).await;
    assert_eq!(told(&hooks), orders(&["o1", "o2", "o3"]));
}
