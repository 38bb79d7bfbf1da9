//! The quarantine as a person looks at it: the real server, and the real command beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tidewater::model::{EntryBody, Offset};
use tidewater::store::Database;

use crate::postgres::Postgres;
use crate::process::{PATIENCE, Running, Server, edit};

fn quarantine(workspace: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewater"));
    command.arg("quarantine").args(arguments).arg("--workspace").arg(workspace);
    command.env_remove("RUST_LOG").output().unwrap()
}

#[actix_rt::test]
async fn what_was_refused_is_shown_with_the_mistake_beside_its_place() {
    let running = Running::start().await;
    let folder = running.folder.path();
    let bad = json!({ "event": "Order Completed", "userId": "ada", "messageId": "m1", "timestamp": "2026-03-01" });
    let request = running.client.post(format!("{}/v1/track", running.url)).basic_auth("test-write-key", Some(""));
    assert_eq!(request.json(&bad).send().await.unwrap().status().as_u16(), 400);

    let listed = quarantine(folder, &["list", "--format", "json"]);
    let listed: Json = serde_json::from_slice(&listed.stdout).unwrap();
    let [item] = listed.as_array().unwrap().as_slice() else { panic!("{listed}") };
    let id = item["id"].as_str().unwrap();
    let table = String::from_utf8(quarantine(folder, &["list"]).stdout).unwrap();
    assert!(table.contains(id), "people find the id too: {table}");

    let shown = String::from_utf8(quarantine(folder, &["show", id]).stdout).unwrap();
    assert!(shown.contains("source    shop") && shown.contains("code      invalid_time"), "{shown}");
    assert!(shown.contains("  \"event\": \"Order Completed\",\n"), "{shown}");
    assert!(
        shown.contains("  \"timestamp\": \"2026-03-01\",    <-- ") || shown.contains("\"2026-03-01\"    <-- "),
        "{shown}"
    );
    let json: Json = serde_json::from_slice(&quarantine(folder, &["show", id, "--format", "json"]).stdout).unwrap();
    assert_eq!(&json, item);

    let missing = quarantine(folder, &["show", "none"]);
    assert_eq!(missing.status.code(), Some(1));
    let told = String::from_utf8(missing.stderr).unwrap();
    assert!(told.contains("nothing in the quarantine has the id `none`"), "{told}");
}

const STRICT: &str = "event \"Order Completed\" strict { order_id: text, revenue: number }";
const KEY: &str = "a-management-key";

/// A server whose plan for orders is strict.
async fn strict(database: Option<&str>) -> Running {
    Running::start_on(database, |folder| {
        edit(&folder.join("tidewater.yaml"), "sources:", &format!("api_key: {KEY}\nsources:"));
        let lax = "event \"Order Completed\" { order_id: text, revenue: number }";
        edit(&folder.join("rules/shop.tide"), lax, STRICT);
    })
    .await
}

/// From now on the plan takes prices as texts.
fn loosen(folder: &Path) {
    edit(&folder.join("rules/shop.tide"), STRICT, "event \"Order Completed\" strict { order_id: text, revenue: text }");
}

async fn post(running: &Running, call: &str, body: &Json) -> u16 {
    let request = running.client.post(format!("{}/v1/{call}", running.url)).basic_auth("test-write-key", Some(""));
    request.json(body).send().await.unwrap().status().as_u16()
}

fn address(running: &Running, database: Option<&str>) -> String {
    let own = || format!("sqlite://{}/data/tidewater.db", running.folder.path().display());
    database.map_or_else(own, str::to_owned)
}

/// How often each message is in the journal.
async fn messages(store: &Database) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for entry in store.read_journal(Offset(0), usize::MAX).await.unwrap() {
        if let EntryBody::Event(event) = entry.body {
            *times.entry(event.message_id).or_default() += 1;
        }
    }
    times
}

fn ids_of(listed: &Json) -> Vec<String> {
    listed.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn json_of(output: &Output) -> Json {
    let told = || String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told()))
}

