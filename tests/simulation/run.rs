//! One run: lives of a platform on one durable store, until everything was sent and has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_rt::System;
use futures_util::future::join_all;
use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};
use tidewater::actors::{Carrier, Clock, Placement, Platform, Refused, StartWith, WAITING_LIMIT};
use tidewater::engine::{Engine, Sound, consent_of_event};
use tidewater::intake::{Arrival, Call, Intake, Request};
use tidewater::model::value::ValueMap;
use tidewater::model::{ConsentChange, ConsentKey, ConsentSource, ConsentState, ProfileId, Skipped, Span, Timestamp};
use tidewater::workspace::{Config, Program};

use super::faults::Faulty;
use super::script::{Author, Step};
use super::store::{Durable, Memory, Weather};
use super::workspace::workspace;
use super::world::{Line, World};

/// What can be known of a run from outside, and what is durable at its end.
#[derive(Debug)]
pub struct Outcome {
    /// Every program that may have been in force, by version.
    pub programs: BTreeMap<String, Arc<Program>>,
    pub durable: Durable,
    pub world: Arc<World>,
    pub end: Timestamp,
    pub told: Told,
    /// Whether the engine had faults, and what it failed on for good.
    pub is_faulty: bool,
    pub tripped: BTreeSet<(ProfileId, Skipped)>,
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

/// What sources said, and what they were answered.
#[derive(Debug, Default)]
pub struct Told {
    /// Ids of messages that were sent at all.
    pub sent: Vec<String>,
    /// Those that were answered with yes.
    pub acked: Vec<String>,
    pub withdrawn: Vec<Withdrawal>,
    pub erased: Vec<Erased>,
    /// What was sent, by message id.
    pub bodies: BTreeMap<String, Value>,
    /// Answers that asked to come again.
    pub busy: usize,
}

/// What was withdrawn by which user, and the place of the answer.
#[derive(Debug)]
pub struct Withdrawal {
    pub user: String,
    pub key: ConsentKey,
    /// The message that said so.
    pub message: String,
    pub place: usize,
}

/// Who was erased: all their profiles, and the place of the answer.
#[derive(Debug)]
pub struct Erased {
    pub user: String,
    pub profiles: BTreeSet<ProfileId>,
    pub place: usize,
}

/// Chance of a run: each use has a stream of its own.
pub fn rng(seed: u64, stream: u64) -> TestRng {
    let mut bytes = [0_u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&stream.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// Channels of the workspace.
pub const DESTINATIONS: [&str; 3] = ["ads", "crm", "email"];

const DEATHS: usize = 8;

/// What is to be played, whatever goes wrong meanwhile.
pub struct Play {
    /// What the weather and the far side do by chance.
    pub seed: u64,
    /// Bytes of the customers that may be live.
    pub memory: usize,
    /// Entries that may wait before sources are asked to come again.
    pub waiting_limit: usize,
    /// Whether the engine has faults.
    pub is_faulty: bool,
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
    let waiting_limit = [WAITING_LIMIT, 4][chance.random_range(0..2)];
    let is_faulty = chance.random_range(0..3) == 0;
    let steps = chance.random_range(4..14);
    let script = Author { chance: &mut chance, is_faulty, now: start, sent: Vec::new() }.write(steps);
    let weather = Weather {
        fails: [0, 5, 60][chance.random_range(0..3)],
        lies: [0, 5, 40][chance.random_range(0..3)],
        dies: [0, 1, 2, 4][chance.random_range(0..4)],
        slow: [1, 10, 200][chance.random_range(0..3)],
        strike: None,
    };
    play(&Play { seed, memory, waiting_limit, is_faulty, start, script }, |lives| Life {
        // A start may be the first after an edit, or after the edit was taken back.
        first: chance.random_range(0..2),
        weather: if lives >= DEATHS { Weather { dies: 0, fails: 0, lies: 0, ..weather } } else { weather },
    })
}

/// Plays a script through as many lives as it takes. `next_life` is given how many there were.
pub fn play(play: &Play, mut next_life: impl FnMut(usize) -> Life) -> Outcome {
    let workspaces = [workspace(play.memory, false), workspace(play.memory, true)];
    let programs = workspaces.iter().map(|(program, _)| (program.version.clone(), program.clone())).collect();
    let clock = Clock::virtual_from(play.start);
    let world = World::new(rng(play.seed, 1), clock.clone());
    let intake = Intake::new(workspaces[0].0.clone());
    let sources = Arc::new(Sources { intake, clock, world: world.clone(), told: Mutex::default() });
    Faulty::quietly();
    let faulty = Arc::new(Faulty::default());
    let engine: Arc<dyn Engine> = if play.is_faulty { faulty.clone() } else { Arc::new(Sound) };
    let (mut durable, mut next, mut lives, mut calls, mut struck) = (Durable::default(), 0, 0, 0, 0);
    loop {
        let Life { first, weather } = next_life(lives);
        let memory = Memory::new(durable, rng(play.seed, 2 + lives as u64), weather, &world);
        world.begin_life(lives);
        let (program, config) = workspaces[first].clone();
        let (placement, waiting_limit) = (Placement::Here, play.waiting_limit);
        let (backing, clock, engine) = (memory.backing(), sources.clock.clone(), engine.clone());
        let with = StartWith { program, config, backing, clock, placement, engine, waiting_limit };
        let is_done = live(&memory, with, &workspaces, &sources, &play.script, &mut next);
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
    let (is_faulty, tripped) = (play.is_faulty, faulty.tripped.lock().unwrap().clone());
    Outcome { programs, durable, world, end: sources.clock.now(), told, is_faulty, tripped, lives, calls, struck }
}

/// One life of the platform. False if it died.
fn live(
    memory: &Arc<Memory>,
    with: StartWith,
    workspaces: &[(Arc<Program>, Arc<Config>)],
    sources: &Arc<Sources>,
    script: &[Step],
    next: &mut usize,
) -> bool {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    System::with_tokio_rt(runtime).block_on(async {
        let line = |name: &str| {
            let line = Line { world: sources.world.clone(), limits: sources.world.limits(name) };
            (name.to_owned(), Arc::new(line) as Arc<dyn Carrier>)
        };
        let carriers: BTreeMap<_, _> = DESTINATIONS.map(line).into();
        let work = async {
            // A start that meets a store which does not answer ends with a message, and somebody starts it again.
            let Ok(platform) = Platform::start_with(with, carriers).await else { return false };
            while let Some(step) = script.get(*next) {
                *next += 1;
                match step {
                    Step::Wait(span, moment) => {
                        sources.clock.advance(*span);
                        tokio::time::sleep(*moment).await;
                    }
                    Step::Send(batches) => {
                        join_all(batches.iter().map(|batch| sources.send(&platform, batch))).await;
                    }
                    Step::Withdraw(user, key) => sources.withdraw(&platform, &memory.durable(), user, key, *next).await,
                    Step::Erase(user, is_suppressed) => sources.erase(&platform, memory, user, *is_suppressed).await,
                    Step::Deploy(which, batches) => {
                        let send = join_all(batches.iter().map(|batch| sources.send(&platform, batch)));
                        // One that is refused was perhaps deployed all the same: the journal tells.
                        let _ = tokio::join!(platform.deploy(&workspaces[*which].0), send);
                    }
                    Step::Silence(destination, span) => sources.world.fall_silent(destination, *span),
                    Step::Hand(hand) => {
                        memory.by_hand(hand, sources.clock.now());
                    }
                }
            }
            memory.clear_up();
            for hours in [1, 6, 30, 60, 170] {
                sources.clock.advance(Span::HOUR.times(hours));
                platform.settle().await;
            }
            // What the far side asked to be tried again, and what waits for limits or is to be forgotten. Where the last append
            // failed, it takes a moment until it is known whether it took place.
            let (mut open, mut pause) = (memory.open(), Span::SECOND);
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                platform.settle().await;
                let left = memory.open();
                if left == 0 && !memory.is_forgetting() {
                    break;
                }
                pause = if left == open && left > 0 { pause.times(2) } else { Span::SECOND };
                open = left;
                sources.clock.advance(pause);
                platform.settle().await;
            }
            platform.stop().await;
            true
        };
        let bounded = tokio::time::timeout(Duration::from_secs(24 * 3600), work);
        tokio::select! {
            biased;
            () = memory.death.notified() => false,
            () = memory.misused() => panic!("the store was asked for what must never be"),
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
        self.told.lock().unwrap().bodies.extend(ids().zip(batch.iter().cloned()));
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
                Err(Refused::Busy { retry_after }) => {
                    self.told.lock().unwrap().busy += 1;
                    tokio::time::sleep(retry_after).await;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
    }

    /// Tells what somebody wants no more of, and again until it is taken.
    async fn withdraw(&self, platform: &Platform, durable: &Durable, user: &str, key: &ConsentKey, number: usize) {
        let Some(profile) = durable.identities.get(&("user_id".to_owned(), user.to_owned())) else { return };
        let word = ConsentChange {
            id: format!("word{number}"),
            key: key.clone(),
            state: ConsentState::Withdrawn,
            by: ConsentSource::Api,
            at: self.clock.now(),
            note: None,
            message: ValueMap::new(),
        };
        for _ in 0..30 {
            match platform.consent(*profile, word.clone()).await {
                Ok(_) => {
                    let place = self.world.place();
                    let (key, message) = (key.clone(), word.id.clone());
                    let word = Withdrawal { user: user.to_owned(), key, message, place };
                    return self.told.lock().unwrap().withdrawn.push(word);
                }
                Err(Refused::Stopping) => return,
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
    }

    /// Asks that somebody be forgotten, and again until it is taken.
    async fn erase(&self, platform: &Platform, memory: &Memory, user: &str, is_suppressed: bool) {
        let before = memory.durable();
        let Some(profile) = before.identities.get(&("user_id".to_owned(), user.to_owned())) else { return };
        for _ in 0..30 {
            match platform.erase(*profile, is_suppressed).await {
                Ok(_) => {
                    let place = self.world.place();
                    let profiles = memory.durable().erased.difference(&before.erased).copied().collect();
                    let erased = Erased { user: user.to_owned(), profiles, place };
                    return self.told.lock().unwrap().erased.push(erased);
                }
                Err(Refused::Stopping) => return,
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
    }

    fn acked(&self, batch: &[Value], ids: Vec<String>) {
        let place = self.world.place();
        let mut told = self.told.lock().unwrap();
        told.acked.extend(ids);
        told.withdrawn.extend(batch.iter().filter_map(|event| withdrawal(event, place)));
    }
}

fn withdrawal(event: &Value, place: usize) -> Option<Withdrawal> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let properties = event["properties"].as_object().into_iter().flatten();
    let properties =
        properties.filter_map(|(name, value)| Some((name.clone(), text(value)?.as_str().into()))).collect();
    match consent_of_event(event["event"].as_str()?, &properties)? {
        (key, ConsentState::Withdrawn) => {
            let message = text(&event["messageId"])?;
            Some(Withdrawal { user: text(&event["userId"])?, key, message, place })
        }
        _ => None,
    }
}
