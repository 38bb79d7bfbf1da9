//! Sources that send orders as fast as they are answered, and many of them twice.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};

/// Events that a source may send again: fewer than a customer keeps ids of messages to know repeats by.
const RECENT: usize = 5_000;
/// Of a hundred events, those that were sent before.
const REPEATS: u32 = 30;

/// What the sources know.
#[derive(Default)]
pub struct Sent {
    /// Message ids that were answered with success.
    pub acknowledged: BTreeSet<String>,
    /// All that were ever sent.
    pub tried: BTreeSet<String>,
    /// How often one was sent that was sent before.
    pub repeats: usize,
    recent: VecDeque<Json>,
}

impl Sent {
    /// Mostly the event; sometimes one that was sent before, perhaps to a process that has died since.
    fn or_again(&mut self, event: Json, chance: &mut StdRng) -> Json {
        if !self.recent.is_empty() && chance.random_range(0..100) < REPEATS {
            self.repeats += 1;
            return self.recent[chance.random_range(0..self.recent.len())].clone();
        }
        self.recent.push_back(event.clone());
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        event
    }
}

/// One source.
pub struct Source {
    pub client: reqwest::Client,
    pub url: String,
    /// No other has this name.
    pub name: String,
    pub seed: u64,
    pub sent: Arc<Mutex<Sent>>,
}

impl Source {
    /// Sends batches of orders until the server is gone.
    pub async fn send_orders(self) {
        let mut chance = StdRng::seed_from_u64(self.seed);
        for number in 0.. {
            let batch = self.batch(number, &mut chance);
            let ids = || batch.iter().map(|event| event["messageId"].as_str().unwrap().to_owned());
            self.sent.lock().unwrap().tried.extend(ids());
            let request = self.client.post(format!("{}/v1/batch", self.url)).basic_auth("test-write-key", Some(""));
            match request.json(&json!({ "batch": batch })).send().await {
                Ok(answer) if answer.status().is_success() => self.sent.lock().unwrap().acknowledged.extend(ids()),
                // Told to come back later.
                Ok(answer) if answer.status().as_u16() == 429 || answer.status().as_u16() == 503 => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Ok(answer) => panic!("an order was refused: {} {:?}", answer.status(), answer.text().await),
                Err(_) => return,
            }
        }
    }

    fn batch(&self, number: usize, chance: &mut StdRng) -> Vec<Json> {
        (0..5).map(|n| self.sent.lock().unwrap().or_again(self.order(number, n), chance)).collect()
    }

    /// The last of a batch comes from a visitor, who turns out to be a known user in the next.
    fn order(&self, batch: usize, n: usize) -> Json {
        let id = format!("{}-{batch}-{n}", self.name);
        let mut event = json!({
            "type": "track", "event": "Order Completed", "messageId": format!("m-{id}"),
            "properties": { "order_id": id },
        });
        if n < 4 {
            event["userId"] = json!(format!("user-{}", (batch + n) % 50));
        }
        match (n, batch) {
            (4, _) => event["anonymousId"] = json!(format!("visitor-{}-{batch}", self.name)),
            (0, 1..) => event["anonymousId"] = json!(format!("visitor-{}-{}", self.name, batch - 1)),
            _ => {}
        }
        event
    }
}
