//! What a new program asks of the past and the one before did not keep: filled from the customer's history.
//!
//! A deploy names what is unknown. A profile that was there before takes it in in two steps: the deploy, from which on
//! everything waits, and [`fill`], which brings the history. In between nothing is decided, so a new condition never
//! fires on half of the truth; afterwards what came meanwhile is decided as if no time had passed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::lang::Rules;
use crate::lang::rules::{SegmentIndex, Selector};
use crate::lang::say::say;
use crate::model::{Entry, EntryBody, Event, Moment, Offset, Timestamp};
use crate::workspace::Program;

use super::apply::{close, unpark};
use super::profile::Profile;
use super::transition::{Cause, Transition};
use super::turn::{Happening, Turn};

/// A deploy that the profile has not taken in yet, for want of its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfilled {
    /// The deploy itself: what counted before is history.
    pub moment: Moment,
    /// Keys of what is unknown.
    pub keys: Vec<u64>,
}

/// An event that counted before.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    pub offset: Offset,
    /// The merge by which it became the profile's own; 0 where it always was.
    pub joined: Offset,
    pub received_at: Timestamp,
    pub event: Event,
}

impl Past {
    /// An entry that told of an event, which counted for the very profile that it came for.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let Entry { offset, received_at, .. } = *entry;
        Some(Self { offset, joined: Offset(0), received_at, event: entry.body.event()?.into_owned() })
    }
}

/// Which part of a profile's history is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Events of these names; all where it is `None`.
    pub names: Option<BTreeSet<String>>,
    /// Events that counted before this entry.
    pub before: Offset,
}

/// Keys of what `after` keeps of the past and `before` did not keep, or not as much of.
#[must_use]
pub fn unknown(before: &Rules, after: &Rules) -> Vec<u64> {
    let kept: BTreeMap<u64, u32> = before.trails.iter().map(|trail| (trail.key, trail.keep)).collect();
    let trails = after.trails.iter().filter(|trail| kept.get(&trail.key).is_none_or(|keep| *keep < trail.keep));
    let known: BTreeSet<u64> = before
        .aggregates
        .iter()
        .map(|aggregate| aggregate.key)
        .chain(before.recalls.iter().map(|recall| recall.key))
        .collect();
    let others = after.aggregates.iter().map(|aggregate| aggregate.key);
    let others = others.chain(after.recalls.iter().map(|recall| recall.key)).filter(|key| !known.contains(key));
    trails.map(|trail| trail.key).chain(others).collect()
}

/// Names of the segments that `after` decides by what is unknown, also by way of other segments, sorted.
#[must_use]
pub fn segments_by(before: &Rules, after: &Rules, keys: &[u64]) -> BTreeSet<String> {
    let readers = &after.readers;
    // A memory that others share and that now goes farther back tells the same to who asked before.
    let said: BTreeMap<&str, String> =
        before.segments.iter().map(|segment| (segment.name.as_str(), say(&segment.condition, before))).collect();
    let asks_as_before = |index: &&SegmentIndex| {
        let segment = &after.segments[index.at()];
        said.get(segment.name.as_str()).is_some_and(|said| *said == say(&segment.condition, after))
    };
    let mut found: Vec<SegmentIndex> = Vec::new();
    for key in keys {
        if let Some(index) = readers.trail_of_key.get(key) {
            let is_shared = before.readers.trail_of_key.contains_key(key);
            let concerned = &readers.segments_of_trail[index.at()];
            found.extend(concerned.iter().filter(|segment| !(is_shared && asks_as_before(segment))));
        }
        if let Some(index) = readers.aggregate_of_key.get(key) {
            found.extend_from_slice(&readers.segments_of_aggregate[index.at()]);
        }
        if let Some(index) = readers.recall_of_key.get(key) {
            found.extend_from_slice(&readers.segments_of_recall[index.at()]);
        }
    }
    let mut concerned = BTreeSet::new();
    while let Some(segment) = found.pop() {
        if concerned.insert(after.segments[segment.at()].name.clone()) {
            found.extend_from_slice(&readers.segments_of_segment[segment.at()]);
        }
    }
    concerned
}

