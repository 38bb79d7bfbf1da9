//! One run: lives of a platform on one durable store, until everything was sent and has come to rest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_rt::System;
use futures_util::future::join_all;
use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};
use tidewater::actors::{Carrier, Clock, Placement, Platform, Refused, StartWith};
use tidewater::engine::Sound;
use tidewater::intake::{Arrival, Call, Intake, Request};
use tidewater::model::{Span, Timestamp};
use tidewater::store::{Backing, Journal, Store};
use tidewater::workspace::{Config, Program, load};

use super::script::{Author, Step};
use super::store::{Durable, Memory, Weather};
use super::world::{Line, World};

const RULES: &str = r#"
event "Product Added" { product_id: text }
event "Order Completed" { order_id: text, revenue: number }
event "Signed Up" {}
trait email: text pii
trait plan: text
compute orders = count of "Order Completed"
compute spent = sum of revenue from "Order Completed" in last 30 days
segment buyer = did "Order Completed"
segment regular = did "Order Completed" at least 3 times in last 7 days
segment big = spent > 300
segment pro_buyer = plan is "pro" and in segment buyer
segment cart_abandoner =
  did "Product Added" in last 1 day
  and did not "Product Added" in last 1 hour
  and did not "Order Completed" since last "Product Added"
segment came_and_bought = did "Product Added" in last 7 days then "Order Completed" within 1 day
topic newsletter "Weekly newsletter" channels email marketing opt_in
"#;

const JOURNEYS: &str = r#"
journey: tell-orders
enter: { event: Order Completed, key: order_id, re_entry: always }
steps:
  - id: tell
    webhook: { to: crm, body: { order: "{{ entry.order_id }}" } }
---
journey: carts
topic: newsletter
enter: { segment: cart_abandoner, re_entry: after 1 day }
exit: { when: did "Order Completed" since entry }
goal: { event: Order Completed, within: 7 days }
steps:
  - id: remind
    email: { template: hello, subject: "You left something" }
  - wait: 1 day
  - random_split:
      a: { share: 50%, steps: [ { id: again, email: { template: hello, subject: "Still there" } } ] }
      b: { share: 50%, steps: [ { id: note, webhook: { to: crm, body: { cart: left } } } ] }
---
journey: welcome
topic: newsletter
enter: { event: Signed Up, re_entry: always }
steps:
  - id: hello
    email: { template: hello, subject: "Welcome" }
  - wait_until:
      event: Order Completed
      up_to: 2 days
      then: [ { update_profile: { plan: pro } } ]
      timeout: [ { id: nudge, email: { template: hello, subject: "Come back" } } ]
---
journey: weekly
topic: newsletter
enter: { schedule: "0 9 * * MON", to: in segment buyer, re_entry: always }
steps:
  - id: letter
    email: { template: hello, subject: "This week" }
"#;

const SETTINGS: &str = "sources:\n  shop: key\nchannels:\n  crm: { kind: webhook, url: http://127.0.0.1:9/, secret: \
                        whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, allow_private_network: true }\n  email: { kind: smtp, \
                        host: 127.0.0.1, security: none, from: shop@example.com }\n";

/// What an author changes in the middle of a run.
const EDITS: [(&str, &str); 6] = [
    // These need what the program before did not keep.
    (
        "spent = sum of revenue from \"Order Completed\" in last 30 days",
        "spent = sum of revenue from \"Order Completed\" in last 20 days",
    ),
    ("did \"Product Added\" in last 7 days then", "did \"Product Added\" in last 6 days then"),
    ("at least 3 times in last 7 days", "at least 2 times in last 7 days"),
    ("spent > 300", "spent > 100"),
    ("- wait: 1 day", "- wait: 6 hours"),
    ("      timeout: [ { id: nudge, email: { template: hello, subject: \"Come back\" } } ]", "      timeout: []"),
];

