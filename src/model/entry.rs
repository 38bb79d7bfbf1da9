//! Entries of the journal: everything that may change a decision, in the one order that counts.

use serde::{Deserialize, Serialize};

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
    /// To the winning profile: take in what `loser` held, as its snapshot says (see `engine::snapshot`).
    Absorb { loser: ProfileId, snapshot: String },
    /// To everyone: the schedule of this journey came up. `at` is the instant that the schedule names.
    ScheduleFired { journey: String, at: Timestamp },
    /// To everyone: a rank was worked out anew. `rank` is its key; without a `threshold` nobody has it.
    RankRefreshed { rank: u64, threshold: Option<f64> },
    /// To everyone: from here on the program of this version decides.
    Deploy(Deploy),
    /// To the winning profile of a merge, at the instant of the merge: what `loser` held is on its way. What comes
    /// meanwhile waits for it.
    Expect { loser: ProfileId },
}

/// A change of program. Its sources are in the store under `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deploy {
    pub version: String,
    /// Keys of what this program keeps of the past and the one before did not: each profile's history has to tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<u64>,
}
