//! `tidewater lint --against`: a real server takes real requests, then the real binary looks into what it kept.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value as Json, json};
use tidewater::analytics::seen::{AtMost, answers};
use tidewater::lint::against::{LookedAt, Questions};
use tidewater::store::Database;
use tidewater::workspace;

use crate::databases::TestDatabase;
use crate::postgres::Postgres;

const RULES: &str = r#"event "Order Completed" { currency: text, revenue: number }
event "Order Refunded" {}
event "Signed Up" {}
trait plan: text
trait email: text pii
segment buyers = did "Order Completed"
segment dollars =
  did "Order Completed" where currency is "usd"
segment refunded = did "Order Refunded"
segment fresh = did "Signed Up" in last 7 days
segment everyone = plan is set
segment paying = plan in ("free", "pro") and email is "ada@example.com"
"#;

const USERS: usize = 30;
const WRITE_KEY: &str = "test-write-key";

/// A server process; killed when it is dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(workspace: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidewater"))
            .args(["serve", "--format", "json", "--workspace"])
            .arg(workspace)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Json = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the server did not start: {line}"));
        Self { child, url: told["listening"].as_str().unwrap().to_owned() }
    }

    async fn take(&self, events: Vec<Json>) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let request = reqwest::Client::new().post(format!("{}/v1/batch", self.url)).basic_auth(WRITE_KEY, Some(""));
        let answer = request.json(&json!({ "batch": events })).send().await.unwrap();
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
    }

    /// Lets it finish what it has and save.
    fn stop(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success() && self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everyone has a plan, ordered in dollars three times, and signed up long ago; one visitor turns out to be the
/// first of them.
fn happened(long_ago: chrono::DateTime<chrono::Utc>) -> Vec<Json> {
    let mut events = vec![json!({
        "type": "track", "anonymousId": "visitor", "messageId": "visit", "event": "Order Completed",
        "properties": { "currency": "EUR", "revenue": 5 },
    })];
    for user in 0..USERS {
        let id = format!("user-{user}");
        events.push(json!({
            "type": "identify", "userId": id, "messageId": format!("who-{user}"),
            "traits": { "plan": "free", "email": format!("{id}@example.com") },
        }));
        events.push(json!({
            "type": "track", "userId": id, "messageId": format!("up-{user}"), "event": "Signed Up", "timestamp": long_ago.to_rfc3339(),
        }));
        events.extend((0..3).map(|order| {
            json!({
                "type": "track", "userId": id, "messageId": format!("order-{user}-{order}"), "event": "Order Completed",
                "properties": { "currency": "USD", "revenue": order },
            })
        }));
    }
    events.push(json!({
        "type": "identify", "userId": "user-0", "anonymousId": "visitor", "messageId": "met", "traits": {},
    }));
    events
}

fn lint(workspace: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewater"));
    command.arg("lint").arg(workspace).args(arguments).env_remove("RUST_LOG").output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// `line:column code message` of what data tells, as `--format json` has it.
fn told_by_data(workspace: &Path, against: &[&str]) -> Vec<String> {
    let done = lint(workspace, &[&["--format", "json"], against].concat());
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let json: Json = serde_json::from_slice(&done.stdout).unwrap();
    let of_data = json.as_array().unwrap().iter().filter(|one| one["code"].as_str().unwrap().starts_with("TW7"));
    of_data
        .map(|one| {
            let word = |value: &Json| value.as_str().unwrap().to_owned();
            let suppressed = if one["suppressed"].is_null() { "" } else { " (suppressed)" };
            format!(
                "{}:{} {} {}{suppressed}",
                one["at"]["line"],
                one["at"]["column"],
                word(&one["code"]),
                word(&one["message"])
            )
        })
        .collect()
}

async fn data_is_looked_into(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path();
    std::fs::create_dir(workspace.join("rules")).unwrap();
    let settings = format!("listen: 127.0.0.1:0\ndatabase: {}\nsources: {{ web: {WRITE_KEY} }}\n", database.url);
    std::fs::write(workspace.join("tidewater.yaml"), settings).unwrap();
    let rules = workspace.join("rules/shop.tide");
    std::fs::write(&rules, RULES).unwrap();

    let server = Server::start(workspace);
    let long_ago = chrono::Utc::now() - chrono::TimeDelta::days(40);
    server.take(happened(long_ago)).await;
    server.stop();

    let stopped = format!(
        "10:21 TW703 no `Signed Up` in the last 30 days; 30 came before, the latest on {}",
        long_ago.format("%Y-%m-%d")
    );
    let everything = [
        "6:9 TW705 everybody is in segment `buyers`: all 30 profiles",
        "7:9 TW704 nobody is in segment `dollars`, and nobody ever was; there are 30 profiles",
        "8:43 TW701 no `Order Completed` had `currency` \"usd\"; 90 had \"USD\"",
        "9:9 TW704 nobody is in segment `refunded`, and nobody ever was; there are 30 profiles",
        "9:24 TW702 no `Order Refunded` ever came",
        "10:9 TW704 nobody is in segment `fresh`, and nobody ever was; there are 30 profiles",
        &stopped,
        "11:9 TW705 everybody is in segment `everyone`: all 30 profiles",
        "12:9 TW704 nobody is in segment `paying`, and nobody ever was; there are 30 profiles",
        "12:35 TW701 no profile had `plan` \"pro\"; 30 had \"free\"",
        "12:55 TW701 no profile had `email` \"ada@example.com\"",
    ];
    assert_eq!(told_by_data(workspace, &["--against"]), everything);
    assert_eq!(told_by_data(workspace, &["--against", &database.url]), everything);
    assert_eq!(told_by_data(workspace, &[]), Vec::<String>::new(), "without data nothing is said of it");
    let human = lint(workspace, &["--against"]);
    // 91 orders, and the traits of 30 people.
    assert!(text(&human.stderr).starts_with("looked into 91 events and 30 profiles of "), "{}", text(&human.stderr));
    assert!(text(&human.stderr).contains("help: did you mean `\"USD\"`?"), "{}", text(&human.stderr));

    // What is silenced stands apart; without data nobody calls its comment left over.
    let silencing = "# tidewater: allow TW702 because refunds come with the next release\nsegment refunded";
    std::fs::write(&rules, RULES.replace("segment refunded", silencing)).unwrap();
    let silenced = told_by_data(workspace, &["--against"]);
    assert_eq!(silenced.last().map(String::as_str), Some("10:24 TW702 no `Order Refunded` ever came (suppressed)"));
    assert!(!text(&lint(workspace, &[]).stderr).contains("TW803"));
    let left_over = RULES.replace("segment buyers", "# tidewater: allow TW702 because it is new\nsegment buyers");
    std::fs::write(&rules, left_over).unwrap();
    assert!(text(&lint(workspace, &["--against"]).stderr).contains("TW803"));

    // What a machine can know it writes; a segment that is not in force has no size.
    std::fs::write(&rules, RULES).unwrap();
    assert!(lint(workspace, &["--against", "--fix"]).status.success());
    assert!(std::fs::read_to_string(&rules).unwrap().contains("currency is \"USD\""));
    let told = lint(workspace, &["--against"]);
    assert!(text(&told.stderr).contains("1 of 6 segments are not in force"), "{}", text(&told.stderr));
    assert!(!text(&told.stderr).contains("segment `dollars`"), "{}", text(&told.stderr));

    what_is_read_is_bounded_and_left_as_it_is(&database, workspace).await;
}

async fn what_is_read_is_bounded_and_left_as_it_is(database: &TestDatabase, workspace: &Path) {
    let store = Database::open_to_look(&database.url).await.unwrap();
    let loaded = workspace::load(workspace).unwrap();
    let questions = Questions::of(loaded.program.as_deref().unwrap(), &loaded.sources);
    let at_most = AtMost { events: 40, rows: 1_000, profiles: 7 };
    let some = answers(&store, &questions, BTreeSet::new(), at_most).await.unwrap();
    let looked_at = LookedAt { events: 40, all_events: false, profiles: 7, all_profiles: false };
    assert_eq!((some.looked_at, some.profiles), (looked_at, USERS as u64));
    let at_most = AtMost { events: 1_000, rows: 20, profiles: 7 };
    let few = answers(&store, &questions, BTreeSet::new(), at_most).await.unwrap();
    assert!(few.looked_at.events < 20 && !few.looked_at.all_events, "{:?}", few.looked_at);
    assert!(store.ping().await.is_err(), "whoever looks cannot write");
    store.close().await;
}

#[tokio::test]
async fn data_is_looked_into_on_sqlite() {
    data_is_looked_into(TestDatabase::sqlite()).await;
}

#[tokio::test]
async fn data_is_looked_into_on_postgresql() {
    let cluster = Postgres::start();
    data_is_looked_into(TestDatabase::postgres(&cluster, "against").await).await;
}

#[test]
fn what_cannot_be_looked_into_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = folder.path();
    std::fs::write(workspace.join("tidewater.yaml"), "sources: { web: key }\n").unwrap();
    let told = |arguments: &[&str]| {
        let done = lint(workspace, arguments);
        assert_eq!(done.status.code(), Some(1), "{arguments:?}");
        text(&done.stderr).to_owned()
    };
    assert!(told(&["--against"]).contains("there is no database at"));
    assert!(!workspace.join("data").exists(), "looking makes nothing");
    assert!(told(&["--against", "my-shop"]).contains("write `tidewater lint my-shop --against`"));
    let other = workspace.join("other.db");
    std::fs::write(&other, "").unwrap();
    assert!(
        told(&["--against", &format!("sqlite://{}", other.display())]).contains("this is no database of Tidewater")
    );
    assert_eq!(std::fs::metadata(&other).unwrap().len(), 0, "looking makes nothing");
}
