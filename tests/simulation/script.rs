//! What sources do in one run: who says what, when, how often, and in which order.

use std::time::Duration;

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use serde_json::{Value, json};
use tidewater::model::{ConsentKey, Span, Timestamp};

use super::faults::{STUMBLING, TRIPPING};
use super::run::DESTINATIONS;

/// One thing after the other.
#[derive(Debug, Clone)]
pub enum Step {
    /// The clock goes on, and then the platform has a moment to work.
    Wait(Span, Duration),
    /// Bodies of batches, sent at the same time by different sources.
    Send(Vec<Vec<Value>>),
    /// An author puts one of the two programs in force while sources send.
    Deploy(usize, Vec<Vec<Value>>),
    /// A person says that they want nothing more of this: by a link, or to whoever serves them.
    Withdraw(&'static str, ConsentKey),
    /// A person wants to be forgotten; if so, for good.
    Erase(&'static str, bool),
    /// A destination does not answer for a while.
    Silence(&'static str, Span),
    /// Somebody decides about effects.
    Hand(Hand),
}

/// `tidewater outbox retry` or `drop`, of all effects of a destination that it can be done to.
#[derive(Debug, Clone, Copy)]
pub struct Hand {
    pub verb: Verb,
    pub destination: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Retry,
    Drop,
}

const USERS: [&str; 5] = ["ada", "bob", "cem", "dia", "eve"];
const DEVICES: [&str; 4] = ["d1", "d2", "d3", "d4"];

/// Writes the script of a seed.
pub struct Author<'a> {
    pub chance: &'a mut TestRng,
    /// Whether some events are such that the engine trips over them.
    pub is_faulty: bool,
    /// The clock of the run, as far as it is written.
    pub now: Timestamp,
    pub sent: Vec<Value>,
}

impl Author<'_> {
    pub fn write(&mut self, steps: usize) -> Vec<Step> {
        let mut script = vec![self.introductions()];
        for _ in 0..steps + steps / 6 {
            script.push(match self.below(14) {
                0..4 => self.wait(),
                4 | 5 => self.silence(),
                6 => self.hand(),
                7 => self.withdraw(),
                8 => self.erase(),
                _ => self.send(),
            });
        }
        // In the end somebody looks at what is left lying.
        script.extend([self.wait(), self.hand(), self.hand(), self.hand()]);
        script
    }

    /// Some of them say who they are, and what they agree to.
    fn introductions(&mut self) -> Step {
        let mut batches = Vec::new();
        for user in USERS {
            let said = [
                json!({"type": "identify", "userId": user, "traits": {"email": format!("{user}@{}.example", domain(user))}}),
                json!({"type": "track", "userId": user, "event": "Subscribed",
                       "properties": {"topic": "newsletter", "channel": "email"}}),
                json!({"type": "track", "userId": user, "event": "Consent Given", "properties": {"purpose": "ads"}}),
            ];
            let said: Vec<Value> = said.into_iter().filter(|_| !self.one_in(4)).collect();
            let batch: Vec<Value> = said.into_iter().map(|event| self.say('m', event)).collect();
            batches.extend((!batch.is_empty()).then_some(batch));
        }
        Step::Send(batches)
    }

    /// Gives an event its id, and mostly its time.
    fn say(&mut self, fault: char, mut event: Value) -> Value {
        event["messageId"] = json!(format!("{fault}{}", self.sent.len()));
        // Where the source does not say when, each repeat has a new time.
        if !self.one_in(4) {
            event["timestamp"] = json!(self.instant().to_string());
        }
        self.sent.push(event.clone());
        event
    }

    fn below(&mut self, end: usize) -> usize {
        self.chance.random_range(0..end)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn wait(&mut self) -> Step {
        let spans = [Span(40), Span::MINUTE, Span::MINUTE.times(30), Span::HOUR.times(2), Span::DAY, Span::WEEK];
        let span = spans[self.below(spans.len())];
        self.now = self.now + span;
        Step::Wait(span, Duration::from_millis([0, 50, 1_000][self.below(3)]))
    }

    fn silence(&mut self) -> Step {
        let spans = [Span::SECOND.times(20), Span::MINUTE.times(10), Span::HOUR.times(5), Span::DAY.times(2)];
        Step::Silence(DESTINATIONS[self.below(3)], spans[self.below(spans.len())])
    }

    fn hand(&mut self) -> Step {
        let verb = if self.one_in(3) { Verb::Drop } else { Verb::Retry };
        Step::Hand(Hand { verb, destination: DESTINATIONS[self.below(3)] })
    }

    fn send(&mut self) -> Step {
        let batches = self.batches();
        if self.one_in(6) { Step::Deploy(self.below(2), batches) } else { Step::Send(batches) }
    }

    fn erase(&mut self) -> Step {
        Step::Erase(USERS[self.below(USERS.len())], self.one_in(3))
    }

    fn withdraw(&mut self) -> Step {
        let user = USERS[self.below(USERS.len())];
        let topic = ConsentKey::Topic { topic: "newsletter".to_owned(), channel: "email".to_owned() };
        let key = if self.one_in(2) { ConsentKey::Everything } else { topic };
        Step::Withdraw(user, key)
    }

    fn batches(&mut self) -> Vec<Vec<Value>> {
        let sources = 1 + self.below(3);
        let batches = (0..sources).map(|_| {
            let events = 1 + self.below(4);
            (0..events).map(|_| self.event()).collect()
        });
        batches.collect()
    }

    fn event(&mut self) -> Value {
        if !self.sent.is_empty() && self.one_in(6) {
            let again = self.below(self.sent.len());
            return self.sent[again].clone();
        }
        let user = USERS[self.below(USERS.len())];
        let device = DEVICES[self.below(DEVICES.len())];
        let fault = match self.below(8) {
            0 if self.is_faulty => TRIPPING,
            1 if self.is_faulty => STUMBLING,
            _ => 'm',
        };
        let topic = json!({"topic": "newsletter", "channel": "email"});
        let ads = json!({"purpose": "ads"});
        let event = match self.below(16) {
            0 | 1 => {
                let address = format!("{user}{}@{}.example", ["", "+new"][self.below(4) / 3], domain(user));
                json!({"type": "identify", "userId": user, "traits": {"email": address}})
            }
            14 => self.word(user, ["Consent Given", "Consent Withdrawn"], ads),
            15 => self.word(user, ["Subscribed", "Unsubscribed"], topic),
            2 => json!({"type": "identify", "userId": user, "anonymousId": device, "traits": {"plan": "pro"}}),
            3 => json!({"type": "alias", "userId": user, "previousId": device}),
            4 => self.word(user, ["Subscribed", "Subscribed"], topic),
            6 | 7 => json!({"type": "track", "anonymousId": device, "event": "Product Added",
                            "properties": {"product_id": "p1"}}),
            8 | 9 => json!({"type": "track", "userId": user, "event": "Product Added",
                            "properties": {"product_id": "p2"}}),
            10 => json!({"type": "track", "userId": user, "event": "Signed Up", "properties": {}}),
            _ => json!({"type": "track", "userId": user, "event": "Order Completed",
                        "properties": {"order_id": format!("o{}", self.below(6)), "revenue": self.below(200)}}),
        };
        self.say(fault, event)
    }

    /// One of two words on consent.
    fn word(&mut self, user: &str, words: [&str; 2], properties: Value) -> Value {
        json!({"type": "track", "userId": user, "event": words[self.below(2)], "properties": properties})
    }

    /// Mostly now; sometimes late, or by a clock that is ahead.
    fn instant(&mut self) -> Timestamp {
        match self.below(10) {
            0 => self.now - Span::HOUR.times(3),
            1 => self.now + Span::HOUR,
            2 => self.now - Span::MINUTE,
            _ => self.now,
        }
    }
}

fn domain(user: &str) -> &'static str {
    if user < "cem" { "one" } else { "two" }
}
