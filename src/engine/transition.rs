//! What one entry or one wake changed: everything that the world outside the profile has to hear of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lang::rules::MessageClass;
use crate::model::audience_hash::concealed;
use crate::model::value::ValueMap;
use crate::model::{
    ConsentKey, EffectId, Entry, EntryBody, Offset, ProfileId, RunId, Snapshot, Target, Timestamp, Value,
};

use super::profile::Profile;
use super::skip::Skip;
use super::snapshot;

/// The outcome of one application. Empty where the entry touched nothing; a repeat can only lift what it denied itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    pub memberships: Vec<MembershipChange>,
    pub effects: Vec<Effect>,
    /// What stops no message any more.
    pub lifted: Vec<Lifted>,
    pub facts: Vec<Fact>,
    /// Entries that must follow: a merge's other half, or events that came for a profile merged away. They are
    /// appended to the journal exactly once (see the store's `relay`).
    pub relays: Vec<Relay>,
    /// Whether the entry's event counted (not a repeat) and so belongs to the profile's history.
    pub recorded: bool,
    /// Events that came before, waited for a merge, and count now.
    pub released: Vec<Entry>,
}

impl Transition {
    /// Adds what followed.
    pub(super) fn append(&mut self, next: Self) {
        self.memberships.extend(next.memberships);
        self.effects.extend(next.effects);
        self.lifted.extend(next.lifted);
        self.facts.extend(next.facts);
        self.relays.extend(next.relays);
        self.recorded |= next.recorded;
        self.released.extend(next.released);
    }
}

/// With all that the profile knew up to this entry its word on a matter is yes: no withdrawal up to there stops what is
/// queued. One that the journal holds beyond it does, though the profile has not heard of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lifted {
    pub key: ConsentKey,
    pub up_to: Offset,
}

/// A profile entered or left a segment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MembershipChange {
    pub segment: String,
    pub entered: bool,
    /// Logical time: the entry's `received_at`, or the instant of the wake.
    pub at: Timestamp,
    pub cause: Cause,
}

/// Why a membership changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Event,
    /// An event that arrived well after it happened.
    Late,
    /// A window ended.
    Time,
    Deploy,
    Merge,
    Erasure,
}

/// An entry that follows from a transition. `id` is unique: the second of two relays of one id is dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Relay {
    pub id: String,
    pub to: ProfileId,
    pub body: EntryBody,
}

impl Relay {
    /// Forwards an entry that came for a profile which has been merged away.
    #[must_use]
    pub fn forward(entry: &Entry, to: ProfileId) -> Self {
        Self { id: format!("forward:{}", entry.offset.0), to, body: entry.body.clone() }
    }

    /// What follows from an entry that is passed over and that somebody waits for the result of: a profile that does not
    /// hand over brings nothing to the one that it is merged into.
    #[must_use]
    pub fn in_place_of(entry: &Entry) -> Option<Self> {
        let (Target::Profile(loser), EntryBody::MergeAway { winner }) = (entry.target, &entry.body) else {
            return None;
        };
        let nothing = Snapshot(snapshot::encode(&Profile::new(loser)));
        let body = EntryBody::Absorb { loser, snapshot: nothing };
        Some(Self { id: format!("nothing:{}:{loser}", entry.offset.0), to: *winner, body })
    }

    /// Tells the journal what a profile passes over.
    #[must_use]
    pub fn skip(skip: &Skip) -> Self {
        Self { id: format!("skip:{}", skip.id()), to: skip.profile, body: EntryBody::Skip(skip.skipped) }
    }
}

/// Something to be done in the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    pub id: EffectId,
    pub profile: ProfileId,
    /// Name of the channel in `tidewater.yaml` that carries it.
    pub destination: String,
    /// The journey step that decided it; `None` for a mirrored segment.
    pub origin: Option<Origin>,
    /// What it is about, for consent. A webhook has none.
    pub consent: Option<EffectConsent>,
    pub decided_at: Timestamp,
    /// Not performed after this.
    pub expires_at: Option<Timestamp>,
    pub body: EffectBody,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub journey: String,
    pub run: RunId,
    pub step: String,
}

/// The consent that an effect needs, looked at when deciding and once more at the door of the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectConsent {
    pub key: ConsentKey,
    /// Marketing mail carries an unsubscribe link and is not repeated after an unknown outcome.
    pub class: MessageClass,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "channel")]
