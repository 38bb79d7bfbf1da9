//! What is played: calls of the Segment spec, each with the instant at which it is sent.

use serde_json::{Value as Json, json};

use crate::model::{Span, Timestamp};

/// A sequence of calls.
pub(super) struct Sample {
    pub(super) title: String,
    pub(super) customers: usize,
    pub(super) start: Timestamp,
    /// In order of time.
    pub(super) calls: Vec<Call>,
    /// Steps in which time moves along while calls come, and the longest jump to the next call.
    pub(super) step: Span,
    pub(super) jump: Span,
    /// How far time goes on after the last call, so that waits and windows end.
    pub(super) after: Span,
    /// The write key that the workspace knows.
    pub(super) write_key: &'static str,
}

/// One call and when it is sent.
pub(super) struct Call {
    pub(super) at: Timestamp,
    pub(super) body: Json,
}

/// Makes calls with ids of their own, in any order.
#[derive(Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
}

impl Calls {
    /// Adds a call; `body` lacks only `messageId` and `timestamp`.
    pub(super) fn add(&mut self, at: Timestamp, mut body: Json) {
        body["messageId"] = json!(format!("demo-{}", self.calls.len()));
        body["timestamp"] = json!(at.to_string());
        self.calls.push(Call { at, body });
    }

    /// All calls in order of time; those of one instant as they were added.
    pub(super) fn in_order(mut self) -> Vec<Call> {
        self.calls.sort_by_key(|call| call.at);
        self.calls
    }
}
