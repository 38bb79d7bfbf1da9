//! A store in memory with the meaning of the real one, whose calls take time, fail, and die in the middle.
//!
//! What is durable outlives a crash; everything else goes with the platform that is dropped.

mod erasing;
mod outbox;
mod past;
mod seams;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use tidewater::engine::skip::Skip;
use tidewater::engine::transition::Relay;
use tidewater::engine::{Effect, MembershipChange};
use tidewater::model::{ConsentKey, EffectId, Entry, Offset, ProfileId, ShardId, Timestamp};
use tidewater::store::identity::ErasedIdentifier;
use tidewater::store::journal::Erasure;
use tidewater::store::outbox::OutboxItem;
use tidewater::store::program::ProgramSources;
use tidewater::store::state::{Poisoned, Reached, SavedProfile};
use tidewater::store::{Backing, StoreError};

use self::outbox::is_open;
use super::script::{Hand, Verb};
use super::world::World;

/// What survives.
#[derive(Debug, Default, Clone)]
pub struct Durable {
    pub journal: Vec<Entry>,
    pub identities: BTreeMap<(String, String), ProfileId>,
    pub merged: BTreeMap<ProfileId, ProfileId>,
    /// Whether it is denied, and the last entry that denied it.
    pub denies: BTreeMap<(ProfileId, ConsentKey), (bool, Offset)>,
    pub outbox: BTreeMap<EffectId, OutboxItem>,
    not_before: BTreeMap<EffectId, Timestamp>,
    /// Of effects that were put aside: the domain whose limit they wait for.
    queues: BTreeMap<EffectId, String>,
    relays: BTreeMap<(u64, usize, String), Relay>,
    schedules: BTreeMap<String, Timestamp>,
    pub profiles: BTreeMap<ProfileId, SavedProfile>,
    pub memberships: BTreeMap<(ProfileId, String), Timestamp>,
    pub changes: BTreeMap<(ProfileId, String, Timestamp, bool), MembershipChange>,
    pub history: BTreeMap<Offset, (ProfileId, String)>,
    /// What was set aside, by its id in the quarantine.
    pub poison: BTreeMap<String, Poisoned>,
    /// What was passed over of people who were erased.
    skips: Vec<Skip>,
    reached: BTreeMap<ShardId, Reached>,
    /// What tells the last commit of states from any other.
    last_commit: u64,
    programs: BTreeMap<String, ProgramSources>,
    /// Profiles of people who were erased.
    pub erased: BTreeSet<ProfileId>,
    pub former: BTreeMap<(String, String), ErasedIdentifier>,
    /// Erasures that are under way, and what the histories lost by those that were carried out, by message id.
    pub erasing: Vec<Erasure>,
    pub forgotten: BTreeSet<String>,
    /// What somebody decided about which effect, and the place of it among all that can be seen from outside.
    pub by_hand: Vec<(Effect, Verb, usize)>,
}

/// What may go wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It says that it failed, and did.
    Fails,
    /// It says that it failed, and took place all the same.
    Lies,
    /// The process dies before it takes place.
    DiesBefore,
    /// The process dies after it took place, before anyone hears.
    DiesAfter,
}

/// How often what goes wrong, in calls of a thousand.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    pub fails: u32,
    pub lies: u32,
    pub dies: u32,
    /// Longest a call takes, in milliseconds.
    pub slow: u64,
    /// The call of this number, the first being 0, goes wrong like this, whatever the chances are.
    pub strike: Option<(usize, Fault)>,
}

pub const CALM: Weather = Weather { fails: 0, lies: 0, dies: 0, slow: 3, strike: None };

