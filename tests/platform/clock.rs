//! The real binary on a machine whose clock leaps forward and back while it runs: nothing is lost or counted twice, the
//! journal's time never runs back, and no wait ends for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use tidewater::channels::webhook::catcher::HookCatcher;
use tidewater::model::{EntryBody, Offset, Span, Timestamp};
use tidewater::store::Database;

use crate::process::{PATIENCE, Server, free_port, write_workspace};

/// By how much the clock is wrong, one after the other. What it leaps by is sometimes within the hour that is believed,
/// and sometimes far beyond.
const LEAPS: [&str; 9] = ["+0", "+50m", "+0", "+2h", "-50m", "-1d", "+1d", "+50m", "+0"];

/// libfaketime (<https://github.com/wolfcw/libfaketime>), where Debian puts it.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let mut places = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    places.find(|place| place.exists()).expect("libfaketime is missing: apt-get install faketime")
}

/// Where the server reads by how much its clock is wrong; it asks before each look at the clock.
fn be_wrong_by(folder: &Path, offset: &str) {
    // The file is read again and again meanwhile: it must never be half written.
    let fresh = folder.join("clock.new");
    std::fs::write(&fresh, format!("{offset}\n")).unwrap();
    std::fs::rename(fresh, folder.join("clock")).unwrap();
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(since.as_millis() as i64)
}

#[actix_rt::test]
async fn leaps_of_the_clock_lose_nothing_and_end_no_wait() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let hooks = HookCatcher::start().await.unwrap();
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let url = format!("http://127.0.0.1:{port}");
    write_workspace(folder.path(), port, &hooks.url(), None);
    be_wrong_by(folder.path(), LEAPS[0]);
    let (preload, file) = (
        format!("LD_PRELOAD={}", library().display()),
        format!("FAKETIME_TIMESTAMP_FILE={}", folder.path().join("clock").display()),
    );
    // Only the wall clock leaps, as on a machine whose clock is set.
    let under = ["env", &preload, &file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"];
    let mut server = Server::start_under(&under, folder.path());
    server.ready(&client, &url).await;
    let post = async |event: serde_json::Value| {
        let request = client.post(format!("{url}/v1/track")).basic_auth("test-write-key", Some(""));
        assert_eq!(request.json(&event).send().await.unwrap().status().as_u16(), 200, "{event}");
    };
    // Ada leaves a cart behind. That shows after an hour, which this test does not last.
    post(json!({"userId": "ada", "messageId": "cart", "event": "Product Added", "properties": {"product_id": "p"}}))
        .await;
    let order = |id: String| {
        json!({"userId": "bob", "messageId": id, "event": "Order Completed",
                                    "properties": {"order_id": id, "revenue": 1}})
    };
    for (number, leap) in LEAPS.into_iter().enumerate() {
        be_wrong_by(folder.path(), leap);
        post(order(format!("o{number}"))).await;
    }
    server.kill();
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap();
    assert!(log.contains("the machine's clock has leapt"), "{log}");
    // On with a clock that is right.
    let mut server = Server::start(folder.path());
    server.ready(&client, &url).await;
    post(order("last".to_owned())).await;

    let store =
        Database::open_existing(&format!("sqlite://{}/data/tidewater.db", folder.path().display())).await.unwrap();
    // A kill may come between a hook's answer and its note: then it is called again, under the same id.
    let told = || -> Vec<String> {
        let calls = hooks.requests().into_iter();
        let known: BTreeMap<_, _> =
            calls.map(|call| (call.header("webhook-id").unwrap().to_owned(), call.body)).collect();
        known.into_values().collect()
    };
    let deadline = Instant::now() + PATIENCE;
    while store.outbox_open().await.unwrap() > 0 || told().len() <= LEAPS.len() {
        assert!(Instant::now() < deadline, "told {:?}", told());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let told = told();
    let orders = (0..LEAPS.len()).map(|number| format!("o{number}")).chain(["last".to_owned()]);
    for order in orders {
        assert_eq!(told.iter().filter(|body| body.contains(&format!("\"{order}\""))).count(), 1, "{order}: {told:?}");
    }
    assert!(!told.iter().any(|body| body.contains("cart")), "the hour of the cart is not over: {told:?}");
    let journal = store.read_journal(Offset(0), 10_000).await.unwrap();
    assert!(journal.windows(2).all(|two| two[0].received_at <= two[1].received_at), "time runs forward");
    let received = |id: &str| {
        let is_it = |body: &EntryBody| matches!(body, EntryBody::Event(event) if event.message_id == id);
        journal.iter().find(|entry| is_it(&entry.body)).unwrap().received_at
    };
    let minutes = |from: &str, to: &str| (received(to).0 - received(from).0) / Span::MINUTE.0;
    assert!((49..55).contains(&minutes("cart", "o1")), "a leap within the hour is believed");
    assert!(minutes("o1", "last") < 10, "no other is");
    assert!(received("last") < now() + Span::HOUR);
}