/// Many are tried again, and the server is killed in the middle of it, several times. After each death every one of them
/// is in the quarantine or in the journal.
async fn survive(database: Option<&str>) {
    const ORDERS: usize = 2_400;
    let mut running = strict(database).await;
    let order = |n: usize| {
        json!({"type": "track", "event": "Order Completed", "userId": format!("u{}", n % 40), "messageId": format!("m{n}"),
               "properties": {"order_id": n.to_string(), "revenue": "12.50"}})
    };
    let batch: Vec<Json> = (0..ORDERS).map(order).collect();
    assert_eq!(post(&running, "batch", &json!({ "batch": batch })).await, 200);
    running.server.kill();
    let store = Database::open_existing(&address(&running, database)).await.unwrap();
    let held = async || store.quarantine(u64::from(u32::MAX)).await.unwrap().len();
    assert_eq!((held().await, messages(&store).await.len()), (ORDERS, 0));
    loosen(running.folder.path());
    let mut split = 0;
    for round in 0.. {
        running.server = Server::start(running.folder.path());
        running.server.ready(&running.client, &running.url).await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidewater"));
        command.args(["quarantine", "retry", "--all", "--workspace"]).arg(running.folder.path());
        let mut retry = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let before = held().await;
        // Each round dies a little deeper in; the last is left to end.
        while round < 5 && before - held().await < 256 * (1 + round % 2) && retry.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "nothing is taken");
        }
        let is_over = if round < 5 {
            running.server.kill();
            retry.wait().unwrap();
            false
        } else {
            retry.wait().unwrap().success()
        };
        let (held, messages) = (held().await, messages(&store).await);
        assert_eq!(held + messages.keys().filter(|id| id.starts_with('m')).count(), ORDERS, "in one of the two");
        assert!(messages.iter().filter(|(id, _)| id.starts_with('m')).all(|(_, times)| *times == 1));
        split += usize::from(held > 0 && held < ORDERS);
        if is_over {
            assert_eq!(held, 0);
            break;
        }
        assert!(round < 5, "what nobody disturbs goes well");
    }
    assert!(split > 1, "it died in the middle");
    let deadline = Instant::now() + PATIENCE;
    let counted = loop {
        let counts = store.message_counts().await.unwrap();
        let counted: BTreeSet<_> =
            counts.into_iter().filter(|(id, count)| id.starts_with('m') && *count == 1).collect();
        if counted.len() == ORDERS || Instant::now() > deadline {
            break counted.len();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(counted, ORDERS, "each counts once");
}

#[actix_rt::test]
async fn what_is_tried_again_is_in_the_quarantine_or_in_the_journal_on_sqlite() {
    survive(None).await;
}

#[actix_rt::test]
async fn what_is_tried_again_is_in_the_quarantine_or_in_the_journal_on_postgres() {
    let postgres = Postgres::start();
    survive(Some(&postgres.url())).await;
}

#[actix_rt::test]
async fn what_was_refused_is_tried_again_as_it_came_or_mended() {
    let mut running = strict(None).await;
    let folder = running.folder.path().to_owned();
    let retry = |arguments: &[&str]| quarantine(&folder, &[&["retry"], arguments, &["--format", "json"]].concat());
    let order = |id: &str, revenue: Json| {
        json!({"event": "Order Completed", "userId": "ada", "messageId": id, "timestamp": "2026-03-01T09:00:00Z",
               "properties": {"order_id": id, "revenue": revenue}})
    };
    // A single call does not say its type, and a batch says some things for all.
    assert_eq!(post(&running, "track", &order("m1", json!("dear"))).await, 400);
    let mut second = order("m2", json!("dear"));
    second["type"] = json!("track");
    let batch = json!({"batch": [second], "sentAt": "2026-03-01T10:00:00Z", "context": {"ip": "::1"}});
    assert_eq!(post(&running, "batch", &batch).await, 200);
    let nobody = json!({"event": "Order Completed", "properties": {"order_id": "m3"}});
    assert_eq!(post(&running, "track", &nobody).await, 400);
    let mut kept = order("m4", json!(1));
    kept["event"] = json!("Product Added");
    kept["properties"] = json!({"product_id": 4});
    assert_eq!(post(&running, "track", &kept).await, 200, "taken with a word on it");

    let listed = json_of(&quarantine(&folder, &["list", "--format", "json"]));
    let row = |message: &str| {
        let rows = listed.as_array().unwrap().iter();
        let is_it =
            |row: &&Json| row["payload"]["messageId"] == message || row["payload"]["properties"]["order_id"] == message;
        rows.filter(is_it).cloned().collect::<Vec<Json>>().pop().unwrap_or_else(|| panic!("{message}: {listed}"))
    };
    let id = |message: &str| row(message)["id"].as_str().unwrap().to_owned();
    assert_eq!(ids_of(&listed).len(), 4);
    assert_eq!((&row("m1")["call"], &row("m2")["call"]), (&json!("track"), &json!("batch")));
    assert_eq!(row("m2")["payload"]["sentAt"], "2026-03-01T10:00:00Z");

    // By the rules of then nothing is better, and it is said again.
    let again = retry(&["--reason", "plan_breach"]);
    assert_eq!((again.status.code(), json_of(&again)["refused"].as_array().unwrap().len()), (Some(1), 2));
    let never = retry(&[&id("m4")]);
    assert_eq!(never.status.code(), Some(1));
    assert!(json_of(&never)["never"][0]["reason"].as_str().unwrap().contains("was taken when it came"));
    let missing = json_of(&retry(&["none"]));
    assert_eq!(missing["missing"], json!(["none"]));
    // A mistake in what is mended changes nothing of what came.
    let wrong = json_of(&retry(&[&id("m3"), "--set", "userId=null"]));
    assert_eq!(wrong["refused"][0]["mistakes"][0]["path"], "userId");
    assert_eq!(json_of(&retry(&[&id("m3"), "--set", "userId=eve"]))["taken"], json!([id("m3")]));
    // Edited as it was shown.
    let mut shown = json_of(&quarantine(&folder, &["show", &id("m1"), "--format", "json"]));
    shown["payload"]["properties"]["revenue"] = json!(12.5);
    let file = folder.join("edited.json");
    std::fs::write(&file, shown.to_string()).unwrap();
    assert_eq!(json_of(&retry(&[&id("m1"), "--payload", file.to_str().unwrap()]))["taken"], json!([id("m1")]));
    // The source sent it once more meanwhile.
    assert_eq!(post(&running, "track", &order("m2", json!(7))).await, 200);
    running.server.kill();
    loosen(&folder);
    running.restart_killed().await;
    let all = retry(&["--source", "shop"]);
    assert_eq!((all.status.code(), json_of(&all)["taken"].as_array().unwrap().len()), (Some(0), 1));
    let table = String::from_utf8(quarantine(&folder, &["retry", "--all"]).stdout).unwrap();
    assert!(table.starts_with("0 taken, 0 refused again") && table.contains("was taken when it came"), "{table}");

    let store = Database::open_existing(&address(&running, None)).await.unwrap();
    let expected: BTreeMap<&str, i64> = BTreeMap::from([("m1", 1), ("m2", 1), ("m4", 1)]);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let counts: BTreeMap<String, i64> = store.message_counts().await.unwrap().into_iter().collect();
        let is_there = |(id, count): (&&str, &i64)| counts.get(*id) == Some(count);
        if expected.iter().all(is_there) && counts.contains_key(&format!("quarantine-{}", id("m3"))) {
            break;
        }
        assert!(Instant::now() < deadline, "{counts:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ada = store.find_profile_by("user_id", "ada").await.unwrap().unwrap();
    let history = store.profile_history(ada, 10).await.unwrap();
    let first = history.iter().find(|item| item.event.message_id == "m1").unwrap();
    assert_eq!(first.event.timestamp.to_string(), "2026-03-01T09:00:00Z", "it happened when it happened");
    let held = store.quarantine(10).await.unwrap();
    assert_eq!(held.iter().map(|(_, row)| row.code.as_str()).collect::<Vec<_>>(), ["plan_breach_kept"]);
}
