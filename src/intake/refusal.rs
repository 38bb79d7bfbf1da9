//! What intake says when it cannot take something.

use serde::Serialize;

/// Why one event, or one value of it, was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Place in the batch, from 0; `None` for a call that carries a single event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// A short stable word for programs, such as `missing_id` or `plan_breach`.
    pub code: &'static str,
    /// Where in the event, such as `properties.products[2].price`; empty for the event as a whole.
    pub path: String,
    /// What is wrong, in words.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { index: None, code, path: path.into(), message: message.into() }
    }
}

/// A request that as a whole cannot be taken: none of its events was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct BadRequest {
    /// A short stable word: `invalid_json`, `not_an_object`, `too_large`, `invalid`.
    pub code: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Line and column in the body, from 1, where it breaks off being JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

impl BadRequest {
    pub(crate) fn new(code: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), path: path.into(), line: None, column: None }
    }

    /// Whether the request was refused for its size alone.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.code == "too_large"
    }
}
