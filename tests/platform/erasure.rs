//! Somebody is erased from the real binary while others stay: what is left of them is looked for in every byte.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tidewater::channels::webhook::catcher::HookCatcher;
use tidewater::engine::snapshot;
use tidewater::model::limit::EVENT_BYTES;
use tidewater::model::{EntryBody, Offset};
use tidewater::store::Database;
use tidewater::workspace::Program;

use crate::crash::replay_agrees;
use crate::postgres::Postgres;
use crate::process::{PATIENCE, Server, free_port};
use crate::shop;

/// In everything that was ever told of them, and in nothing else.
const CANARY: &str = "canary";

struct World {
    folder: tempfile::TempDir,
    files: Vec<(String, String)>,
    hooks: HookCatcher,
    server: Server,
    url: String,
    client: reqwest::Client,
    database: String,
}

impl World {
    async fn start(database: Option<&str>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let hooks = HookCatcher::start().await.unwrap();
        let mut files = shop::files(&hooks.url());
        let settings = &mut files[0].1;
        *settings = settings.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
        if let Some(database) = database {
            *settings = settings.replace("sqlite://data/tidewater.db", database);
        }
        // Mail finds nobody at home, and waits.
        let ads = format!("  ads: {{ kind: audience, url: {}, allow_private_network: true }}\n", hooks.url());
        *settings += &ads;
        *settings += "  email: { kind: smtp, host: 127.0.0.1, port: 9, security: none, from: shop@example.com }\n";
        *settings += "api_key: test-api-key\n";
        files[1].1 += "audience_sync buyers_on_ads = members of buyer to ads using (email)\n";
        files[2].1 += shop::WELCOME;
        files.push(("templates/hello.txt".to_owned(), "Hello {{ name }}\n".to_owned()));
        for (path, text) in &files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        let server = Server::start(folder.path());
        let url = format!("http://127.0.0.1:{port}");
        let file = format!("sqlite://{}", folder.path().join("data/tidewater.db").display());
        let database = database.map_or(file, str::to_owned);
        let mut world = Self { folder, files, hooks, server, url, client, database };
        world.server.ready(&world.client, &world.url).await;
        world
    }

    async fn restart(&mut self) {
        self.server.kill();
        self.server = Server::start(self.folder.path());
        self.server.ready(&self.client, &self.url).await;
    }

    async fn send(&self, events: Vec<Json>) -> Json {
        let request = self.client.post(format!("{}/v1/batch", self.url)).basic_auth("test-write-key", Some(""));
        let answer = request.json(&json!({ "batch": events })).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// The far side of the channels lives on this thread: it must not stand still meanwhile.
    async fn tidewater(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidewater"));
        command.args(arguments).arg("--workspace").arg(self.folder.path()).env_remove("RUST_LOG");
        actix_rt::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    fn programs(&self) -> BTreeMap<String, Arc<Program>> {
        let program = shop::compiled(self.files.clone()).0;
        BTreeMap::from([(program.version.clone(), program)])
    }

    async fn store(&self) -> Database {
        Database::open(&self.database).await.unwrap()
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn(&Database) -> bool) {
        let (store, deadline) = (self.store().await, Instant::now() + PATIENCE);
        while !is_so(&store).await {
            assert!(Instant::now() < deadline, "waited for too long until {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        store.close().await;
    }

    /// Everybody's day: visits, a name, a merge, orders, mail that waits, an event that breaks the plan.
    async fn live(&self, user: &str) {
        let device = format!("{user}-device");
        let with = |mut event: Json, id: usize| {
            event["messageId"] = json!(format!("{user}-{id}"));
            event
        };
        let track = |event: &str, properties: Json| json!({"type": "track", "event": event, "properties": properties});
        let of = |mut event: Json, name: &str, value: &str| {
            event[name] = json!(value);
            event
        };
        let topic = json!({"topic": "newsletter", "channel": "email", "form": format!("{user} form")});
        let traits =
            json!({"email": format!("{user}@example.com"), "name": format!("{user} name"), "plan": {"note": user}});
        let visitor =
            of(track("Product Added", json!({"product_id": format!("{user}-product")})), "anonymousId", &device);
        let known = of(json!({"type": "identify", "traits": traits}), "userId", user);
        let order = track("Order Completed", json!({"order_id": format!("{user}-order"), "revenue": 9}));
        let mut joined = of(track("Signed Up", json!({"from": format!("{user} referrer")})), "userId", user);
        joined["anonymousId"] = json!(device);
        joined["context"] = json!({"ip": format!("{user} address")});
        let subscribed = of(track("Subscribed", topic), "userId", user);
        let events = [visitor, known, subscribed, of(order, "userId", user), joined];
        self.send(events.into_iter().enumerate().map(|(id, event)| with(event, id)).collect()).await;
        let bad = json!({"type": "track", "userId": user, "properties": {"secret": format!("{user} unheard of")}});
        let refused = self.send(vec![with(bad, 9)]).await;
        assert_eq!(refused["rejected"].as_array().map(Vec::len), Some(1), "{refused}");
        // Of what is too large only a beginning is kept, which is no JSON any more.
        let filler = "x".repeat(EVENT_BYTES);
        for properties in [json!({"a": user, "filler": filler}), json!({"filler": filler, "of": user})] {
            let large = of(json!({"type": "track", "event": "Large", "properties": properties}), "userId", user);
            assert_eq!(self.send(vec![with(large, 10)]).await["rejected"].as_array().map(Vec::len), Some(1));
        }
        self.until("all of it is saved", async |store| {
            let Some(id) = store.find_profile_by("user_id", user).await.unwrap() else { return false };
            let history = store.profile_history(id, 100).await.unwrap();
            let told = ["Audience Synced", "Webhook Sent"];
            told.iter().all(|name| history.iter().any(|item| item.event.name == *name)) && history.len() >= 7
        })
        .await;
    }

    async fn erase(&self, arguments: &[&str]) -> Json {
        let done = self.tidewater(&[&["privacy", "erase"], arguments, &["--format", "json"]].concat()).await;
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&self.log()));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    fn log(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("server.log")).unwrap()
    }

    /// Files that hold the word, with how often each does.
    fn found(&self) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let times = times_in(&std::fs::read(&path).unwrap());
                    found.extend((times > 0).then(|| (name_of(&path), times)));
                }
            }
        }
        found
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn times_in(bytes: &[u8]) -> usize {
    bytes.windows(CANARY.len()).filter(|window| *window == CANARY.as_bytes()).count()
}

