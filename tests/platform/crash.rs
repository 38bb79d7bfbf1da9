//! The real binary under load, killed with `kill -9` again and again. In the end everything acknowledged is there once,
//! every effect reached the far side under one id, and the journal gives the same state when it is applied anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tidewater::channels::webhook::catcher::HookCatcher;
use tidewater::engine::{self, Profile, snapshot};
use tidewater::model::{Entry, Offset, ProfileId, ShardId, Target, Timestamp, limit};
use tidewater::store::Database;
use tidewater::workspace::Program;

use crate::postgres::Postgres;
use crate::process::{PATIENCE, Server, free_port, write_workspace};
use crate::shop;

const ROUNDS: u32 = 6;
const SENDERS: u64 = 4;

/// What the senders know.
#[derive(Default)]
struct Sent {
    /// Message ids that were answered with success.
    acknowledged: BTreeSet<String>,
    /// All that were ever sent.
    tried: BTreeSet<String>,
}

/// Sends batches of orders until the server is gone.
async fn send_orders(client: reqwest::Client, url: String, label: String, sent: Arc<Mutex<Sent>>) {
    for batch in 0.. {
        let ids: Vec<String> = (0..5).map(|n| format!("{label}-{batch}-{n}")).collect();
        let events: Vec<_> = ids
            .iter()
            .enumerate()
            .map(|(n, id)| {
                let mut event = json!({
                    "type": "track", "event": "Order Completed", "messageId": format!("m-{id}"),
                    "properties": { "order_id": id },
                });
                // The last of a batch comes from a visitor, who turns out to be a known user in the next.
                if n < 4 {
                    event["userId"] = json!(format!("user-{}", (batch + n) % 50));
                }
                match (n, batch) {
                    (4, _) => event["anonymousId"] = json!(format!("visitor-{label}-{batch}")),
                    (0, 1..) => event["anonymousId"] = json!(format!("visitor-{label}-{}", batch - 1)),
                    _ => {}
                }
                event
            })
            .collect();
        sent.lock().unwrap().tried.extend(ids.iter().map(|id| format!("m-{id}")));
        let request = client.post(format!("{url}/v1/batch")).basic_auth("test-write-key", Some(""));
        match request.json(&json!({ "batch": events })).send().await {
            Ok(answer) if answer.status().is_success() => {
                sent.lock().unwrap().acknowledged.extend(ids.iter().map(|id| format!("m-{id}")));
            }
            // Told to come back later.
            Ok(answer) if answer.status().as_u16() == 429 || answer.status().as_u16() == 503 => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(answer) => panic!("an order was refused: {} {:?}", answer.status(), answer.text().await),
            Err(_) => return,
        }
    }
}

