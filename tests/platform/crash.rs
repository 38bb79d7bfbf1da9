//! The real binary under load, killed with `kill -9` again and again: while it takes events, while it starts, while new
//! rules are put in force and customers take them in, while it stops. In the end everything acknowledged is there once,
//! every effect reached the far side under one id, and the journal gives the same state when it is applied anew.
//!
//! `TIDEWATER_ROUNDS=100 cargo nextest run --test platform -E 'test(crash)'` kills more often.

mod load;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidewater::channels::webhook::catcher::HookCatcher;
use tidewater::engine::{Profile, snapshot};
use tidewater::model::{Entry, EntryBody, Offset, ShardId, Timestamp, limit};
use tidewater::store::Database;
use tidewater::store::outbox::OutboxStatus;
use tidewater::workspace::Program;

use crate::postgres::Postgres;
use crate::process::{PATIENCE, Server, free_port, write_workspace};
use crate::replay::{Checkpoints, Replay};
use crate::shop;
use load::{Sent, Source};

const ROUNDS: u32 = 8;
const SOURCES: u64 = 4;
const KEY: &str = "a-management-key";

/// What an author adds to the rules and takes away again. Only the past tells who is regular.
const MORE: &str = "segment regular = did \"Order Completed\" at least 3 times\n";

/// In the middle of what the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum During {
    Load,
    Start,
    Deploy,
    Stop,
}

const MOMENTS: [During; 4] = [During::Load, During::Start, During::Deploy, During::Stop];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Two folders with the same settings: the rules as they were, and edited.
struct Siege {
    client: reqwest::Client,
    url: String,
    folders: [tempfile::TempDir; 2],
    programs: BTreeMap<String, Arc<Program>>,
    sent: Arc<Mutex<Sent>>,
    chance: StdRng,
    seed: u64,
}

impl Siege {
    fn lay(database: &str, hook: &str, seed: u64) -> Self {
        // The server closes what was idle for five seconds: it must not be asked in that very moment.
        let client =
            reqwest::Client::builder().timeout(Duration::from_secs(20)).pool_idle_timeout(Duration::from_secs(2));
        let client = client.build().unwrap();
        let port = free_port();
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let mut programs = BTreeMap::new();
        for (folder, more) in folders.iter().zip(["", MORE]) {
            let mut files = write_workspace(folder.path(), port, hook, Some(database));
            files[0].1.push_str(&format!("api_key: {KEY}\n"));
            files[1].1.push_str(more);
            for (path, text) in &files[..2] {
                std::fs::write(folder.path().join(path), text).unwrap();
            }
            let (program, _) = shop::compiled(files);
            programs.insert(program.version.clone(), program);
        }
        assert_eq!(programs.len(), 2, "an edit is another program");
        let (url, sent) = (format!("http://127.0.0.1:{port}"), Arc::default());
        Self { client, url, folders, programs, sent, chance: StdRng::seed_from_u64(seed), seed }
    }

    /// One life of a server.
    async fn round(&mut self, round: u32, during: During) {
        let mut server = Server::start(self.folders[self.chance.random_range(0..2)].path());
        if during == During::Start {
            self.moment(5..400).await;
            return server.kill();
        }
        server.ready(&self.client, &self.url).await;
        let sources: Vec<_> = (0..SOURCES).map(|n| actix_rt::spawn(self.source(round, n).send_orders())).collect();
        self.moment(100..1_200).await;
        match during {
            During::Deploy => {
                let mut apply = self.apply();
                self.moment(0..900).await;
                server.kill();
                // It was answered, or it met nobody any more.
                apply.wait().unwrap();
            }
            During::Stop => {
                server.terminate();
                self.moment(0..400).await;
                server.kill();
            }
            During::Load | During::Start => server.kill(),
        }
        for source in sources {
            source.await.unwrap();
        }
    }

