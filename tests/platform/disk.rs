//! The real binary on a disk that fills up: what cannot be kept is refused with the reason, what was accepted stays, and
//! when there is room again it goes on by itself.
//!
//! The disk is full for this process alone: `prlimit` bounds how large a file of it may grow, and lifts the bound later.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tidewater::store::Database;

use crate::process::{PATIENCE, Running, Server};

/// Lets files of the server grow up to so many bytes; `unlimited` lifts the bound.
fn bound_files(server: &Server, bytes: &str) {
    let pid = server.child.id().to_string();
    let bound = format!("--fsize={bytes}:unlimited");
    assert!(Command::new("prlimit").args(["--pid", &pid, &bound]).status().unwrap().success());
}

/// Bytes of the largest file of the database.
fn largest(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder.join("data")).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).max().unwrap()
}

/// Posts one event of about 16 kilobytes.
async fn post(client: &reqwest::Client, url: &str, id: &str) -> (u16, String) {
    let event = json!({
        "userId": format!("user-{id}"), "messageId": id, "event": "Signed Up", "properties": {"note": "x".repeat(16_000)},
    });
    let request = client.post(format!("{url}/v1/track")).basic_auth("test-write-key", Some(""));
    let answer = request.json(&event).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[actix_rt::test]
async fn a_full_disk_refuses_loses_nothing_and_is_over_when_there_is_room() {
    let mut running = Running::start().await;
    let (client, url, folder) = (running.client.clone(), running.url.clone(), running.folder.path().to_owned());
    let (mut kept, mut refused) = (BTreeSet::new(), BTreeSet::new());
    bound_files(&running.server, &(largest(&folder) + 300_000).to_string());
    let deadline = Instant::now() + PATIENCE;
    for n in 0.. {
        assert!(Instant::now() < deadline, "the disk never filled up");
        let id = format!("m{n}");
        let (status, answer) = post(&client, &url, &id).await;
        if status == 200 {
            kept.insert(id);
            continue;
        }
        assert_eq!(status, 503, "{answer}");
        assert!(answer.contains("cannot be stored") && answer.contains("disk"), "{answer}");
        refused.insert(id);
        break;
    }
    assert!(!kept.is_empty(), "there was some room");
    let ready = client.get(format!("{url}/readyz")).send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 503);
    assert_eq!(post(&client, &url, "still-full").await.0, 503);
    refused.insert("still-full".to_owned());
    bound_files(&running.server, "unlimited");
    // Nobody restarts it.
    running.server.ready(&client, &url).await;
    assert_eq!(post(&client, &url, "room-again").await.0, 200);
    kept.insert("room-again".to_owned());
    running.restart().await;
    let store = Database::open_existing(&format!("sqlite://{}/data/tidewater.db", folder.display())).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let counts = store.message_counts().await.unwrap();
        let there: BTreeSet<String> = counts.iter().map(|(id, _)| id.clone()).collect();
        assert!(counts.iter().all(|(_, times)| *times == 1), "{counts:?}");
        assert!(there.is_subset(&kept.union(&refused).cloned().collect()), "{there:?}");
        if kept.is_subset(&there) {
            return;
        }
        assert!(Instant::now() < deadline, "accepted and not there: {:?}", kept.difference(&there));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