fn workspace(memory: usize, is_edited: bool) -> (Arc<Program>, Arc<Config>) {
    let edited = |text: &str| match is_edited {
        true => EDITS.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)),
        false => text.to_owned(),
    };
    let file = |path: &str, text: &str| (path.to_owned(), text.trim_start().to_owned());
    let files = vec![
        file("tidewater.yaml", SETTINGS),
        file("rules/shop.tide", &edited(RULES)),
        file("journeys/shop.yaml", &edited(JOURNEYS)),
        file("templates/hello.txt", "Hello\n"),
    ];
    let loaded = load::compile(files, &|_| None);
    let errors: Vec<_> = loaded.findings.iter().filter(|finding| finding.is_error()).collect();
    assert!(errors.is_empty(), "the workspace has errors: {errors:?}");
    (loaded.program.unwrap(), Arc::new(Config { memory, ..loaded.config.unwrap() }))
}

/// What can be known of a run from outside, and what is durable at its end.
#[derive(Debug)]
pub struct Outcome {
    /// Every program that may have been in force, by version.
    pub programs: BTreeMap<String, Arc<Program>>,
    pub durable: Durable,
    pub world: Arc<World>,
    pub end: Timestamp,
    /// Message ids that were answered with yes, those that were sent at all, and withdrawals by user with the place of
    /// their answer.
    pub acked: Vec<String>,
    pub sent: Vec<String>,
    pub withdrawn: Vec<(String, usize)>,
    pub lives: usize,
    pub calls: usize,
    /// Strikes that were planned and took place.
    pub struck: usize,
}

/// The sources: where they are in the script, and what was answered.
struct Sources {
    intake: Intake,
    clock: Clock,
    world: Arc<World>,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    sent: Vec<String>,
    acked: Vec<String>,
    withdrawn: Vec<(String, usize)>,
}