impl Wanted {
    /// What a deploy at `before` of `program` asks for, given what is unknown.
    #[must_use]
    pub fn of(program: &Program, keys: &[u64], before: Offset) -> Self {
        let rules = &program.rules;
        let trails = rules.trails.iter().map(|trail| (trail.key, &trail.selector));
        let aggregates = rules.aggregates.iter().map(|aggregate| (aggregate.key, &aggregate.selector));
        let recalls = rules.recalls.iter().map(|recall| (recall.key, &recall.selector));
        let mut wanted = Self { names: Some(BTreeSet::new()), before };
        for (_, selector) in trails.chain(aggregates).chain(recalls).filter(|(key, _)| keys.contains(key)) {
            match (selector, &mut wanted.names) {
                (Selector::Named(name), Some(names)) => drop(names.insert(name.clone())),
                _ => wanted.names = None,
            }
        }
        wanted
    }

    /// What both ask for.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.before = self.before.max(other.before);
        self.names = match (self.names, other.names) {
            (Some(ours), Some(theirs)) => Some(ours.into_iter().chain(theirs).collect()),
            _ => None,
        };
        self
    }
}

/// What of its history a profile has to be given when it takes in this deploy under this program; `None` where nothing.
#[must_use]
pub fn wanted_by(profile: &Profile, program: &Program, entry: &Entry) -> Option<Wanted> {
    match &entry.body {
        EntryBody::Deploy(deploy) if !deploy.unknown.is_empty() && profile.applied.0 > 0 && !profile.is_gone() => {
            Some(Wanted::of(program, &deploy.unknown, entry.offset))
        }
        _ => None,
    }
}

/// What of its history a profile has to be given before it can go on, or when what it awaits has come.
#[must_use]
pub fn wanted(profile: &Profile, program: &Program) -> Option<Wanted> {
    let unfilled = profile.unfilled.iter().map(|unfilled| Wanted::of(program, &unfilled.keys, unfilled.moment.offset));
    let parked = profile.parked.iter().filter_map(|entry| wanted_by(profile, program, entry));
    unfilled.chain(parked).reduce(Wanted::and)
}

/// Whether the profile waits for its history: see [`fill`].
#[must_use]
pub fn is_unfilled(profile: &Profile) -> bool {
    profile.unfilled.is_some()
}

/// Whether the profile waits for something, a merge's other half or its history, so that a deploy may be parked in it.
#[must_use]
pub fn is_waiting(profile: &Profile) -> bool {
    profile.awaited.is_some() || profile.unfilled.is_some()
}

/// Takes the deploy in that waits for the profile's history, and then what was parked since. Of `history`, what counted
/// before the deploy is looked at; more does no harm.
pub fn fill(profile: &mut Profile, program: &Program, history: &[Past]) -> Transition {
    let Some(Unfilled { moment, keys }) = profile.unfilled.take() else { return Transition::default() };
    let mut out = Transition::default();
    let last = std::mem::replace(&mut profile.applied, moment.offset);
    let mut turn = Turn::new(profile, program, moment.at, moment, Cause::Deploy);
    turn.remember(&keys, history);
    turn.take_up_program();
    turn.run();
    close(turn, Timestamp(moment.at.0.saturating_sub(1)), &mut out);
    unpark(profile, program, &mut out);
    profile.applied = last;
    out
}

impl Turn<'_> {
    fn remember(&mut self, keys: &[u64], history: &[Past]) {
        let keys: BTreeSet<u64> = keys.iter().copied().collect();
        // Numbers that were added up before an edit was taken back lack what came in between.
        self.profile.aggregates.retain(|key, _| !keys.contains(key));
        let deploy = self.moment.offset;
        for past in history.iter().filter(|past| past.offset < deploy && past.joined < deploy) {
            let event = &past.event;
            let moment = Moment { at: event.timestamp.min(past.received_at), offset: past.offset };
            let happening = Happening {
                name: &event.name,
                properties: Cow::Borrowed(&event.properties),
                moment,
                is_activity: event.is_activity(),
                segment: None,
            };
            self.observe(&happening, Some(&keys));
        }
    }
}