#[derive(Debug)]
pub struct Memory {
    pub durable: Mutex<Durable>,
    weather: Mutex<(TestRng, Weather)>,
    world: Arc<World>,
    /// Told when the process dies.
    pub death: tokio::sync::Notify,
    pub calls: Mutex<usize>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    pub fn new(durable: Durable, chance: TestRng, weather: Weather, world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            durable: Mutex::new(durable),
            weather: Mutex::new((chance, weather)),
            world: world.clone(),
            death: tokio::sync::Notify::new(),
            calls: Mutex::new(0),
        })
    }

    /// Nothing goes wrong by chance any more.
    pub fn clear_up(&self) {
        let weather = &mut lock(&self.weather).1;
        *weather = Weather { strike: weather.strike, ..CALM };
    }

    pub fn backing(self: &Arc<Self>) -> Backing {
        Backing { journal: self.clone(), store: self.clone() }
    }

    /// How many effects may still leave.
    pub fn open(&self) -> usize {
        lock(&self.durable).outbox.values().filter(|item| is_open(item)).count()
    }

    /// Whether something is left of somebody who is to be forgotten.
    pub fn is_forgetting(&self) -> bool {
        lock(&self.durable).has_traces()
    }

    /// What a command beside the server does: it has a connection of its own.
    /// Returns to how many effects.
    pub fn by_hand(&self, hand: &Hand, now: Timestamp) -> usize {
        let mut durable = lock(&self.durable);
        let decided = durable.by_hand(hand, now);
        for id in &decided {
            let effect = durable.outbox[id].effect.clone();
            durable.by_hand.push((effect, hand.verb, self.world.place()));
        }
        decided.len()
    }

    /// Waits until one of the store's own checks has failed: the actor that asked is gone, and nobody else would say so.
    pub async fn misused(&self) {
        while !self.durable.is_poisoned() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    pub fn durable(&self) -> Durable {
        lock(&self.durable).clone()
    }

    /// One call: takes its time, and perhaps goes wrong.
    async fn call<T>(&self, what: &str, effect: impl FnOnce(&mut Durable) -> T) -> Result<T, StoreError> {
        let weather = self.forecast(true);
        self.under(weather, what, effect).await
    }

    /// A look into a shard. Where nobody lives it tells nothing, and is no call of its own to strike at: of 256 shards
    /// a run uses a few.
    async fn look<T>(&self, shard: ShardId, what: &str, at: impl FnOnce(&mut Durable) -> T) -> Result<T, StoreError> {
        let is_lived_in = lock(&self.durable).profiles.keys().any(|id| id.shard() == shard);
        let weather = self.forecast(is_lived_in);
        self.under(weather, what, at).await
    }

    async fn under<T>(
        &self,
        (pause, fault): (u64, Fault),
        what: &str,
        effect: impl FnOnce(&mut Durable) -> T,
    ) -> Result<T, StoreError> {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        match fault {
            Fault::None => Ok(effect(&mut lock(&self.durable))),
            Fault::Fails => Err(failure(what)),
            Fault::Lies => {
                effect(&mut lock(&self.durable));
                Err(failure(what))
            }
            Fault::DiesBefore => self.die().await,
            Fault::DiesAfter => {
                effect(&mut lock(&self.durable));
                self.die().await
            }
        }
    }

    async fn die<T>(&self) -> T {
        self.death.notify_one();
        std::future::pending().await
    }

    /// How long the next call takes, and what goes wrong with it. One that `counts` has a number.
    fn forecast(&self, counts: bool) -> (u64, Fault) {
        let (chance, weather) = &mut *lock(&self.weather);
        let calls = &mut *lock(&self.calls);
        let number = counts.then_some(*calls);
        *calls += usize::from(counts);
        let pause = chance.random_range(0..=weather.slow);
        let dice = chance.random_range(0..1_000_u32);
        let Weather { fails, lies, dies, strike, .. } = *weather;
        let struck = strike.filter(|(struck, _)| Some(*struck) == number).map(|(_, fault)| fault);
        let by_chance = match dice {
            _ if dice < dies => Fault::DiesBefore,
            _ if dice < 2 * dies => Fault::DiesAfter,
            _ if dice < 2 * dies + fails => Fault::Fails,
            _ if dice < 2 * dies + fails + lies => Fault::Lies,
            _ => Fault::None,
        };
        (pause, struck.unwrap_or(by_chance))
    }
}

fn failure(what: &str) -> StoreError {
    StoreError::Unusable(format!("simulated: {what} failed"))
}
