//! What only data can tell of a workspace: values that rules ask for and nobody ever sent, events that never came or
//! that stopped, segments that hold nobody or everybody.
//!
//! Pure, in two halves: [`Questions`] says what to look for, [`findings`] decides on the [`Answers`]. Between the two
//! stands `analytics::seen`, which looks.

mod events;
mod questions;
mod sizes;
mod spot;
mod subjects;
mod tallies;
mod tally;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Code, Finding};
use crate::model::Timestamp;

pub use questions::Questions;
pub use sizes::as_deployed;
pub use tallies::Tallies;

/// The codes of which nothing is known without data.
pub(super) const OF_DATA: [Code; 6] = [
    Code::ValueNeverSeen,
    Code::EventNeverCame,
    Code::EventStopped,
    Code::EmptySegment,
    Code::EverybodyIn,
    Code::EmptiedSegment,
];

/// What data says to the [`Questions`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    pub tallies: Tallies,
    /// Of each event that rules read: how often it came and when the latest happened. Without those that never came.
    pub events: BTreeMap<String, EventTotal>,
    /// When the newest event of all happened; `None` where there is none.
    pub newest: Option<Timestamp>,
    /// Profiles, without those that were merged into others.
    pub profiles: u64,
    /// By name; segments without members are missing.
    pub members: BTreeMap<String, u64>,
    /// How often each segment was entered, by name.
    pub entered: BTreeMap<String, u64>,
    /// Segments that are in force as they are written here: of others the sizes say nothing.
    pub deployed: BTreeSet<String>,
    pub looked_at: LookedAt,
}

/// How often an event came, and when the latest happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTotal {
    pub times: u64,
    pub latest: Timestamp,
}

/// How much of the data was looked at for values: where there is too much, the newest events, and some profiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LookedAt {
    pub events: u64,
    pub all_events: bool,
    pub profiles: u64,
    pub all_profiles: bool,
}

/// What the answers say about the rules. Nothing is said of a database that holds no events.
#[must_use]
pub fn findings(questions: &Questions, answers: &Answers) -> Vec<Finding> {
    let mut findings = Vec::new();
    values::check(questions, answers, &mut findings);
    events::check(questions, answers, &mut findings);
    sizes::check(questions, answers, &mut findings);
    findings
}

/// `12,031`.
#[must_use]
pub fn counted(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests;
