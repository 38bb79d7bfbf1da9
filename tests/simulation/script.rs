//! What sources do in one run: who says what, when, how often, and in which order.

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use serde_json::{Value, json};
use tidewater::model::{Span, Timestamp};

/// One thing after the other.
#[derive(Debug, Clone)]
pub enum Step {
    Wait(Span),
    /// Bodies of batches, sent at the same time by different sources.
    Send(Vec<Vec<Value>>),
    /// An author puts one of the two programs in force while sources send.
    Deploy(usize, Vec<Vec<Value>>),
}

const USERS: [&str; 5] = ["ada", "bob", "cem", "dia", "eve"];
const DEVICES: [&str; 4] = ["d1", "d2", "d3", "d4"];

/// Writes the script of a seed.
pub struct Author<'a> {
    pub chance: &'a mut TestRng,
    /// The clock of the run, as far as it is written.
    pub now: Timestamp,
    pub sent: Vec<Value>,
}

impl Author<'_> {
    pub fn write(&mut self, steps: usize) -> Vec<Step> {
        let step = |step| if self.one_in(3) { self.wait() } else { self.send(step * 3 < steps) };
        (0..steps).map(step).collect()
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
        Step::Wait(span)
    }

    fn send(&mut self, is_early: bool) -> Step {
        let batches = self.batches(is_early);
        if self.one_in(6) { Step::Deploy(self.below(2), batches) } else { Step::Send(batches) }
    }

    fn batches(&mut self, is_early: bool) -> Vec<Vec<Value>> {
        let sources = 1 + self.below(3);
        let batches = (0..sources).map(|_| {
            let events = 1 + self.below(4);
            (0..events).map(|_| self.event(is_early)).collect()
        });
        batches.collect()
    }

    fn event(&mut self, is_early: bool) -> Value {
        if !self.sent.is_empty() && self.one_in(6) {
            let again = self.below(self.sent.len());
            return self.sent[again].clone();
        }
        let user = USERS[self.below(USERS.len())];
        let device = DEVICES[self.below(DEVICES.len())];
        let id = format!("m{}", self.sent.len());
        let topic = json!({"topic": "newsletter", "channel": "email"});
        let mut event = match self.below(14) {
            0 | 1 => json!({"type": "identify", "userId": user, "traits": {"email": format!("{user}@example.com")}}),
            2 => json!({"type": "identify", "userId": user, "anonymousId": device, "traits": {"plan": "pro"}}),
            3 => json!({"type": "alias", "userId": user, "previousId": device}),
            4 if is_early => json!({"type": "track", "userId": user, "event": "Subscribed", "properties": topic}),
            5 if !is_early => json!({"type": "track", "userId": user, "event": "Unsubscribed", "properties": topic}),
            6 | 7 => json!({"type": "track", "anonymousId": device, "event": "Product Added",
                            "properties": {"product_id": "p1"}}),
            8 | 9 => json!({"type": "track", "userId": user, "event": "Product Added",
                            "properties": {"product_id": "p2"}}),
            10 => json!({"type": "track", "userId": user, "event": "Signed Up", "properties": {}}),
            _ => json!({"type": "track", "userId": user, "event": "Order Completed",
                        "properties": {"order_id": format!("o{}", self.below(6)), "revenue": self.below(200)}}),
        };
        event["messageId"] = json!(id);
        event["timestamp"] = json!(self.instant(&event).to_string());
        self.sent.push(event.clone());
        event
    }

    /// Mostly now; sometimes late, or by a clock that is ahead.
    fn instant(&mut self, event: &Value) -> Timestamp {
        let is_consent = event["event"].as_str().is_some_and(|name| name.ends_with("ubscribed"));
        match self.below(10) {
            _ if is_consent => self.now,
            0 => self.now - Span::HOUR.times(3),
            1 => self.now + Span::HOUR,
            _ => self.now,
        }
    }
}
