//! Several times more than the real binary takes: it says so and takes the rest later, in bounded memory, and half of all
//! that comes for one customer is in nobody's way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};
use tidewater::store::Database;

use crate::process::{Running, Server};

const SOURCES: usize = 8;
const BATCHES: usize = 15;
const BATCH: usize = 100;
/// `memory` of the settings.
const MEMORY_KIB: u64 = 1024;
/// What a server may take above what it takes at rest, where 14 MB of events are sent: several copies of what waits, in
/// the hands of those who read, write and send it, and what the allocator keeps.
const BEYOND_KIB: u64 = 96 * MEMORY_KIB;

/// The memory of a process that is in RAM, now or at its highest, in KiB.
pub fn resident(server: &Server, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).expect("Linux tells it");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Half of all events come from one customer, the others' by Zipf's law.
fn customer(chance: &mut StdRng) -> String {
    if chance.random_range(0..2) == 0 {
        return "hot".to_owned();
    }
    let rank = 1_000_f64.powf(chance.random_range(0.0..1.0)) as u32;
    format!("user-{rank}")
}

fn batch(source: usize, number: usize, chance: &mut StdRng) -> Vec<Json> {
    let event = |n| {
        json!({"type": "track", "event": "Product Added", "userId": customer(chance),
               "messageId": format!("{source}-{number}-{n}"),
               "properties": {"product_id": "p1", "description": "large ".repeat(200)}})
    };
    (0..BATCH).map(event).collect()
}

/// Sends its batches, each again until it is taken. Counts the answers.
async fn insist(client: reqwest::Client, url: String, source: usize, answers: Arc<Mutex<BTreeMap<u16, usize>>>) {
    let mut chance = StdRng::seed_from_u64(source as u64);
    for number in 0..BATCHES {
        let body = json!({ "batch": batch(source, number, &mut chance) });
        loop {
            let request = client.post(format!("{url}/v1/batch")).basic_auth("test-write-key", Some(""));
            let answer = request.json(&body).send().await.unwrap();
            let status = answer.status().as_u16();
            *answers.lock().unwrap().entry(status).or_default() += 1;
            match status {
                200 => break,
                429 => {
                    let wait = answer.headers().get("retry-after").expect("when to come again").to_str().unwrap();
                    assert!(wait.parse::<u64>().unwrap() >= 1, "{wait}");
                    // Impatient: it is to be too much for the server all the time.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                _ => panic!("{status}: {}", answer.text().await.unwrap()),
            }
        }
    }
}

#[actix_rt::test]
async fn too_much_is_told_and_taken_later_in_bounded_memory() {
    let mut running = Running::start().await;
    let settings = running.folder.path().join("tidewater.yaml");
    let before = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("{before}memory: {} MB\n", MEMORY_KIB / 1024)).unwrap();
    running.restart().await;
    let at_rest = resident(&running.server, "VmRSS:");
    let answers = Arc::new(Mutex::new(BTreeMap::new()));
    let sources: Vec<_> = (0..SOURCES)
        .map(|n| actix_rt::spawn(insist(running.client.clone(), running.url.clone(), n, answers.clone())))
        .collect();
    for source in sources {
        source.await.unwrap();
    }
    let highest = resident(&running.server, "VmHWM:");
    running.server.stop().await;
    let answers = answers.lock().unwrap().clone();
    println!("answers {answers:?}; {at_rest} KiB at rest, {highest} KiB at the most");
    assert_eq!(answers[&200], SOURCES * BATCHES, "everything was taken in the end");
    assert!(answers.get(&429).is_some_and(|busy| *busy > 0) && answers.len() == 2, "it was too much: {answers:?}");
    assert!(highest < at_rest + BEYOND_KIB, "{highest} KiB");
    let database = format!("sqlite://{}/data/tidewater.db", running.folder.path().display());
    let counts = Database::open_existing(&database).await.unwrap().message_counts().await.unwrap();
    assert!(counts.iter().all(|(_, times)| *times == 1), "what was taken counts once");
    assert_eq!(counts.len(), SOURCES * BATCHES * BATCH);
}
