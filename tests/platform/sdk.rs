//! Segment's own Python library, unmodified, against our doors.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use serde_json::json;

use crate::served::{API_KEY_SETTING, Served, WRITE_KEY};

const RULES: &str = r#"
event "Order Completed" strict { order_id: text required, revenue: number required }
event "Product Viewed" { product_id: text required }
trait email: text clean (trim, lowercase, email) pii
trait birthday: date pii
segment buyers = did "Order Completed"
"#;

/// The interpreter whose packages hold the library: `TIDEWATER_PYTHON`, or `python3`.
fn python() -> String {
    std::env::var("TIDEWATER_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

fn run(arguments: &[&str]) -> Output {
    let python = python();
    match Command::new(&python).args(arguments).output() {
        Ok(output) => output,
        Err(error) => panic!("`{python}` does not start: {error}; set TIDEWATER_PYTHON to a Python 3"),
    }
}

fn require_library() {
    let found = run(&["-c", "import segment.analytics.client"]);
    let said = String::from_utf8_lossy(&found.stderr);
    assert!(found.status.success(), "the library is missing: pip install segment-analytics-python\n{said}");
}

/// Sends one of each call; gives the message ids that the library made.
async fn send(served: &Served, gzip: &'static str, prefix: &'static str) -> Vec<String> {
    let host = served.url.clone();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/platform/sdk.py");
    let output =
        actix_web::rt::task::spawn_blocking(move || run(&[script, &host, WRITE_KEY, gzip, prefix])).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the library met an error: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[actix_web::test]
async fn the_python_library_works_as_it_is() {
    require_library();
    let served = Served::start(RULES, API_KEY_SETTING).await;
    for (gzip, prefix) in [("0", "plain"), ("1", "gzip")] {
        let sent = send(&served, gzip, prefix).await;
        assert_eq!(sent.len(), 7, "the library queued every call");
        served.platform.settle().await;

        let stored: BTreeMap<String, i64> = served.store.message_counts().await.unwrap().into_iter().collect();
        for message in &sent {
            assert_eq!(stored.get(message), Some(&1), "{prefix}: message {message} in {stored:?}");
        }
        assert_eq!(served.store.quarantine(10).await.unwrap(), [], "{prefix}: nothing was refused");

        let (status, profile) = served.get(&format!("/api/v1/profiles/user_id:{prefix}-user")).await;
        assert_eq!(status, 200, "{profile}");
        let traits = json!({"email": format!("{prefix}@example.com"), "birthday": "1990-02-28"});
        assert_eq!(profile["traits"], traits);
        assert_eq!(profile["segments"][0]["segment"], "buyers");
        // What was done under other ids belongs to the same person.
        for kind in [format!("anonymous_id:{prefix}-anonymous"), format!("anonymous_id:{prefix}-old")] {
            let (status, same) = served.get(&format!("/api/v1/profiles/{kind}")).await;
            assert_eq!((status, &same["profile"]), (200, &profile["profile"]), "{kind}");
        }
        let events = profile["events"].as_array().unwrap();
        let mut names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        names.sort_unstable();
        let expected =
            ["Aliased", "Grouped", "Identified", "Order Completed", "Page Viewed", "Product Viewed", "Screen Viewed"];
        assert_eq!(names, expected, "{prefix}");
    }
    served.stop().await;
}

#[actix_web::test]
async fn the_python_library_hears_of_a_wrong_key() {
    require_library();
    let served = Served::start(RULES, "").await;
    let host = served.url.clone();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/platform/sdk.py");
    let output =
        actix_web::rt::task::spawn_blocking(move || run(&[script, &host, "wrong-key", "0", "x"])).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("unknown_write_key"), "{said}");
    assert_eq!(served.store.message_counts().await.unwrap(), []);
    served.stop().await;
}
