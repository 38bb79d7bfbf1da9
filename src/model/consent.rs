//! What a person has agreed to, per topic and channel, and per purpose.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::id::MessageId;
use super::platform_event::{CONSENT_GIVEN, CONSENT_WITHDRAWN, SUBSCRIBED, SUPPRESSED, UNSUBSCRIBED};
use super::time::Timestamp;
use super::value::ValueMap;

/// What a consent is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentKey {
    /// To get messages of a topic on a channel, such as `newsletter` by `email`.
    Topic { topic: String, channel: String },
    /// To something else, such as sharing with `ads` partners.
    Purpose(String),
    /// Any message and any audience, whatever else was said. It can only be refused: by a suppression.
    Everything,
}

impl fmt::Display for ConsentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic { topic, channel } => write!(f, "{topic}/{channel}"),
            Self::Purpose(purpose) => write!(f, "{purpose}"),
            // No topic and no purpose can have this name.
            Self::Everything => f.write_str("*"),
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

/// A word on consent that came by no event of a source: an entry of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsentChange {
    /// Tells it from every other: the same once more is nothing.
    pub id: MessageId,
    pub key: ConsentKey,
    pub state: ConsentState,
    pub by: ConsentSource,
    /// When it was said. The sequencer presses it to `received_at` where it is later.
    pub at: Timestamp,
    /// On what grounds, such as the version of the text that was agreed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Of a link: which message carried it, as properties of an event.
    #[serde(default, skip_serializing_if = "ValueMap::is_empty")]
    pub message: ValueMap,
}

/// The way by which a word on consent came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentSource {
    /// The unsubscribe link of a message.
    Link,
    /// The management API.
    Api,
    /// A command that somebody typed.
    Command,
}

impl ConsentSource {
    /// The word that events tell it by.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Api => "api",
            Self::Command => "command",
        }
    }
}

impl ConsentChange {
    /// The name of the event that means the same.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match (&self.key, self.state) {
            (ConsentKey::Topic { .. }, ConsentState::Given) => SUBSCRIBED,
            (ConsentKey::Topic { .. }, ConsentState::Withdrawn) => UNSUBSCRIBED,
            (ConsentKey::Purpose(_) | ConsentKey::Everything, ConsentState::Given) => CONSENT_GIVEN,
            (ConsentKey::Purpose(_), ConsentState::Withdrawn) => CONSENT_WITHDRAWN,
            (ConsentKey::Everything, ConsentState::Withdrawn) => SUPPRESSED,
        }
    }

    /// What rules, journeys and the history know of it: the event by which a source would have told the same.
    #[must_use]
    pub fn event(&self) -> Event {
        let mut properties = self.message.clone();
        let mut say = |name: &str, value: &str| drop(properties.insert(name.to_owned(), value.into()));
        match &self.key {
            ConsentKey::Topic { topic, channel } => {
                say("topic", topic);
                say("channel", channel);
            }
            ConsentKey::Purpose(purpose) => say("purpose", purpose),
            ConsentKey::Everything => {}
        }
        say("by", self.by.as_str());
        if let Some(note) = &self.note {
            say("note", note);
        }
        Event::of_platform(self.name(), self.id.clone(), self.at, properties)
    }
}
