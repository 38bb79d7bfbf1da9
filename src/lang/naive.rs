//! The slow oracle: whether a condition holds at an instant, worked out from everything that ever happened, by brute
//! force and without trails, windows or wakes. What the engine keeps up to date must equal this at every moment.

use crate::model::value::ValueMap;
use crate::model::{Moment, Timestamp, Value};

use super::eval::{View, holds};
use super::rules::*;

/// One thing that happened, as the oracle sees it.
#[derive(Debug, Clone)]
pub struct Happened {
    pub name: String,
    pub properties: ValueMap,
    pub moment: Moment,
    pub is_activity: bool,
}

/// Everything that is known at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    pub rules: &'a Rules,
    /// In any order, each once.
    pub happened: &'a [Happened],
    pub traits: &'a ValueMap,
    pub now: Timestamp,
}

impl Past<'_> {
    /// Whether the profile is in the segment, now.
    #[must_use]
    pub fn is_in(&self, segment: SegmentIndex) -> bool {
        self.answer(&self.rules.segments[segment.at()].condition)
    }

    fn answer(&self, condition: &Condition) -> bool {
        match condition {
            Condition::All(parts) => !parts.iter().any(|part| !self.answer(part)),
            Condition::Any(parts) => parts.iter().any(|part| self.answer(part)),
            Condition::Not(inner) => !self.answer(inner),
            Condition::InSegment(segment) => self.is_in(*segment),
            Condition::Did { trail, at_least, period } => {
                let trail = &self.rules.trails[trail.at()];
                let matching = self.matching(&trail.selector, trail.filter.as_ref());
                let counted = matching.filter(|one| self.lies_in(one.moment, *period)).count();
                counted >= *at_least as usize
            }
            // Comparisons have one meaning, which `eval` tests hold; the oracle is about time and memory.
            other => holds(other, self),
        }
    }

    fn matching<'a>(
        &'a self,
        selector: &'a Selector,
        filter: Option<&'a Condition>,
    ) -> impl Iterator<Item = &'a Happened> {
        self.happened.iter().filter(move |one| {
            let is_meant = match selector {
                Selector::Named(name) => one.name == *name,
                Selector::AnyActivity => one.is_activity,
            };
            is_meant && filter.is_none_or(|filter| holds(filter, &EventAlone { event: one, now: self.now }))
        })
    }

    fn lies_in(&self, moment: Moment, period: Period) -> bool {
        match period {
            Period::Ever => true,
            Period::Last(span) => moment.at.0 > self.now.0 - span.0 && moment.at <= self.now,
            Period::SinceLast(other) => {
                let other = &self.rules.trails[other.at()];
                let last = self.matching(&other.selector, other.filter.as_ref()).map(|one| one.moment).max();
                last.is_some_and(|last| moment > last)
            }
            Period::SinceEntry => false,
        }
    }

    fn compute(&self, compute: &Compute) -> Option<Value> {
        let in_window = |one: &&Happened| compute.window.is_none_or(|span| one.moment.at.0 > self.now.0 - span.0);
        let matching = || self.matching(&compute.selector, compute.filter.as_ref()).filter(in_window);
        match &compute.aggregate {
            Aggregate::Count => Some(Value::Number(matching().count() as f64)),
            Aggregate::Sum { property, conversion } => {
                let amounts = matching().filter_map(|one| {
                    let amount = Value::lookup(&one.properties, property)?.as_number()?;
                    let factor = match conversion {
                        None => 1.0,
                        Some(conversion) => {
                            let currency = Value::lookup(&one.properties, &conversion.currency_property)?;
                            *conversion.rates.get(currency.as_text()?)?
                        }
                    };
                    Some((amount * factor * 1e6).round() as i128)
                });
                Some(Value::Number(amounts.sum::<i128>() as f64 / 1e6))
            }
            Aggregate::Latest { property } => {
                // Of all time first: an event without the property hides none that has it, a window ends the newest.
                let all = self.matching(&compute.selector, compute.filter.as_ref());
                let valued = all.filter_map(|one| {
                    let value = Value::lookup(&one.properties, property).filter(|value| !value.is_null())?;
                    Some((one.moment, one, value))
                });
                let newest = valued.max_by_key(|(moment, _, _)| *moment)?;
                in_window(&newest.1).then(|| newest.2.clone())
            }
        }
    }
}

impl View for Past<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn trait_value(&self, index: TraitIndex) -> Option<&Value> {
        Value::lookup(self.traits, &self.rules.traits[index.at()].name)
    }

    fn compute_value(&self, index: ComputeIndex) -> Option<Value> {
        self.compute(&self.rules.computes[index.at()])
    }

    fn trail(&self, _: TrailIndex) -> &[Moment] {
        &[]
    }

    fn in_segment(&self, index: SegmentIndex) -> bool {
        self.is_in(index)
    }

    fn property(&self, _: &str) -> Option<&Value> {
        None
    }

    fn entry_property(&self, _: &str) -> Option<&Value> {
        None
    }

    fn entered(&self) -> Option<Moment> {
        None
    }
}

/// An event by itself, as a `where` sees it.
struct EventAlone<'a> {
    event: &'a Happened,
    now: Timestamp,
}

impl View for EventAlone<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn trait_value(&self, _: TraitIndex) -> Option<&Value> {
        None
    }

    fn compute_value(&self, _: ComputeIndex) -> Option<Value> {
        None
    }

    fn trail(&self, _: TrailIndex) -> &[Moment] {
        &[]
    }

    fn in_segment(&self, _: SegmentIndex) -> bool {
        false
    }

    fn property(&self, path: &str) -> Option<&Value> {
        Value::lookup(&self.event.properties, path)
    }

    fn entry_property(&self, _: &str) -> Option<&Value> {
        None
    }

    fn entered(&self) -> Option<Moment> {
        None
    }
}
