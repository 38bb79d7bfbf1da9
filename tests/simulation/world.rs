//! The far side of the channels: slow, forgetful, sometimes silent for hours. It remembers everything that reached it,
//! and holds the audiences that it was told of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use tidewater::actors::{Carrier, Clock, Performing};
use tidewater::channels::Outcome;
use tidewater::channels::backoff::backoff;
use tidewater::channels::breaker::Contact;
use tidewater::engine::{Effect, EffectBody};
use tidewater::model::audience_hash::hashed;
use tidewater::model::{Offset, Span, Timestamp};
use tidewater::workspace::Program;
use tidewater::workspace::config::{DomainLimits, Limits, Rate};

/// Effects of one channel that may be under way at once.
pub const AT_ONCE: usize = 3;

/// One arrival at the far side.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    pub effect: Effect,
    /// Whether the far side acted on it.
    pub is_taken: bool,
    /// Whether it answered.
    pub contact: Contact,
    /// The platform's time when it was claimed.
    pub at: Timestamp,
    /// The platform's life, the first being 0.
    pub life: usize,
}

/// What the world saw, in order.
#[derive(Debug)]
pub struct World {
    chance: Mutex<TestRng>,
    clock: Clock,
    /// How fast channels may go.
    is_limited: bool,
    pub receipts: Mutex<Vec<Receipt>>,
    /// What was taken from the outbox, its place among all that can be seen from outside, and where the journal ended.
    pub claims: Mutex<Vec<(Effect, usize, Offset)>>,
    /// Who is in which audience, by what the far side is told of an address.
    pub audiences: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Destinations that more was under way to than may be.
    pub crowded: Mutex<BTreeSet<String>>,
    places: Mutex<usize>,
    life: Mutex<usize>,
    /// Until when a destination does not answer.
    silences: Mutex<BTreeMap<String, Timestamp>>,
    /// The platform's time at the last claim for each destination; it may be ahead of the clock.
    claimed_at: Mutex<BTreeMap<String, Timestamp>>,
    under_way: Mutex<BTreeMap<String, usize>>,
}

impl World {
    pub fn new(mut chance: TestRng, clock: Clock) -> Arc<Self> {
        let is_limited = chance.random_range(0..2) == 0;
        Arc::new(Self {
            chance: Mutex::new(chance),
            claimed_at: Mutex::default(),
            clock,
            is_limited,
            receipts: Mutex::default(),
            claims: Mutex::default(),
            audiences: Mutex::default(),
            crowded: Mutex::default(),
            places: Mutex::default(),
            life: Mutex::default(),
            silences: Mutex::default(),
            under_way: Mutex::default(),
        })
    }

    /// The next place in the order of everything that can be seen from outside.
    pub fn place(&self) -> usize {
        let mut places = self.places.lock().unwrap();
        *places += 1;
        *places
    }

    /// `head`: where the journal ended.
    pub fn note_claim(&self, effect: &Effect, now: Timestamp, head: Offset) {
        let place = self.place();
        self.claims.lock().unwrap().push((effect.clone(), place, head));
        self.claimed_at.lock().unwrap().insert(effect.destination.clone(), now);
    }

    /// A destination does not answer for a while.
    pub fn fall_silent(&self, destination: &str, span: Span) {
        self.silences.lock().unwrap().insert(destination.to_owned(), self.clock.now() + span);
    }

    /// The platform was started once more.
    pub fn begin_life(&self, life: usize) {
        *self.life.lock().unwrap() = life;
    }

    pub fn limits(&self, destination: &str) -> Limits {
        let rate = |count| Some(Rate { count, per: Span::SECOND });
        match destination {
            _ if !self.is_limited => Limits::default(),
            "email" => Limits {
                rate: rate(5),
                per_domain: Some(DomainLimits { rate: Some(Rate { count: 120, per: Span::MINUTE }), at_once: Some(1) }),
            },
            "crm" => Limits { rate: rate(6), per_domain: None },
            _ => Limits::default(),
        }
    }

    fn below(&self, end: u64) -> u64 {
        self.chance.lock().unwrap().random_range(0..end)
    }

