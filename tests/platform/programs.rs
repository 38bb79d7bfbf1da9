//! New rules on a running server: `plan` tells what they would change, `apply` changes it, and no event is dropped
//! meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tidewater::store::Database;

use crate::process::{PATIENCE, Running};

const KEY: &str = "a-management-key";

struct Shop(Running);

impl Shop {
    async fn open() -> Self {
        Self(Running::start().await)
    }

    async fn send(&self, batch: &[Json]) {
        let request = self.0.client.post(format!("{}/v1/batch", self.0.url)).basic_auth("test-write-key", Some(""));
        let answer = request.json(&json!({ "batch": batch })).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{}", answer.text().await.unwrap());
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let workspace = self.0.folder.path().to_str().unwrap();
        Command::new(env!("CARGO_BIN_EXE_tidewater"))
            .args(arguments)
            .args(["--workspace", workspace])
            .env("TIDEWATER_API_KEY", KEY)
            .output()
            .unwrap()
    }

    /// A command that runs beside what the test does.
    async fn beside(&self, arguments: &'static [&'static str]) -> Output {
        let workspace = self.0.folder.path().to_owned();
        let run = move || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tidewater"));
            command.args(arguments).arg("--workspace").arg(workspace).env("TIDEWATER_API_KEY", KEY).output().unwrap()
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Json {
        let told = self.command(arguments);
        serde_json::from_slice(&told.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", text(&told.stdout), text(&told.stderr)))
    }

    async fn database(&self) -> Database {
        open(self.0.folder.path()).await
    }

    fn append(&self, file: &str, more: &str) {
        let file = self.0.folder.path().join(file);
        let before = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{before}{more}")).unwrap();
    }
}

async fn open(folder: &Path) -> Database {
    Database::open_existing(&format!("sqlite://{}/data/tidewater.db", folder.display())).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn order(user: usize, n: usize) -> Json {
    json!({"type": "track", "userId": format!("u{user}"), "event": "Order Completed", "messageId": format!("{user}-{n}"),
           "properties": {"order_id": format!("{user}-{n}"), "revenue": 10}})
}

const MORE: &str = "segment regular = did \"Order Completed\" at least 3 times\n\
                    compute spent = sum of revenue from \"Order Completed\"\n\
                    segment spender = spent >= 50\n\
                    segment casual = did \"Order Completed\" and not in segment regular\n";

/// Waits until the store shows what is wanted of it.
async fn until(store: &Database, wanted: &BTreeMap<String, i64>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let sizes: BTreeMap<String, i64> =
            store.segment_sizes().await.unwrap().into_iter().map(|one| (one.segment, one.members)).collect();
        if sizes == *wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{sizes:?} instead of {wanted:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn sizes(pairs: &[(&str, i64)]) -> BTreeMap<String, i64> {
    pairs.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect()
}

#[actix_rt::test]
async fn new_rules_know_the_past_and_drop_no_event() {
    let mut shop = Shop::open().await;
    // A server reads its settings when it starts.
    shop.append("tidewater.yaml", &format!("api_key: {KEY}\n"));
    shop.0.restart().await;
    // User n has ordered n times, some of them before anyone knew who it was.
    for user in 0..8 {
        let mut batch: Vec<Json> = (0..user).map(|n| order(user, n)).collect();
        if user == 5 {
            for known in &mut batch[..2] {
                known["userId"] = Json::Null;
                known["anonymousId"] = json!("a5");
            }
            batch.push(json!({"type": "alias", "userId": "u5", "previousId": "a5", "messageId": "alias"}));
        }
        if !batch.is_empty() {
            shop.send(&batch).await;
        }
    }
    let store = shop.database().await;
    until(&store, &sizes(&[("buyer", 7)])).await;
    // A merge is two entries: in between its winner waits, and is not looked at.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = shop.json(&["plan", "--format", "json"]);
        assert_eq!(now["from"], now["to"], "nothing was edited");
        if now["profiles"] == 7 {
            break;
        }
        assert!(Instant::now() < deadline, "{now}");
    }
    shop.append("rules/shop.tide", MORE);
    let plan = shop.json(&["plan", "--format", "json"]);
    let segments: BTreeMap<&str, &Json> =
        plan["segments"].as_array().unwrap().iter().map(|one| (one["name"].as_str().unwrap(), one)).collect();
    assert_eq!(plan["profiles"], 7);
    assert_eq!((&segments["regular"]["change"], &segments["regular"]["after"]), (&json!("added"), &json!(5)));
    assert_eq!(segments["regular"]["backfilled"], true);
    assert_eq!((&segments["spender"]["after"], &segments["casual"]["after"]), (&json!(3), &json!(2)));
    assert_eq!((&segments["buyer"]["change"], &segments["buyer"]["leaving"]), (&json!("same"), &json!(0)));
    let told = text(&shop.command(&["plan"]).stdout);
    assert!(told.contains("regular") && told.contains("added") && told.contains("nothing is sent"), "{told}");
    // Everyone orders twice more while the rules are changed.
    let apply = shop.beside(&["apply"]);
    let orders = async {
        for n in 100..102 {
            for user in 1..8 {
                shop.send(&[order(user, n)]).await;
            }
        }
    };
    let (applied, ()) = tokio::join!(apply, orders);
    let told = text(&applied.stdout);
    assert!(applied.status.success(), "{told}{}", text(&applied.stderr));
    assert!(told.contains("in force from entry") && told.contains("history: casual, regular, spender"), "{told}");
    until(&store, &sizes(&[("buyer", 7), ("regular", 7), ("spender", 5)])).await;
    // Histories are saved with the states, a little later than they are decided.
    let deadline = Instant::now() + PATIENCE;
    while store.message_counts().await.unwrap().len() < 28 + 1 + 14 {
        assert!(Instant::now() < deadline, "each event counts");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(store.message_counts().await.unwrap().len(), 28 + 1 + 14, "and only once");
    assert!(text(&shop.command(&["apply"]).stdout).contains("in force already"));
    // The program is the one that a restart finds.
    shop.0.restart().await;
    let again = shop.json(&["plan", "--format", "json"]);
    assert_eq!(again["from"], again["to"]);
    until(&store, &sizes(&[("buyer", 7), ("regular", 7), ("spender", 5)])).await;
}

#[actix_rt::test]
async fn apply_says_why_it_could_not() {
    let mut shop = Shop::open().await;
    let closed = shop.command(&["apply"]);
    assert_eq!(closed.status.code(), Some(1));
    assert!(text(&closed.stderr).contains("api_key"), "{}", text(&closed.stderr));
    shop.append("tidewater.yaml", "api_key: another\n");
    shop.0.server.kill();
    let nobody = text(&shop.command(&["apply"]).stderr);
    assert!(nobody.contains("nobody answers there") && nobody.contains("tidewater serve"), "{nobody}");
    shop.0.restart().await;
    let wrong = text(&shop.command(&["apply"]).stderr);
    assert!(wrong.contains("another key") && !wrong.contains(KEY), "{wrong}");
    let offer =
        |body: Json| shop.0.client.post(format!("{}/api/v1/program", shop.0.url)).bearer_auth("another").json(&body);
    let broken = json!({"version": "1", "sources": [["rules/shop.tide", "segment = "]]});
    assert_eq!(offer(broken).send().await.unwrap().status().as_u16(), 422);
    let other = json!({"version": "1", "sources": [["rules/shop.tide", "topic news channels email marketing opt_in"]]});
    assert_eq!(offer(other).send().await.unwrap().status().as_u16(), 409);
    assert_eq!(offer(json!({"version": 1})).send().await.unwrap().status().as_u16(), 400);
    // A channel is made when the server starts.
    let settings = "  erp:\n    kind: webhook\n    url: http://127.0.0.1:9/\n    \
                    secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n    allow_private_network: true\n";
    let yaml = shop.0.folder.path().join("tidewater.yaml");
    let before = std::fs::read_to_string(&yaml).unwrap();
    std::fs::write(&yaml, before.replace("api_key: another\n", &format!("{settings}api_key: another\n"))).unwrap();
    let journey = "---\njourney: tell-erp\nenter: { event: Signed Up }\nsteps:\n  - id: tell\n    webhook: { to: erp, body: {} }\n";
    shop.append("journeys/shop.yaml", journey);
    let workspace = shop.0.folder.path().to_str().unwrap();
    let mut apply = Command::new(env!("CARGO_BIN_EXE_tidewater"));
    let missing = apply.args(["apply", "--workspace", workspace]).env_remove("TIDEWATER_API_KEY").output().unwrap();
    let told = text(&missing.stderr);
    assert!(told.contains("no channel `erp`") && told.contains("start it anew"), "{told}");
    shop.append("rules/shop.tide", "segment broken = did\n");
    let findings = shop.command(&["apply"]);
    assert_eq!(findings.status.code(), Some(1));
    assert!(text(&findings.stderr).contains("shop.tide") && text(&findings.stderr).contains("cannot run"));
}
