//! A profile as conditions see it, at an instant, perhaps beside an event and within a run.

use crate::lang::eval::View;
use crate::lang::rules::{Aggregate, Compute, ComputeIndex, SegmentIndex, TrailIndex, TraitIndex};
use crate::model::value::ValueMap;
use crate::model::{Moment, Timestamp, Value};
use crate::workspace::Program;

use super::profile::{ComputeState, Profile, Run};

pub(super) struct ProfileView<'a> {
    pub(super) profile: &'a Profile,
    pub(super) program: &'a Program,
    pub(super) now: Timestamp,
    /// Properties of the event at hand, for filters.
    pub(super) properties: Option<&'a ValueMap>,
    pub(super) run: Option<&'a Run>,
}

impl View for ProfileView<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn trait_value(&self, index: TraitIndex) -> Option<&Value> {
        Value::lookup(&self.profile.traits, &self.program.rules.traits[index.at()].name)
    }

    fn compute_value(&self, index: ComputeIndex) -> Option<Value> {
        value_of(self.profile, &self.program.rules.computes[index.at()], self.now)
    }

    fn trail(&self, index: TrailIndex) -> &[Moment] {
        self.profile.trails.get(&self.program.rules.trails[index.at()].key).map_or(&[], Vec::as_slice)
    }

    fn in_segment(&self, index: SegmentIndex) -> bool {
        self.profile.memberships.contains_key(&self.program.rules.segments[index.at()].name)
    }

    fn property(&self, path: &str) -> Option<&Value> {
        Value::lookup(self.properties?, path)
    }

    fn entry_property(&self, path: &str) -> Option<&Value> {
        Value::lookup(&self.run?.entry, path)
    }

    fn entered(&self) -> Option<Moment> {
        self.run.map(|run| run.entered)
    }
}

/// What a compute is worth at `now`. An empty count or sum is 0; a latest of nothing is missing.
pub(super) fn value_of(profile: &Profile, compute: &Compute, now: Timestamp) -> Option<Value> {
    let state = profile.computes.get(&compute.key);
    let in_window = |at: Timestamp| compute.window.is_none_or(|span| at > now - span);
    match (&compute.aggregate, state) {
        (Aggregate::Count, Some(ComputeState::Count(count))) => Some(Value::Number(*count as f64)),
        (Aggregate::Count, Some(ComputeState::Window(items))) => {
            Some(Value::Number(items.iter().take_while(|(moment, _)| in_window(moment.at)).count() as f64))
        }
        (Aggregate::Sum { .. }, Some(ComputeState::Sum(sum))) => Some(amount(*sum)),
        (Aggregate::Sum { .. }, Some(ComputeState::Window(items))) => {
            Some(amount(items.iter().take_while(|(moment, _)| in_window(moment.at)).map(|(_, amount)| amount).sum()))
        }
        (Aggregate::Count | Aggregate::Sum { .. }, _) => Some(Value::Number(0.0)),
        (Aggregate::Latest { .. }, Some(ComputeState::Latest(moment, value))) if in_window(moment.at) => {
            Some(value.clone())
        }
        (Aggregate::Latest { .. }, _) => None,
    }
}

/// Millionths as a number.
fn amount(millionths: i128) -> Value {
    Value::Number(millionths as f64 / 1e6)
}