    async fn moment(&mut self, range: std::ops::Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.chance.random_range(range))).await;
    }

    fn source(&self, round: u32, n: u64) -> Source {
        let (client, url, sent) = (self.client.clone(), self.url.clone(), self.sent.clone());
        let seed = self.seed ^ (u64::from(round) << 8 | n);
        Source { client, url, name: format!("{round}-{n}"), seed, sent }
    }

    /// `tidewater apply` of the rules of either folder.
    fn apply(&mut self) -> Child {
        let folder = self.folders[self.chance.random_range(0..2)].path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidewater"));
        command.args(["apply", "--workspace"]).arg(folder).env("TIDEWATER_API_KEY", KEY);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Waits until all customers have taken the program in.
    async fn swept(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = self.client.get(format!("{}/api/v1/program", self.url)).bearer_auth(KEY);
            let state: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
            if state["sweeps"] == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{state}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Rounds of load and `kill -9`, then a last start, and the count.
async fn survive(database: Option<&str>) {
    let seed = number("TIDEWATER_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let rounds = number("TIDEWATER_ROUNDS").map_or(ROUNDS, |rounds| rounds as u32);
    println!("{rounds} rounds of seed {seed}: set TIDEWATER_SEED={seed} to kill at the same moments");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let hooks = HookCatcher::start().await.unwrap();
    let data = tempfile::tempdir().unwrap();
    let address = database.map_or_else(|| format!("sqlite://{}/tidewater.db", data.path().display()), str::to_owned);
    let mut siege = Siege::lay(&address, &hooks.url(), seed);
    let mut died: BTreeMap<During, u32> = BTreeMap::new();
    for round in 0..rounds {
        // Each kind once, then by chance.
        let during = MOMENTS.get(round as usize).copied().unwrap_or_else(|| MOMENTS[siege.chance.random_range(0..4)]);
        siege.round(round, during).await;
        *died.entry(during).or_default() += 1;
    }
    let mut server = Server::start(siege.folders[0].path());
    server.ready(&siege.client, &siege.url).await;
    let store = Database::open_existing(&address).await.unwrap();
    let told = everything_told(&store, &hooks, PATIENCE + Duration::from_secs(u64::from(rounds))).await;
    siege.swept().await;
    server.stop().await;
    let sent = std::mem::take(&mut *siege.sent.lock().unwrap());
    println!(
        "died during {died:?}: {} orders acknowledged, {} tried, {} sent again",
        sent.acknowledged.len(),
        sent.tried.len(),
        sent.repeats
    );
    assert!(sent.acknowledged.len() > 20 && sent.repeats > 5, "the load was too small to show anything");
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
    let merged = replay_agrees(&store, &siege.programs).await;
    assert!(merged > 0, "some visitors became users");
}

/// Waits until the outbox is empty. Returns the orders that the hook was told of, with the ids under which it was.
async fn everything_told(
    store: &Database,
    hooks: &HookCatcher,
    within: Duration,
) -> BTreeMap<String, BTreeSet<String>> {
    let deadline = Instant::now() + within;
    while store.outbox_open().await.unwrap() > 0 {
        let left = || async { store.outbox(Some(OutboxStatus::Ready), 3).await.unwrap() };
        assert!(Instant::now() < deadline, "{} are left: {:#?}", store.outbox_open().await.unwrap(), left().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    loop {
        let told = told_orders(hooks);
        let recorded = orders_recorded(store).await;
        if told.len() >= recorded.len() && outcomes(store).await >= told.len() {
            return told;
        }
        assert!(Instant::now() < deadline, "told {} of {} orders", told.len(), recorded.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
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

/// Applies the whole journal anew, and compares with what the store holds. Returns how many were merged into others.
pub async fn replay_agrees(store: &Database, programs: &BTreeMap<String, Arc<Program>>) -> usize {
    let mut journal: Vec<Entry> = Vec::new();
    loop {
        let after = journal.last().map_or(Offset(0), |last| last.offset);
        let page = store.read_journal(after, 10_000).await.unwrap();
        let Some(first) = page.first() else { break };
        assert_eq!(first.offset.0, after.0 + 1, "the journal has no gaps");
        journal.extend(page);
    }
    let mut replay = Replay::of(&journal, programs, Checkpoints::Never);
    let mut compared = 0;
    for shard in 0..limit::SHARDS {
        let ids = store.profiles_of_shard(ShardId(shard), None, 1_000_000).await.unwrap();
        for saved in store.load_profiles(&ids).await.unwrap() {
            let stored = serde_json::to_value(snapshot::decode(&saved.snapshot).unwrap()).unwrap();
            replay.pass_for(saved.id, Timestamp(stored["clock"].as_i64().unwrap()));
            assert_eq!(serde_json::to_value(&replay.profiles[&saved.id]).unwrap(), stored);
            compared += 1;
        }
    }
    assert_eq!(compared, replay.profiles.len(), "everyone in the journal has a state");
    let merged = replay.profiles.values().filter(|profile| Profile::merged_into(profile).is_some()).count();
    let deploys = journal.iter().filter(|entry| matches!(entry.body, EntryBody::Deploy(_))).count();
    println!("{} entries replayed: {compared} people, {merged} of them merged, {deploys} deploys", journal.len());
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
