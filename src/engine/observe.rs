//! Takes a happening into trails and computes, and says what it changed.

use crate::lang::eval::holds;
use crate::lang::rules::{Aggregate, Compute, ComputeIndex, Condition, TrailIndex};
use crate::model::limit::MOMENTS_KEPT;
use crate::model::value::ValueMap;
use crate::model::{Moment, Timestamp, Value};

use super::profile::ComputeState;
use super::transition::Fact;
use super::turn::{Happening, Turn};
use super::view::ProfileView;

impl Turn<'_> {
    /// Notes the happening wherever a rule reads events of its name, and marks the segments that it may have changed.
    pub(super) fn observe(&mut self, happening: &Happening) {
        let readers = &self.program.rules.readers;
        let none = Vec::new();
        let named = readers.trails_of_event.get(&happening.name).unwrap_or(&none);
        let any: &[TrailIndex] = if happening.is_activity { &readers.trails_of_any_activity } else { &[] };
        for index in named.iter().chain(any) {
            self.follow(*index, happening);
        }
        let none = Vec::new();
        let named = readers.computes_of_event.get(&happening.name).unwrap_or(&none);
        let any: &[ComputeIndex] = if happening.is_activity { &readers.computes_of_any_activity } else { &[] };
        for index in named.iter().chain(any) {
            self.add_to_compute(*index, happening);
        }
    }

    fn matches(&self, filter: Option<&Condition>, properties: &ValueMap) -> bool {
        filter.is_none_or(|filter| {
            let view = ProfileView {
                profile: self.profile,
                program: self.program,
                now: self.now,
                properties: Some(properties),
                run: None,
            };
            holds(filter, &view)
        })
    }

    fn follow(&mut self, index: TrailIndex, happening: &Happening) {
        let trail = &self.program.rules.trails[index.at()];
        if !self.matches(trail.filter.as_ref(), &happening.properties) {
            return;
        }
        let keep = (trail.keep as usize).clamp(1, MOMENTS_KEPT);
        let moments = self.profile.trails.entry(trail.key).or_default();
        if insert_newest_first(moments, happening.moment, keep) {
            for segment in &self.program.rules.readers.segments_of_trail[index.at()] {
                self.dirty(*segment);
            }
        }
    }

    fn add_to_compute(&mut self, index: ComputeIndex, happening: &Happening) {
        let compute = &self.program.rules.computes[index.at()];
        if !self.matches(compute.filter.as_ref(), &happening.properties) {
            return;
        }
        let changed = match &compute.aggregate {
            Aggregate::Latest { property } => self.keep_latest(compute, property, happening),
            Aggregate::Count => self.add_amount(compute, 1, happening.moment),
            Aggregate::Sum { .. } => match amount_of(&compute.aggregate, &happening.properties) {
                Some(amount) => self.add_amount(compute, amount, happening.moment),
                None => false,
            },
        };
        if changed {
            for segment in &self.program.rules.readers.segments_of_compute[index.at()] {
                self.dirty(*segment);
            }
        }
    }

    fn keep_latest(&mut self, compute: &Compute, property: &str, happening: &Happening) -> bool {
        let Some(value) = Value::lookup(&happening.properties, property).filter(|value| !value.is_null()) else {
            return false;
        };
        if let Some(ComputeState::Latest(moment, _)) = self.profile.computes.get(&compute.key)
            && *moment >= happening.moment
        {
            return false;
        }
        self.profile.computes.insert(compute.key, ComputeState::Latest(happening.moment, value.clone()));
        true
    }

    /// Adds to a count or a sum. An event that is already out of the window changes nothing.
    fn add_amount(&mut self, compute: &Compute, amount: i128, moment: Moment) -> bool {
        let is_count = matches!(compute.aggregate, Aggregate::Count);
        let state = self.profile.computes.entry(compute.key).or_insert_with(|| match (compute.window, is_count) {
            (Some(_), _) => ComputeState::Window(Vec::new()),
            (None, true) => ComputeState::Count(0),
            (None, false) => ComputeState::Sum(0),
        });
        match state {
            ComputeState::Count(count) => *count += 1,
            ComputeState::Sum(sum) => *sum = sum.saturating_add(amount),
            ComputeState::Latest(..) => return false,
            ComputeState::Window(items) => {
                if compute.window.is_some_and(|span| moment.at <= self.now - span) {
                    return false;
                }
                let position = items.partition_point(|(kept, _)| *kept > moment);
                items.insert(position, (moment, amount));
                if items.len() > MOMENTS_KEPT {
                    items.truncate(MOMENTS_KEPT);
                    self.out.facts.push(Fact::Saturated { what: compute.name.clone(), at: self.now });
                }
            }
        }
        true
    }
}

/// Inserts a moment in its place and lets the oldest go beyond `keep`. False where it was itself let go.
pub(super) fn insert_newest_first(moments: &mut Vec<Moment>, moment: Moment, keep: usize) -> bool {
    let position = moments.partition_point(|kept| *kept > moment);
    if position >= keep || moments.get(position) == Some(&moment) {
        return false;
    }
    moments.insert(position, moment);
    moments.truncate(keep);
    true
}

/// What an event adds to a sum, in millionths; `None` where it has no usable amount.
fn amount_of(aggregate: &Aggregate, properties: &ValueMap) -> Option<i128> {
    let Aggregate::Sum { property, conversion } = aggregate else { return None };
    let amount = Value::lookup(properties, property)?.as_number()?;
    let factor = match conversion {
        None => 1.0,
        Some(conversion) => {
            let currency = Value::lookup(properties, &conversion.currency_property)?.as_text()?;
            *conversion.rates.get(currency)?
        }
    };
    let millionths = (amount * factor * 1e6).round();
    // Beyond this an amount is a mistake, and i128 sums stay far from their end.
    (millionths.abs() < 1e24).then_some(millionths as i128)
}

/// The moment at which the first of these leaves a window, seen from `now`: the oldest that is still in.
pub(super) fn oldest_in_window(
    items: &[(Moment, i128)],
    now: Timestamp,
    window: crate::model::Span,
) -> Option<Timestamp> {
    let inside = items.partition_point(|(moment, _)| moment.at > now - window);
    inside.checked_sub(1).map(|last| items[last].0.at + window)
}