/// Chance of a run: each use has a stream of its own.
pub fn rng(seed: u64, stream: u64) -> TestRng {
    let mut bytes = [0_u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&stream.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

const DEATHS: usize = 8;

/// What is to be played, whatever goes wrong meanwhile.
pub struct Play {
    /// What the weather and the far side do by chance.
    pub seed: u64,
    /// Bytes of the customers that may be live.
    pub memory: usize,
    pub start: Timestamp,
    pub script: Vec<Step>,
}

/// One life of a platform: which of the two programs it starts with, and what its store does to it.
pub struct Life {
    pub first: usize,
    pub weather: Weather,
}

pub fn run(seed: u64) -> Outcome {
    let mut chance = rng(seed, 0);
    // In half of the runs hardly anyone has room in memory, and is let go and loaded again all the time.
    let memory = [1 << 30, 1 << 19][chance.random_range(0..2)];
    let start = Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
    let steps = chance.random_range(4..14);
    let script = Author { chance: &mut chance, now: start, sent: Vec::new() }.write(steps);
    let weather = Weather {
        fails: [0, 5, 60][chance.random_range(0..3)],
        lies: [0, 5, 40][chance.random_range(0..3)],
        dies: [0, 1, 2, 4][chance.random_range(0..4)],
        slow: [1, 10, 200][chance.random_range(0..3)],
        strike: None,
    };
    play(&Play { seed, memory, start, script }, |lives| Life {
        // A start may be the first after an edit, or after the edit was taken back.
        first: chance.random_range(0..2),
        weather: if lives >= DEATHS { Weather { dies: 0, fails: 0, lies: 0, ..weather } } else { weather },
    })
}

/// Plays a script through as many lives as it takes. `next_life` is given how many there were.
pub fn play(play: &Play, mut next_life: impl FnMut(usize) -> Life) -> Outcome {
    let workspaces = [workspace(play.memory, false), workspace(play.memory, true)];
    let programs = workspaces.iter().map(|(program, _)| (program.version.clone(), program.clone())).collect();
    let world = World::new(rng(play.seed, 1));
    let sources = Arc::new(Sources {
        intake: Intake::new(workspaces[0].0.clone()),
        clock: Clock::virtual_from(play.start),
        world: world.clone(),
        told: Mutex::default(),
    });
    let (mut durable, mut next, mut lives, mut calls, mut struck) = (Durable::default(), 0, 0, 0, 0);
    loop {
        let Life { first, weather } = next_life(lives);
        let memory = Memory::new(durable, rng(play.seed, 2 + lives as u64), weather, &world);
        let is_done = live(&memory, &workspaces, first, &sources, &play.script, &mut next);
        durable = memory.durable();
        lives += 1;
        let called = *memory.calls.lock().unwrap();
        calls += called;
        struck += usize::from(weather.strike.is_some_and(|(number, _)| number < called));
        if is_done {
            break;
        }
    }
    let told = std::mem::take(&mut *sources.told.lock().unwrap());
    let Told { sent, acked, withdrawn } = told;
    Outcome { programs, durable, world, end: sources.clock.now(), acked, sent, withdrawn, lives, calls, struck }
}

/// One life of the platform. False if it died.
fn live(
    memory: &Arc<Memory>,
    workspaces: &[(Arc<Program>, Arc<Config>)],
    first: usize,
    sources: &Arc<Sources>,
    script: &[Step],
    next: &mut usize,
) -> bool {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    System::with_tokio_rt(runtime).block_on(async {
        let backing = Backing { journal: memory.clone() as Arc<dyn Journal>, store: memory.clone() as Arc<dyn Store> };
        let line = |name: &str| (name.to_owned(), Arc::new(Line(sources.world.clone())) as Arc<dyn Carrier>);
        let carriers: BTreeMap<_, _> = [line("crm"), line("email")].into();
        let with = StartWith {
            program: workspaces[first].0.clone(),
            config: workspaces[first].1.clone(),
            backing: backing.clone(),
            clock: sources.clock.clone(),
            placement: Placement::Here,
            engine: Arc::new(Sound),
        };
        let work = async {
            // A start that meets a store which does not answer ends with a message, and somebody starts it again.
            let Ok(platform) = Platform::start_with(with, carriers).await else { return false };
            while let Some(step) = script.get(*next) {
                *next += 1;
                match step {
                    Step::Wait(span) => sources.clock.advance(*span),
                    Step::Send(batches) => {
                        join_all(batches.iter().map(|batch| sources.send(&platform, batch))).await;
                    }
                    Step::Deploy(which, batches) => {
                        let send = join_all(batches.iter().map(|batch| sources.send(&platform, batch)));
                        // One that is refused was perhaps deployed all the same: the journal tells.
                        let _ = tokio::join!(platform.deploy(&workspaces[*which].0), send);
                    }
                }
            }
            memory.clear_up();
            for hours in [1, 6, 30, 60, 170] {
                sources.clock.advance(Span::HOUR.times(hours));
                platform.settle().await;
            }
            // What the far side asked to be tried again.
            while memory.durable().is_open() {
                sources.clock.advance(Span::MINUTE);
                platform.settle().await;
            }
            platform.stop().await;
            true
        };
        let bounded = tokio::time::timeout(Duration::from_secs(24 * 3600), work);
        tokio::select! {
            biased;
            () = memory.death.notified() => false,
            rest = bounded => rest.expect("the platform comes to rest")
        }
    })
}

impl Sources {
    /// Sends a batch, and again until it is taken; sometimes the source loses patience.
    async fn send(&self, platform: &Platform, batch: &[Value]) {
        let body = json!({"batch": batch, "writeKey": "key"}).to_string();
        let ids = || batch.iter().map(|event| event["messageId"].as_str().unwrap().to_owned());
        self.told.lock().unwrap().sent.extend(ids());
        for _ in 0..30 {
            let arrival = Arrival {
                source: "shop",
                received_at: self.clock.now(),
                new_message_id: &|| unreachable!("every event has an id"),
            };
            let request = Request::read(Call::find("batch").unwrap(), body.as_bytes()).unwrap();
            let taken = self.intake.take(&request, &arrival);
            assert!(taken.refused.is_empty(), "{:?}", taken.refused);
            match platform.ingest(taken.accepted, taken.quarantined).await {
                Ok(_) => return self.acked(batch, ids().collect()),
                Err(Refused::Stopping) => return,
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
    }

    fn acked(&self, batch: &[Value], ids: Vec<String>) {
        let place = self.world.place();
        let mut told = self.told.lock().unwrap();
        told.acked.extend(ids);
        let left = batch.iter().filter(|event| event["event"] == "Unsubscribed");
        told.withdrawn.extend(left.map(|event| (event["userId"].as_str().unwrap().to_owned(), place)));
    }
}