    fn is_silent(&self, destination: &str) -> bool {
        self.silences.lock().unwrap().get(destination).is_some_and(|until| self.clock.now() < *until)
    }

    /// What becomes of a try, and whether the far side acts on it.
    fn answer(&self, effect: &Effect, attempts: u32) -> (Outcome, bool) {
        let (after, contact) = (Span::SECOND.times(20), Contact::Answered);
        let unknown = || Outcome::Unknown { reason: "it fell silent".to_owned() };
        if self.is_silent(&effect.destination) {
            let reason = "it cannot be reached".to_owned();
            return match (self.below(4), backoff(attempts, effect.id)) {
                (0, _) => (unknown(), true),
                (1, _) => (unknown(), false),
                (_, Some(after)) => (Outcome::RetryAt { after, reason, contact: Contact::Silent }, false),
                (_, None) => (Outcome::Failed { reason }, false),
            };
        }
        match self.below(20) {
            0 => (Outcome::RetryAt { after, reason: "busy".to_owned(), contact }, false),
            1 => (Outcome::Failed { reason: "no such address".to_owned() }, false),
            2 => (unknown(), true),
            _ => (Outcome::Sent { detail: "ok".to_owned() }, true),
        }
    }

    /// The far side acts.
    fn act(&self, effect: &Effect) {
        if let EffectBody::Audience { audience, add, identifiers, .. } = &effect.body {
            let mut audiences = self.audiences.lock().unwrap();
            let members = audiences.entry(audience.clone()).or_default();
            for (name, address) in identifiers {
                let person = hashed(name, address);
                if *add {
                    members.insert(person)
                } else {
                    members.remove(&person)
                };
            }
        }
    }

    fn receive(&self, effect: Effect, at: Timestamp, is_taken: bool, outcome: &Outcome) {
        if is_taken {
            self.act(&effect);
        }
        let life = *self.life.lock().unwrap();
        let receipt = Receipt { effect, is_taken, contact: outcome.contact(), at, life };
        self.receipts.lock().unwrap().push(receipt);
    }
}

/// A try under way, as long as this lives: a process that dies lets go of it.
struct UnderWay<'a> {
    world: &'a World,
    queues: Vec<String>,
}

impl<'a> UnderWay<'a> {
    fn begin(world: &'a World, effect: &Effect) -> Self {
        let destination = &effect.destination;
        let domain = effect.body.domain().map(|domain| format!("{destination} {domain}"));
        let of_domain = world.limits(destination).per_domain.and_then(|limits| limits.at_once).unwrap_or(AT_ONCE);
        let bounds = [(Some(destination.clone()), AT_ONCE), (domain, of_domain)];
        let mut queues = Vec::new();
        for (queue, bound) in bounds.into_iter().filter_map(|(queue, bound)| Some((queue?, bound))) {
            let mut under_way = world.under_way.lock().unwrap();
            let count = under_way.entry(queue.clone()).or_default();
            *count += 1;
            if *count > bound {
                world.crowded.lock().unwrap().insert(queue.clone());
            }
            queues.push(queue);
        }
        Self { world, queues }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut under_way = self.world.under_way.lock().unwrap();
        for queue in &self.queues {
            *under_way.get_mut(queue).unwrap() -= 1;
        }
    }
}

/// A channel of the world.
#[derive(Debug)]
pub struct Line {
    pub world: Arc<World>,
    pub limits: Limits,
}

impl Carrier for Line {
    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn perform(self: Arc<Self>, effect: Effect, attempts: u32, _: Arc<Program>) -> Performing {
        Box::pin(async move {
            let world = &self.world;
            let _under_way = UnderWay::begin(world, &effect);
            let claimed_at = world.claimed_at.lock().unwrap()[&effect.destination];
            tokio::time::sleep(Duration::from_millis(world.below(30))).await;
            let (outcome, is_taken) = world.answer(&effect, attempts);
            world.receive(effect, claimed_at, is_taken, &outcome);
            // The far side has it; its answer takes a while, and a crash may come first.
            tokio::time::sleep(Duration::from_millis(world.below(30))).await;
            outcome
        })
    }
}
