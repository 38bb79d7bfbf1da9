//! Entries of the journal: everything that may change a decision, in the one order that counts.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::consent::ConsentChange;
use super::event::Event;
use super::id::{Offset, ProfileId};
use super::time::Timestamp;

/// One accepted fact. `offset` orders all entries; `received_at` never runs backwards along them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub offset: Offset,
    pub received_at: Timestamp,
    pub target: Target,
    pub body: EntryBody,
}

/// Whom an entry concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Profile(ProfileId),
    /// Every shard, and in it every profile that it knows when the entry's turn comes.
    Everyone,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryBody {
    /// Something happened, told by a source or by the platform itself.
    Event(Event),
    /// To the losing profile of a merge: hand everything to `winner` and forward what still comes.
    MergeAway { winner: ProfileId },
    /// To the winning profile: take in what `loser` held, as its snapshot says.
    Absorb { loser: ProfileId, snapshot: Snapshot },
    /// To everyone: the schedule of this journey came up. `at` is the instant that the schedule names.
    ScheduleFired { journey: String, at: Timestamp },
    /// To everyone: a rank was worked out anew. `rank` is its key; without a `threshold` nobody has it.
    RankRefreshed { rank: u64, threshold: Option<f64> },
    /// To everyone: from here on the program of this version decides.
    Deploy(Deploy),
    /// To the winning profile of a merge, at the instant of the merge: what `loser` held is on its way. What comes
    /// meanwhile waits for it.
    Expect { loser: ProfileId },
    /// Of a profile: this is passed over, now and by every replay. It changes nothing by itself.
    Skip(Skipped),
    /// A word on consent that came by no event.
    Consent(ConsentChange),
    /// Of a profile: the person is to be forgotten. What still comes for the profile is nothing.
    Erase,
    /// Where an entry of a person stood who was erased since.
    Erased,
}

impl EntryBody {
    /// The event that rules, journeys and the history see in it, if they see one.
    #[must_use]
    pub fn event(&self) -> Option<Cow<'_, Event>> {
        match self {
            Self::Event(event) => Some(Cow::Borrowed(event)),
            Self::Consent(change) => Some(Cow::Owned(change.event())),
            _ => None,
        }
    }
}

/// What is passed over, because the engine failed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    Entry(Offset),
    /// What time alone would have changed at this instant.
    Wake(Timestamp),
}

/// A profile in bytes: see `engine::snapshot`. As JSON, base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot(pub Vec<u8>);

impl fmt::Debug for Snapshot {
    /// It holds what is known of a person, which is for no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} bytes)", self.0.len())
    }
}

impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_str(&STANDARD.encode(&self.0));
        }
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Snapshot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SnapshotVisitor)
    }
}

struct SnapshotVisitor;

impl Visitor<'_> for SnapshotVisitor {
    type Value = Snapshot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snapshot")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Snapshot, E> {
        // Snapshots were a version byte and JSON once, and stood here as they were.
        if text.starts_with('\u{1}') {
            return Ok(Snapshot(text.as_bytes().to_vec()));
        }
        STANDARD.decode(text).map(Snapshot).map_err(E::custom)
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Snapshot, E> {
        Ok(Snapshot(bytes.to_vec()))
    }
}

/// A change of program. Its sources are in the store under `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deploy {
    pub version: String,
    /// Keys of what this program keeps of the past and the one before did not: each profile's history has to tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<u64>,
}