pub enum EffectBody {
    Email {
        to: String,
        template: String,
        /// A template, rendered with `variables`.
        subject: String,
        /// The profile's traits and computes, `user_id`, and `entry` (the entry event's properties), as they were.
        variables: ValueMap,
    },
    Webhook {
        /// Its texts are templates over `variables`.
        body: Value,
        variables: ValueMap,
    },
    Audience {
        /// Name of the audience sync.
        audience: String,
        add: bool,
        /// Trait name to its value, not hashed yet: `email`, `phone`. Never empty.
        identifiers: BTreeMap<String, String>,
        /// Number of the change among those of the profile in this audience; effects of earlier versions have none.
        #[serde(default)]
        change: u64,
    },
}

/// Longest name of a domain, in bytes (RFC 1035).
const DOMAIN_BYTES: usize = 253;

/// The kind of channel that mirrors audiences.
pub const AUDIENCE_SYNC: &str = "audience_sync";

impl EffectBody {
    /// The kind of channel that carries it: `email`, `webhook`, `audience_sync`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Email { .. } => "email",
            Self::Webhook { .. } => "webhook",
            Self::Audience { .. } => AUDIENCE_SYNC,
        }
    }

    /// Whether it takes somebody out of an audience: what still leaves for a person who was erased.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        matches!(self, Self::Audience { add: false, .. })
    }

    /// The same, with identifiers as the far side knows them and not as they are.
    #[must_use]
    pub fn concealed(mut self) -> Self {
        if let Self::Audience { identifiers, .. } = &mut self {
            for (name, value) in identifiers {
                *value = concealed(name, value);
            }
        }
        self
    }

    /// Its place among what was decided for one profile at one instant, where that matters.
    #[must_use]
    pub fn ordinal(&self) -> u64 {
        match self {
            Self::Email { .. } | Self::Webhook { .. } => 0,
            Self::Audience { change, .. } => *change,
        }
    }

    /// The recipient's domain in small letters: whoever takes mail for it has limits of its own. What is longer than a
    /// domain can be is none.
    #[must_use]
    pub fn domain(&self) -> Option<String> {
        match self {
            Self::Email { to, .. } => {
                let domain = to.rsplit_once('@').map(|(_, domain)| domain)?;
                (domain.len() <= DOMAIN_BYTES && !domain.contains('\0')).then(|| domain.to_lowercase())
            }
            Self::Webhook { .. } | Self::Audience { .. } => None,
        }
    }
}

/// Something for analytics.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fact")]
pub enum Fact {
    RunStarted {
        run: RunId,
        journey: String,
        key: String,
        at: Timestamp,
    },
    /// The run came to a step, or left it.
    Step {
        run: RunId,
        journey: String,
        step: String,
        at: Timestamp,
        outcome: StepOutcome,
    },
    GoalReached {
        run: RunId,
        journey: String,
        at: Timestamp,
    },
    /// `reason`: `completed`, `exit_rule`, `left_segment`, `exit_step`, `step_removed`, `merged`, `erased`,
    /// `too_many_steps`, `failed`.
    RunEnded {
        run: RunId,
        journey: String,
        at: Timestamp,
        reason: String,
    },
    /// A link of a message was clicked: what the link says, whether or not the run is still known.
    Clicked {
        run: String,
        journey: String,
        step: String,
        effect: String,
        at: Timestamp,
    },
    /// An event broke the tracking plan and was kept (the declaration is not strict).
    PlanBreach {
        event: String,
        reason: String,
        at: Timestamp,
    },
    /// Follow-ups were cut off at their limit, or another bound was met.
    Saturated {
        what: String,
        at: Timestamp,
    },
}

/// What happened at a step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "detail")]
pub enum StepOutcome {
    /// Waiting; until when, unless something else ends it first.
    Waiting(Timestamp),
    /// A wait ended: its time was up.
    TimeUp,
    /// A `wait_until` was met.
    Met,
    /// A branch's arm (`0`, `1`, … or `else`) or a split's.
    Took(String),
    /// An effect was decided.
    Decided(EffectId),
    /// An effect was not decided: `no_consent`, `no_address`.
    Skipped(String),
    Updated,
}
