//! What a person has agreed to, per topic and channel, and per purpose.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a consent is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentKey {
    /// To get messages of a topic on a channel, such as `newsletter` by `email`.
    Topic { topic: String, channel: String },
    /// To something else, such as sharing with `ads` partners.
    Purpose(String),
}

impl fmt::Display for ConsentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic { topic, channel } => write!(f, "{topic}/{channel}"),
            Self::Purpose(purpose) => write!(f, "{purpose}"),
        }
    }
}

/// What the person last said. Where they said nothing, the topic's declaration decides: a marketing topic is
/// `opt_in`, so silence means no; a transactional one is sent unless refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    Given,
    Withdrawn,
}
