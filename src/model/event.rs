//! One message of the Segment spec, decoded and cleaned. Fields keep the spec's names in snake case.

use serde::{Deserialize, Serialize};

use super::id::MessageId;
use super::time::Timestamp;
use super::value::ValueMap;

/// The source name of events that the platform itself reports, such as `Email Sent`.
pub const PLATFORM_SOURCE: &str = "tidewater";

/// Which call of the spec an event came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
    /// What became of our own effects, and other things that the platform reports: never sent by a source.
    Platform,
}

impl EventKind {
    /// The call's name, as in `/v1/track`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Identify => "identify",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Alias => "alias",
            Self::Platform => "platform",
        }
    }
}

/// One event, valid and clean. The name under which rules know it is `name`: a track's own, and for the other calls
/// the names of [`super::platform_event`] (`Page Viewed`, `Screen Viewed`, `Identified`, `Grouped`, `Aliased`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub message_id: MessageId,
    pub kind: EventKind,
    pub name: String,
    /// Name of the source that sent it, from `tidewater.yaml`; [`PLATFORM_SOURCE`] for our own.
    pub source: String,
    /// When it happened, corrected for the sender's clock. The sequencer presses it to `received_at` where it is later.
    pub timestamp: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous_id: Option<String>,
    /// `alias` only: the id that becomes another name of `user_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_id: Option<String>,
    /// `group` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// Track, page and screen: what rules read in `where`.
    #[serde(default, skip_serializing_if = "ValueMap::is_empty")]
    pub properties: ValueMap,
    /// Identify: facts on the person. Group: facts on the account.
    #[serde(default, skip_serializing_if = "ValueMap::is_empty")]
    pub traits: ValueMap,
    #[serde(default, skip_serializing_if = "ValueMap::is_empty")]
    pub context: ValueMap,
}

impl Event {
    /// An event that the platform itself tells.
    #[must_use]
    pub fn of_platform(name: &str, message_id: String, at: Timestamp, properties: ValueMap) -> Self {
        Self {
            message_id,
            kind: EventKind::Platform,
            name: name.to_owned(),
            source: PLATFORM_SOURCE.to_owned(),
            timestamp: at,
            user_id: None,
            anonymous_id: None,
            previous_id: None,
            group_id: None,
            properties,
            traits: ValueMap::new(),
            context: ValueMap::new(),
        }
    }

    /// Whether the customer did this: a track, page or screen from a source. What `any activity` counts.
    #[must_use]
    pub fn is_activity(&self) -> bool {
        matches!(self.kind, EventKind::Track | EventKind::Page | EventKind::Screen)
    }
}
