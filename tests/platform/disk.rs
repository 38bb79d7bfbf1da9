//! The real binary on a disk that fills up, or whose writes or syncs fail: what cannot be kept is refused with the reason,
//! what was accepted stays, and when the disk is good again it goes on by itself.
//!
//! The disk is bad for this process alone: `prlimit` bounds how large a file of it may grow, and libfiu
//! (<https://blitiri.com.ar/p/libfiu>) lets calls of the system fail; both are lifted later.

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
    let running = Running::start().await;
    let room = (largest(running.folder.path()) + 300_000).to_string();
    refuses_and_goes_on(running, |server, is_bad| bound_files(server, if is_bad { &room } else { "unlimited" })).await;
}

/// Under libfiu calls of the system fail as they are told to.
async fn a_call_of_the_system_fails(call: &str) {
    let pipes = tempfile::tempdir().unwrap();
    let pipe = pipes.path().join("fiu").display().to_string();
    let running = Running::start_under(&["fiu-run", "-x", "-f", &pipe]).await;
    let point = |server: &Server, is_bad: bool| {
        let order = match is_bad {
            // 5 is EIO.
            true => format!("enable name={call},failinfo=5"),
            false => format!("disable name={call}"),
        };
        let pid = server.child.id().to_string();
        assert!(Command::new("fiu-ctrl").args(["-f", &pipe, "-c", &order, &pid]).status().unwrap().success());
    };
    refuses_and_goes_on(running, point).await;
}

#[actix_rt::test]
async fn a_failed_sync_is_never_an_answer_with_yes() {
    a_call_of_the_system_fails("posix/io/sync/*").await;
}

#[actix_rt::test]
async fn a_write_that_the_device_refuses_is_never_an_answer_with_yes() {
    a_call_of_the_system_fails("posix/io/rw/pwrite*").await;
}

/// Makes the disk bad until the server refuses, and good again: it has to go on by itself, with all that it accepted.
async fn refuses_and_goes_on(mut running: Running, make_bad: impl Fn(&Server, bool)) {
    let (client, url, folder) = (running.client.clone(), running.url.clone(), running.folder.path().to_owned());
    let (mut kept, mut refused) = (BTreeSet::new(), BTreeSet::new());
    assert_eq!(post(&client, &url, "before").await.0, 200);
    kept.insert("before".to_owned());
    make_bad(&running.server, true);
    let deadline = Instant::now() + PATIENCE;
    for n in 0.. {
        assert!(Instant::now() < deadline, "the disk never went bad");
        let id = format!("m{n}");
        let (status, answer) = post(&client, &url, &id).await;
        if status == 200 {
            kept.insert(id);
            continue;
        }
        assert_eq!(status, 503, "{answer}");
        assert!(answer.contains("cannot be stored") && answer.contains("disk"), "{answer}");
        assert!(!answer.contains("code:"), "what the database says is for the log: {answer}");
        refused.insert(id);
        break;
    }
    let ready = client.get(format!("{url}/readyz")).send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 503);
    for n in 0..5 {
        let id = format!("still-bad-{n}");
        assert_eq!(post(&client, &url, &id).await.0, 503);
        refused.insert(id);
    }
    make_bad(&running.server, false);
    // Nobody restarts it.
    running.server.ready(&client, &url).await;
    assert_eq!(post(&client, &url, "good-again").await.0, 200);
    kept.insert("good-again".to_owned());
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