/// Rounds of load and `kill -9`, then a last start, and the count.
async fn survive(database: Option<&str>) {
    let seed: u64 =
        std::env::var("TIDEWATER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("seed {seed}: set TIDEWATER_SEED={seed} to kill at the same moments");
    let mut chance = StdRng::seed_from_u64(seed);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let hooks = HookCatcher::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let files = write_workspace(folder.path(), port, &hooks.url(), database);
    let address =
        database.map_or_else(|| format!("sqlite://{}/data/tidewater.db", folder.path().display()), str::to_owned);
    let sent = Arc::new(Mutex::new(Sent::default()));
    for round in 0..ROUNDS {
        let mut server = Server::start(folder.path());
        // Some die while they recover: those are not waited for.
        if round == 0 || chance.random_range(0..4) > 0 {
            server.ready(&client, &url).await;
            let senders: Vec<_> = (0..SENDERS)
                .map(|n| {
                    actix_rt::spawn(send_orders(client.clone(), url.clone(), format!("{round}-{n}"), sent.clone()))
                })
                .collect();
            tokio::time::sleep(Duration::from_millis(chance.random_range(100..1_200))).await;
            server.kill();
            for sender in senders {
                sender.await.unwrap();
            }
        } else {
            tokio::time::sleep(Duration::from_millis(chance.random_range(5..400))).await;
            server.kill();
        }
    }
    let mut server = Server::start(folder.path());
    server.ready(&client, &url).await;
    let store = Database::open_existing(&address).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    let told = loop {
        let told = told_orders(&hooks);
        let recorded = orders_recorded(&store).await;
        if store.outbox_open().await.unwrap() == 0
            && told.len() >= recorded.len()
            && outcomes(&store).await >= told.len()
        {
            break told;
        }
        assert!(Instant::now() < deadline, "told {} of {} orders", told.len(), recorded.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    server.kill();
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    println!("{} orders acknowledged, {} tried", sent.acknowledged.len(), sent.tried.len());
    assert!(sent.acknowledged.len() > 20, "the load was too small to show anything");
    let recorded = orders_recorded(&store).await;
    for id in &sent.acknowledged {
        assert_eq!(recorded.get(id), Some(&1), "{id} was acknowledged and must be there once");
    }
    for (id, count) in &recorded {
        assert!(sent.tried.contains(id) && *count == 1, "{id} is there {count} times");
    }
    let orders: BTreeSet<String> = recorded.keys().map(|id| id.trim_start_matches("m-").to_owned()).collect();
    assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), orders, "every order is told, and no other");
    for (order, ids) in &told {
        assert_eq!(ids.len(), 1, "order {order} was told under several ids");
    }
    let (program, _) = shop::compiled(files);
    let merged = replay_agrees(&store, &program).await;
    assert!(merged > 0, "some visitors became users");
}

/// Orders in the history, with how often each is there.
async fn orders_recorded(store: &Database) -> BTreeMap<String, i64> {
    let counts = store.message_counts().await.unwrap();
    counts.into_iter().filter(|(id, _)| id.starts_with("m-")).collect()
}

/// Outcomes in the history.
async fn outcomes(store: &Database) -> usize {
    store.message_counts().await.unwrap().iter().filter(|(id, _)| id.ends_with(":sent")).count()
}

/// Orders that the hook was told of, with the ids under which it was.
fn told_orders(hooks: &HookCatcher) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for request in hooks.requests() {
        let id = request.header("webhook-id").expect("an id").to_owned();
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        let order = body.pointer("/data/order").or_else(|| body.get("order")).and_then(|order| order.as_str());
        told.entry(order.expect("an order").to_owned()).or_default().insert(id);
    }
    told
}

/// Applies the whole journal anew, profile by profile, and compares with what the store holds. Returns how many
/// were merged into others.
async fn replay_agrees(store: &Database, program: &Program) -> usize {
    let mut entries: BTreeMap<ProfileId, Vec<Entry>> = BTreeMap::new();
    let mut after = Offset(0);
    loop {
        let page = store.read_journal(after, 10_000).await.unwrap();
        let Some(last) = page.last() else { break };
        assert_eq!(page[0].offset.0, after.0 + 1, "the journal has no gaps");
        after = last.offset;
        for entry in page {
            match entry.target {
                Target::Profile(profile) => entries.entry(profile).or_default().push(entry),
                Target::Everyone => assert!(entries.is_empty(), "the program was deployed before anyone was known"),
            }
        }
    }
    let (mut compared, mut merged) = (0, 0);
    for shard in 0..limit::SHARDS {
        let ids = store.profiles_of_shard(ShardId(shard), None, 1_000_000).await.unwrap();
        for saved in store.load_profiles(&ids).await.unwrap() {
            let stored = serde_json::to_value(snapshot::decode(&saved.snapshot).unwrap()).unwrap();
            let mut profile = Profile::new(saved.id);
            for entry in &entries[&saved.id] {
                engine::apply(&mut profile, program, entry);
            }
            engine::fire(&mut profile, program, Timestamp(stored["clock"].as_i64().unwrap()));
            assert_eq!(serde_json::to_value(&profile).unwrap(), stored);
            compared += 1;
            merged += usize::from(profile.merged_into().is_some());
        }
    }
    assert_eq!(compared, entries.len(), "everyone in the journal has a state");
    merged
}

#[actix_rt::test]
async fn nothing_acknowledged_is_lost_and_nothing_is_done_twice_on_sqlite() {
    survive(None).await;
}

#[actix_rt::test]
async fn nothing_acknowledged_is_lost_and_nothing_is_done_twice_on_postgres() {
    let postgres = Postgres::start();
    survive(Some(&postgres.url())).await;
}
