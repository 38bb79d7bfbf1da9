//! The quarantine as a person looks at it: the real server, and the real command beside it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value as Json, json};

use crate::process::Running;

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