/// What can be read through the store, unpacked.
async fn readable(store: &Database) -> String {
    let journal = store.read_journal(Offset(0), 1_000_000).await.unwrap();
    let mut all = format!("{journal:?}");
    for saved in store.profiles_after(None, 1_000).await.unwrap() {
        all += &serde_json::to_string(&snapshot::decode(&saved.snapshot).unwrap()).unwrap();
    }
    all += &format!("{:?}", store.quarantine(1_000).await.unwrap());
    all + &format!("{:?}", store.outbox(None, 1_000).await.unwrap())
}

#[actix_rt::test]
async fn no_byte_of_somebody_who_was_erased_is_left_and_nobody_else_is_touched() {
    let world = World::start(None).await;
    world.live("bob").await;
    world.live(CANARY).await;
    let store = world.store().await;
    let bob = store.find_profile_by("user_id", "bob").await.unwrap().unwrap();
    let old = store.find_profile_by("user_id", CANARY).await.unwrap().unwrap();
    let of_bob = async |store: &Database| {
        let saved = store.load_profiles(&[bob]).await.unwrap().pop().unwrap();
        (saved, store.profile_history(bob, 100).await.unwrap(), store.identifiers_of(bob).await.unwrap())
    };
    let before = of_bob(&store).await;
    assert!(!world.found().is_empty() && readable(&store).await.contains(CANARY), "there is something to be found");
    let told = store.outbox(None, 100).await.unwrap();
    let mails = told.iter().filter(|item| item.effect.body.kind() == "email" && item.effect.profile != bob).count();
    assert!(mails > 0, "mail for them waits");
    store.close().await;

    // Somebody whose user id is a number, which no JSON reader keeps digit by digit.
    let digits = "900150983024170963728172900150";
    let sign = format!(r#"{{"type": "track", "event": "Signed Up", "messageId": "d1", "userId": {digits}}}"#);
    let bad =
        format!(r#"{{"type": "track", "messageId": "d2", "userId": {digits}, "properties": {{"a": "{CANARY}"}}}}"#);
    let request = world.client.post(format!("{}/v1/batch", world.url)).basic_auth("test-write-key", Some(""));
    let sent = request.body(format!(r#"{{"batch": [{sign}, {bad}]}}"#)).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    let receipt = world.erase(&[digits]).await;
    assert_eq!(receipt["removed"]["quarantine"], json!(1), "{receipt}");

    let receipt = world.erase(&["user_id:canary"]).await;
    for place in ["identity", "history", "journal", "quarantine", "outbox", "journey_run", "journey_step"] {
        assert!(receipt["removed"][place].as_u64().unwrap() > 0, "{place}: {receipt}");
    }
    assert!(receipt["under_way"].is_null() && receipt["ended_at"].is_number(), "{receipt}");
    assert_eq!(world.found(), [], "in files");
    let store = world.store().await;
    assert!(!readable(&store).await.contains(CANARY), "in what is packed");
    assert_eq!(of_bob(&store).await, before);
    let merged = replay_agrees(&store, &world.programs()).await;
    assert_eq!(merged, 1, "bob was merged with his device, and stays so");
    // The ad platform let go of them, by the hash that it knows.
    let told: Vec<Json> =
        world.hooks.requests().iter().filter_map(|hook| serde_json::from_str(&hook.body).ok()).collect();
    let member = |action: &str| {
        let is_it = |hook: &&Json| hook["action"] == action;
        told.iter().rfind(is_it).map(|hook| hook["members"].clone())
    };
    assert!(member("remove").is_some() && member("remove") == member("add"), "{told:?}");

    // They are nobody; who comes by their name is somebody new, of whom nothing is known.
    let again = world.tidewater(&["privacy", "erase", "user_id:canary"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("no customer has the user id"), "{again:?}");
    world.send(vec![json!({"type": "track", "userId": CANARY, "event": "Product Added", "messageId": "new"})]).await;
    world
        .until("somebody new is known", async |store| {
            let Some(new) = store.find_profile_by("user_id", CANARY).await.unwrap() else { return false };
            assert_ne!(new, old);
            store.profile_history(new, 10).await.unwrap().len() == 1
        })
        .await;
    // This time for good.
    world.erase(&["canary", "--suppress"]).await;
    assert_eq!(world.found(), []);
    for (id, who) in [("late1", "userId"), ("late2", "anonymousId")] {
        let who = json!({ who: CANARY, "type": "track", "event": "Product Added", "messageId": id });
        world.send(vec![who]).await;
    }
    world
        .until("the first is refused", async |store| {
            let rows = store.quarantine(10).await.unwrap();
            rows.iter().any(|(_, row)| row.code == "erased" && row.payload == "{}")
        })
        .await;
    assert_eq!(store.find_profile_by("user_id", CANARY).await.unwrap(), None);
    // Nor does anybody come back by what was refused for another reason and is mended.
    let bad = json!({"type": "track", "userId": CANARY, "messageId": "late3", "properties": {"a": 1}});
    world.send(vec![bad]).await;
    let invalid = store.quarantine(10).await.unwrap().into_iter().find(|(_, row)| row.code != "erased").unwrap();
    let mended = ["quarantine", "retry", &invalid.0, "--set", "event=Product Added", "--format", "json"];
    let mended = world.tidewater(&mended).await;
    let told: Json = serde_json::from_slice(&mended.stdout).unwrap();
    assert_eq!((&told["refused"][0]["code"], &told["taken"]), (&json!("erased"), &json!([])), "{told}");
    assert_eq!(store.quarantined(&invalid.0).await.unwrap(), Some(invalid.1), "what was mended says nothing of it");
    assert_eq!(store.find_profile_by("user_id", CANARY).await.unwrap(), None);
    // The second is another kind of identifier, which nobody had before.
    assert!(store.find_profile_by("anonymous_id", CANARY).await.unwrap().is_some());
    let audit = world.tidewater(&["privacy", "audit", "--format", "json"]).await;
    let audit: Json = serde_json::from_slice(&audit.stdout).unwrap();
    let suppressed: Vec<bool> = audit.as_array().unwrap().iter().map(|one| one["is_suppressed"] == true).collect();
    assert_eq!(suppressed, [true, false, false]);
    assert!(audit.as_array().unwrap().iter().all(|one| one["under_way"].is_null()), "{audit}");
}

#[actix_rt::test]
async fn an_erasure_goes_on_by_itself_after_each_kill() {
    let mut world = World::start(None).await;
    world.live("bob").await;
    for (round, user) in ["canary1", "canary2", "canary3"].into_iter().enumerate() {
        world.live(user).await;
        let who = format!("user_id:{user}");
        let receipt = world.erase(&[&who, "--no-wait"]).await;
        assert!(receipt["under_way"].is_string(), "it has only begun: {receipt}");
        // At once, or somewhere in the rounds that follow each second.
        for pause in [0, 400 * round as u64] {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            world.restart().await;
        }
    }
    world
        .until("all is done", async |store| {
            let receipts = store.erasures().await.unwrap();
            assert_eq!(receipts.len(), 3);
            receipts.iter().all(|receipt| receipt.under_way.is_none())
        })
        .await;
    assert_eq!(world.found(), [], "in files");
    let store = world.store().await;
    assert!(!readable(&store).await.contains(CANARY));
    let entries = store.read_journal(Offset(0), 1_000_000).await.unwrap();
    assert!(entries.iter().any(|entry| matches!(entry.body, EntryBody::Erased)));
}

#[actix_rt::test]
async fn no_row_of_somebody_who_was_erased_is_left_on_postgres() {
    let postgres = Postgres::start();
    let world = World::start(Some(&postgres.url())).await;
    world.live("bob").await;
    world.live(CANARY).await;
    let hexadecimal: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let concerned = async || {
        let mut rows = postgres.rows().await;
        rows.retain(|row| row.contains(CANARY) || row.contains(&hexadecimal));
        rows
    };
    let before = concerned().await;
    for table in ["identity", "history", "journal_block", "profile", "outbox", "quarantine"] {
        assert!(before.iter().any(|row| row.starts_with(table)), "there is something to be found in {table}");
    }
    let receipt = world.erase(&["user_id:canary"]).await;
    assert!(receipt["ended_at"].is_number(), "{receipt}");
    assert_eq!(concerned().await, [] as [String; 0]);
    let store = world.store().await;
    assert!(!readable(&store).await.contains(CANARY));
    replay_agrees(&store, &world.programs()).await;
    assert_eq!(times_in(&world.log()), 0, "in the log");
}
