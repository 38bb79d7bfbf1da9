//! A profile in words that programs and people read: for `profile show` and the management API.

use serde_json::{Value as Json, json};

use crate::lang::rules::ComputeIndex;
use crate::model::{Timestamp, Value};
use crate::workspace::Program;

use super::profile::Profile;
use super::view::value_of;

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
