//! The far side of the channels: slow, forgetful, and sometimes silent. It remembers everything that reached it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use tidewater::actors::{Carrier, Performing};
use tidewater::channels::Outcome;
use tidewater::channels::breaker::Contact;
use tidewater::engine::Effect;
use tidewater::model::{EffectId, Span};
use tidewater::workspace::Program;

/// One arrival at the far side.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    pub effect: Effect,
    /// Whether the far side acted on it.
    pub is_taken: bool,
}

/// What the world saw, in order.
#[derive(Debug)]
pub struct World {
    chance: Mutex<TestRng>,
    pub receipts: Mutex<Vec<Receipt>>,
    /// What was taken from the outbox, and its place among all that can be seen from outside.
    pub claims: Mutex<Vec<(EffectId, usize)>>,
    clock: Mutex<usize>,
}

impl World {
    pub fn new(chance: TestRng) -> Arc<Self> {
        Arc::new(Self {
            chance: Mutex::new(chance),
            receipts: Mutex::default(),
            claims: Mutex::default(),
            clock: Mutex::new(0),
        })
    }

    /// The next place in the order of everything that can be seen from outside.
    pub fn place(&self) -> usize {
        let mut clock = self.clock.lock().unwrap();
        *clock += 1;
        *clock
    }

    pub fn note_claim(&self, effect: EffectId) {
        let place = self.place();
        self.claims.lock().unwrap().push((effect, place));
    }

    fn below(&self, end: u64) -> u64 {
        self.chance.lock().unwrap().random_range(0..end)
    }
}

/// A channel of the world.
#[derive(Debug)]
pub struct Line(pub Arc<World>);

impl Carrier for Line {
    fn at_once(&self) -> usize {
        3
    }

    fn perform(self: Arc<Self>, effect: Effect, _: u32, _: Arc<Program>) -> Performing {
        Box::pin(async move {
            let world = &self.0;
            tokio::time::sleep(Duration::from_millis(world.below(30))).await;
            let dice = world.below(20);
            let is_taken = dice != 0 && dice != 1;
            let receipt = Receipt { effect, is_taken };
            world.receipts.lock().unwrap().push(receipt);
            // The far side has it; its answer takes a while, and a crash may come first.
            tokio::time::sleep(Duration::from_millis(world.below(30))).await;
            match dice {
                0 => Outcome::RetryAt {
                    after: Span::SECOND.times(20),
                    reason: "busy".to_owned(),
                    contact: Contact::Answered,
                },
                1 => Outcome::Failed { reason: "no such address".to_owned() },
                2 => Outcome::Unknown { reason: "it fell silent".to_owned() },
                _ => Outcome::Sent { detail: "ok".to_owned() },
            }
        })
    }
}
