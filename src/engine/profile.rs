//! What we hold about one customer: everything that a decision may depend on, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::lang::eval::Recalled;
use crate::model::value::ValueMap;
use crate::model::{ConsentKey, ConsentState, EffectId, Entry, Moment, Offset, ProfileId, RunId, SortedMap, Timestamp};

use super::aggregates::AggregateState;
use super::backfill::Unfilled;
use super::ends::KnownEnds;
use super::known::{KnownMembers, KnownSlots};
use super::seen::Seen;

/// The state of a profile. Sparse: it names only what the customer has, and by stable keys and names, so that an edited
/// program reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub(crate) id: ProfileId,
    /// The last entry that was applied.
    pub(crate) applied: Offset,
    /// The instant up to which wakes have been fired.
    pub(crate) clock: Timestamp,
    /// When time alone will next change something.
    pub(crate) wake: Option<Timestamp>,
    /// Set on the loser of a merge: everything that still comes belongs to this profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) merged_into: Option<ProfileId>,
    /// The person was erased: nothing is known any more, and nothing that comes is taken in.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) erased: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<String>,
    #[serde(default, skip_serializing_if = "ValueMap::is_empty")]
    pub(crate) traits: ValueMap,
    /// When each top-level trait was last set or cleared; decides between two profiles that merge, and between a
    /// late `identify` and what came before it.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub(crate) trait_times: SortedMap<String, Moment>,
    /// Group and its traits, of the latest `group` call.
    #[serde(default, skip_serializing_if = "ValueMap::is_empty")]
    pub(crate) account: ValueMap,
    /// By trail key; newest first.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub(crate) trails: SortedMap<u64, Vec<Moment>>,
    /// By aggregate key.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub(crate) aggregates: SortedMap<u64, AggregateState>,
    /// By recall key; newest first.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub(crate) recalls: SortedMap<u64, Vec<Recalled>>,
    /// By hold key: since when the state has lasted.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub(crate) held: SortedMap<u64, Timestamp>,
    /// Keys of the ranks that the profile had when they were last refreshed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) ranks: BTreeSet<u64>,
    /// Segment and since when.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub(crate) memberships: SortedMap<String, Timestamp>,
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub(crate) audiences: SortedMap<String, AudienceState>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) consents: Vec<Consent>,
    #[serde(default, skip_serializing_if = "Seen::is_empty")]
    pub(crate) seen: Seen,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) runs: Vec<Run>,
    /// By journey, then key: how often it was started, and when last.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub(crate) starts: SortedMap<String, SortedMap<String, Started>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) goals: Vec<GoalWatch>,
    /// The other half of a merge that is on its way: nothing is decided without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) awaited: Option<Awaited>,
    /// A deploy that asks for more of the past than was kept: nothing is decided without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unfilled: Option<Unfilled>,
    /// Entries that came since either of these, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parked: Vec<Entry>,
    /// The declared traits as segments look at them.
    #[serde(skip)]
    pub(crate) slots: KnownSlots,
    /// The memberships as segments are told apart.
    #[serde(skip)]
    pub(crate) members: KnownMembers,
    /// When time alone may change what.
    #[serde(skip)]
    pub(crate) ends: KnownEnds,
}

/// A merge whose loser has not handed over yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    pub loser: ProfileId,
    /// The merge itself: what the loser held counts from here.
    pub moment: Moment,
}

/// A profile's place in an audience that is mirrored elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudienceState {
    /// A journey put the profile into it (manual audiences).
    pub chosen: bool,
    /// Number of changes sent so far: makes each effect's id.
    pub changes: u64,
    /// What the far side knows the person by; empty where it does not hold them.
    pub sent: BTreeMap<String, String>,
    /// Changes whose outcome is not known yet, by their number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub under_way: BTreeMap<u64, AudienceChange>,
    /// Likewise, of profiles that are merged into this one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inherited: BTreeMap<EffectId, AudienceChange>,
    /// Changes that did not arrive, in a row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
}

/// What the far side is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudienceChange {
    pub add: bool,
    pub identifiers: BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it asks about by reference")]
fn is_false(answer: &bool) -> bool {
    !*answer
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it asks about by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What the person last said on one matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    pub key: ConsentKey,
    pub state: ConsentState,
    pub moment: Moment,
}

/// A passage through a journey. It always stands at a step that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub journey: String,
    pub key: String,
    pub entered: Moment,
    /// The entry event's properties, for `entry.x` and templates.
    #[serde(default, skip_serializing_if = "ValueMap::is_empty")]
    pub entry: ValueMap,
    /// Id of the step that waits, and when it was reached.
    pub step: String,
    pub reached: Moment,
    /// When the wait ends by itself.
    pub wake: Timestamp,
    /// How often each step was visited.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub visits: SortedMap<String, u32>,
    /// The arm taken at each split.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub arms: SortedMap<String, String>,
}

/// How often a journey began for a key, for re-entry rules and run ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    pub times: u64,
    pub last: Timestamp,
}

/// A goal that may still be reached; outlives its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoalWatch {
    pub run: RunId,
    pub journey: String,
    pub entered: Moment,
    pub until: Option<Timestamp>,
}

impl Profile {
    /// A profile of which nothing is known yet.
    #[must_use]
    pub fn new(id: ProfileId) -> Self {
        Self {
            id,
            applied: Offset(0),
            clock: Timestamp::MIN,
            wake: None,
            merged_into: None,
            erased: false,
            user_id: None,
            traits: ValueMap::new(),
            trait_times: SortedMap::new(),
            account: ValueMap::new(),
            trails: SortedMap::new(),
            aggregates: SortedMap::new(),
            recalls: SortedMap::new(),
            held: SortedMap::new(),
            ranks: BTreeSet::new(),
            memberships: SortedMap::new(),
            audiences: SortedMap::new(),
            consents: Vec::new(),
            seen: Seen::default(),
            runs: Vec::new(),
            starts: SortedMap::new(),
            goals: Vec::new(),
            awaited: None,
            unfilled: None,
            parked: Vec::new(),
            slots: KnownSlots::default(),
            members: KnownMembers::default(),
            ends: KnownEnds::default(),
        }
    }

    #[must_use]
    pub fn id(&self) -> ProfileId {
        self.id
    }

    /// The journey of each run that is under way.
    pub fn open_journeys(&self) -> impl Iterator<Item = &str> {
        self.runs.iter().map(|run| run.journey.as_str())
    }

    /// When time alone will next change something; see [`crate::engine::fire`].
    #[must_use]
    pub fn wake(&self) -> Option<Timestamp> {
        self.wake
    }

    /// The last entry that was applied; earlier ones and it are no-ops.
    #[must_use]
    pub fn applied(&self) -> Offset {
        self.applied
    }

    /// The profile that took this one in.
    #[must_use]
    pub fn merged_into(&self) -> Option<ProfileId> {
        self.merged_into
    }

    /// The person was erased.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.erased
    }

    /// Nobody is here any more: merged into another profile, or erased.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.erased || self.merged_into.is_some()
    }

    #[must_use]
    pub fn traits(&self) -> &ValueMap {
        &self.traits
    }

    /// Names of the segments that the profile is in, each with the instant of entry.
    pub fn memberships(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.memberships.iter().map(|(name, since)| (name.as_str(), *since))
    }

    #[must_use]
    pub fn consents(&self) -> &[Consent] {
        &self.consents
    }

    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// What the person last said on this matter, if anything.
    #[must_use]
    pub fn consent(&self, key: &ConsentKey) -> Option<ConsentState> {
        self.consents.iter().find(|consent| consent.key == *key).map(|consent| consent.state)
    }
}
