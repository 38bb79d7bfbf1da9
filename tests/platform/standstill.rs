//! A PostgreSQL that is restarted and one that stands still, under load: what was accepted is there once, and the server
//! goes on by itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;
use tidewater::store::Database;

use crate::postgres::Postgres;
use crate::process::{PATIENCE, Server, free_port, write_workspace};

/// Sends one event again until it is taken. Returns how often it was refused.
async fn insist(client: &reqwest::Client, url: &str, id: &str) -> usize {
    let event = json!({"userId": format!("user-{id}"), "messageId": id, "event": "Signed Up"});
    let deadline = Instant::now() + PATIENCE;
    for refused in 0.. {
        let request = client.post(format!("{url}/v1/track")).basic_auth("test-write-key", Some(""));
        match request.json(&event).send().await {
            Ok(answer) if answer.status().is_success() => return refused,
            Ok(answer) => assert!(matches!(answer.status().as_u16(), 429 | 503), "{}", answer.status()),
            Err(error) => panic!("the server itself is gone: {error}"),
        }
        assert!(Instant::now() < deadline, "{id} is never taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("the deadline comes first")
}

#[actix_rt::test]
async fn the_database_may_restart_and_stand_still_under_load() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let postgres = Postgres::start();
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let url = format!("http://127.0.0.1:{port}");
    write_workspace(folder.path(), port, "http://127.0.0.1:9/", Some(&postgres.url()));
    let mut server = Server::start(folder.path());
    server.ready(&client, &url).await;
    let load = |name: &'static str, count: usize| {
        let (client, url) = (client.clone(), url.clone());
        actix_rt::spawn(async move {
            let mut refused = 0;
            for n in 0..count {
                refused += insist(&client, &url, &format!("{name}{n}")).await;
            }
            refused
        })
    };
    let loads = ["a", "b"].map(|name| load(name, 400));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let postgres = tokio::task::spawn_blocking(move || {
        postgres.restart();
        postgres.stand_still(Duration::from_secs(3));
        postgres
    });
    let postgres = postgres.await.unwrap();
    let mut refused = 0;
    for load in loads {
        refused += load.await.unwrap();
    }
    assert_eq!(insist(&client, &url, "afterwards").await, 0);
    server.ready(&client, &url).await;
    println!("801 events accepted, {refused} times one was refused meanwhile");
    let store = Database::open_existing(&postgres.url()).await.unwrap();
    let names = ["a", "b"].into_iter().flat_map(|name| (0..400).map(move |n| format!("{name}{n}")));
    let sent: BTreeSet<String> = names.chain(["afterwards".to_owned()]).collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let counts = store.message_counts().await.unwrap();
        assert!(counts.iter().all(|(_, times)| *times == 1), "{counts:?}");
        let there: BTreeSet<String> = counts.into_iter().map(|(id, _)| id).collect();
        if there == sent {
            return;
        }
        assert!(Instant::now() < deadline, "accepted and not there: {:?}", sent.difference(&there));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
