//! A profile in words that programs and people read: for `profile show` and the management API.

use serde_json::{Value as Json, json};

use crate::lang::eval::{View, holds, operand_value};
use crate::lang::rules::{ComputeIndex, Condition, Operand, SegmentIndex};
use crate::lang::say::{say, say_value};
use crate::model::{Timestamp, Value};
use crate::workspace::Program;

use super::profile::Profile;
use super::view::{ProfileView, value_of};

/// One question of a segment's rule, and the answer for one profile.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Explained {
    /// The question, in the rule language; `all of` and `any of` where it joins others.
    pub asked: String,
    pub holds: bool,
    /// What the answer comes from: the value, or when it happened last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Explained>,
}

/// Why a profile is in a segment, or is not, at an instant.
#[must_use]
pub fn explain_segment(profile: &Profile, program: &Program, segment: SegmentIndex, now: Timestamp) -> Explained {
    let view = ProfileView::new(profile, program, now);
    explained(&program.rules.segments[segment.at()].condition, &view, program.rules.segments.len())
}

/// `depth` bounds the way through other segments.
fn explained(condition: &Condition, view: &ProfileView<'_>, depth: usize) -> Explained {
    let rules = &view.program.rules;
    let asked = match condition {
        Condition::All(_) => "all of".to_owned(),
        Condition::Any(_) => "any of".to_owned(),
        other => say(other, rules),
    };
    let parts = match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().map(|part| explained(part, view, depth)).collect()
        }
        Condition::Not(inner) => match inner.as_ref() {
            Condition::All(_) | Condition::Any(_) | Condition::InSegment(_) => vec![explained(inner, view, depth)],
            _ => Vec::new(),
        },
        Condition::InSegment(index) if depth > 0 => {
            vec![explained(&rules.segments[index.at()].condition, view, depth - 1)]
        }
        _ => Vec::new(),
    };
    Explained { asked, holds: holds(condition, view), found: found(condition, view), parts }
}

/// What the answer to a question comes from.
fn found(condition: &Condition, view: &ProfileView<'_>) -> Option<String> {
    let rules = &view.program.rules;
    let value_of = |operand: &Operand| match operand_value(view, operand) {
        Some(value) => format!("it is {}", say_value(&value)),
        None => "it is missing".to_owned(),
    };
    match condition {
        Condition::Not(inner) if !matches!(inner.as_ref(), Condition::All(_) | Condition::Any(_)) => found(inner, view),
        Condition::Did { trail, at_least, .. } => Some(happened(view.trail(*trail).iter().map(|at| at.at), *at_least)),
        Condition::Recall { recall, at_least, .. } => {
            Some(happened(view.recalled(*recall).iter().map(|event| event.moment.at), *at_least))
        }
        Condition::Held { hold, .. } => Some(match view.held_since(*hold) {
            Some(since) => format!("it has been since {since}"),
            None => "it is not".to_owned(),
        }),
        Condition::Date(index) => Some(value_of(&Operand::Trait(rules.dates[index.at()].subject))),
        Condition::Rank(index) => Some(value_of(&rules.ranks[index.at()].operand)),
        other => other.operands().first().map(|operand| value_of(operand)),
    }
}

/// `moments` are newest first.
fn happened(moments: impl ExactSizeIterator<Item = Timestamp>, asked: u32) -> String {
    let count = moments.len();
    match moments.into_iter().next() {
        None => "never".to_owned(),
        Some(last) if asked <= 1 => format!("last at {last}"),
        // No more are kept than are asked for.
        Some(last) if count >= asked as usize => format!("at least {count} times, last at {last}"),
        Some(last) => format!("{count} times, last at {last}"),
    }
}

/// The value of a trait or compute by its name, at an instant.
#[must_use]
pub fn fact_of(profile: &Profile, program: &Program, name: &str, now: Timestamp) -> Option<Value> {
    if let Some(index) = program.rules.computes.iter().position(|compute| compute.name == name) {
        return value_of(profile, program, ComputeIndex(index as u32), now);
    }
    Value::lookup(&profile.traits, name).cloned()
}

/// Everything that we hold about the customer, as of `now`.
#[must_use]
pub fn profile_view(profile: &Profile, program: &Program, now: Timestamp) -> Json {
    let computes: serde_json::Map<String, Json> = program
        .rules
        .computes
        .iter()
        .enumerate()
        .filter_map(|(index, compute)| {
            let value = value_of(profile, program, ComputeIndex(index as u32), now)?;
            Some((compute.name.clone(), serde_json::to_value(value).ok()?))
        })
        .collect();
    let segments: Vec<Json> =
        profile.memberships().map(|(name, since)| json!({"segment": name, "since": since.to_string()})).collect();
    let consents: Vec<Json> = profile
        .consents()
        .iter()
        .map(|said| json!({"about": said.key.to_string(), "state": said.state, "since": said.moment.at.to_string()}))
        .collect();
    let runs: Vec<Json> = profile
        .runs()
        .iter()
        .map(|run| {
            json!({
                "run": run.id, "journey": run.journey, "key": run.key, "step": run.step,
                "since": run.reached.at.to_string(), "until": run.wake.to_string(),
            })
        })
        .collect();
    let audiences: Vec<&str> =
        profile.audiences.iter().filter(|(_, state)| !state.sent.is_empty()).map(|(name, _)| name.as_str()).collect();
    json!({
        "profile": profile.id(),
        "user_id": profile.user_id,
        "merged_into": profile.merged_into(),
        "traits": profile.traits(),
        "account": profile.account,
        "computes": computes,
        "segments": segments,
        "consents": consents,
        "journeys": runs,
        "audiences": audiences,
        "wake": profile.wake().map(|at| at.to_string()),
    })
}
