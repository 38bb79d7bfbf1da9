//! The slow oracle: whether a condition holds at an instant, worked out from everything that ever happened, by brute
//! force and without trails, windows or wakes. What the engine keeps up to date must equal this at every moment.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::value::ValueMap;
use crate::model::{Moment, Timestamp, Value};

use super::eval::{Frame, Kept, Recalled, View, holds, holds_in};
use super::rules::*;
use super::window::{Calendar, CalendarUnit, DateTest, When, Window};

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
    /// All traits after each change that was taken, in that order, and of when the change was.
    pub traits: &'a [(Timestamp, ValueMap)],
    pub now: Timestamp,
    pub calendar: Calendar,
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
            Condition::Did { trail, at_least, period } => self.did(*trail, *at_least, *period),
            Condition::Recall { recall, filter, at_least, period } => {
                self.did_of_recall(*recall, filter, *at_least, *period)
            }
            Condition::Sequence(index) => self.is_followed(&self.rules.sequences[index.at()], &[]),
            Condition::Held { hold, length } => self.held(*hold).is_some_and(|since| !self.is_within(since, *length)),
            Condition::Date(index) => self.date(&self.rules.dates[index.at()]),
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
            is_meant && filter.is_none_or(|filter| holds(filter, &Beside { event: one, past: self }))
        })
    }

    /// The events that a trail is about.
    fn on_trail<'a>(&'a self, trail: &'a Trail) -> Vec<&'a Happened> {
        let (from, until) = trail.dates;
        let all = self.matching(&trail.selector, trail.filter.as_ref());
        let dated = all.filter(|one| {
            from.is_none_or(|from| one.moment.at >= from) && until.is_none_or(|until| one.moment.at < until)
        });
        match trail.kind {
            TrailKind::Each | TrailKind::Days => dated.collect(),
            TrailKind::First => dated.min_by_key(|one| one.moment).into_iter().collect(),
        }
    }

    fn did(&self, trail: TrailIndex, at_least: u32, period: Period) -> bool {
        let trail = &self.rules.trails[trail.at()];
        let counted = self.on_trail(trail).into_iter().filter(|one| self.lies_in(one.moment, period));
        let count = match trail.kind {
            TrailKind::Days => counted.map(|one| self.calendar.date(one.moment.at)).collect::<BTreeSet<_>>().len(),
            TrailKind::Each | TrailKind::First => counted.count(),
        };
        count >= at_least as usize
    }

    fn did_of_recall(&self, recall: RecallIndex, filter: &Condition, at_least: u32, period: Period) -> bool {
        let recall = &self.rules.recalls[recall.at()];
        let all = self.matching(&recall.selector, recall.filter.as_ref());
        let kept: Vec<&Happened> = match recall.keep {
            RecallKeep::Newest => all.max_by_key(|one| one.moment).into_iter().collect(),
            RecallKeep::Oldest => all.min_by_key(|one| one.moment).into_iter().collect(),
            RecallKeep::All | RecallKeep::Window(_) => all.collect(),
        };
        let counted = kept
            .into_iter()
            .filter(|one| self.lies_in(one.moment, period))
            .filter(|one| holds(filter, &Beside { event: one, past: self }));
        counted.count() >= at_least as usize
    }

    fn lies_in(&self, moment: Moment, period: Period) -> bool {
        match period {
            Period::Ever => true,
            Period::Last(window) => self.is_within(moment.at, window) && moment.at <= self.now,
            Period::SinceLast(other) => {
                let last = self.on_trail(&self.rules.trails[other.at()]).into_iter().map(|one| one.moment).max();
                last.is_some_and(|last| moment > last)
            }
            Period::SinceEntry => false,
        }
    }

    fn is_within(&self, at: Timestamp, window: Window) -> bool {
        let day = |at| self.calendar.date(at);
        match window {
            Window::Exact(span) => at.0 > self.now.0 - span.0,
            Window::This(CalendarUnit::Day) => day(at) >= day(self.now),
            Window::Months(_) | Window::This(_) => window.holds(at, self.now, self.calendar),
        }
    }

    /// Tries every event for every step.
    fn is_followed(&self, sequence: &Sequence, taken: &[&Happened]) -> bool {
        let Some(step) = sequence.steps.get(taken.len()) else { return true };
        let recall = &self.rules.recalls[step.recall.at()];
        let mut matches = self
            .matching(&recall.selector, recall.filter.as_ref())
            .filter(|one| self.may_follow(sequence, step, taken, one));
        if step.negated {
            let since = taken[taken.len() - 1].moment.at;
            return self.now.0 - since.0 >= step.within.unwrap_or_default().0 && matches.next().is_none();
        }
        matches.any(|one| {
            let mut longer = taken.to_vec();
            longer.push(one);
            let gap = |earlier: &Happened| one.moment.at.0 - earlier.moment.at.0;
            let in_time = match taken {
                [] => self.is_within(one.moment.at, sequence.window),
                [first, .., last] => {
                    step.within.is_none_or(|within| gap(last) <= within.0)
                        && sequence.all_within.is_none_or(|within| gap(first) <= within.0)
                }
                [only] => {
                    step.within.is_none_or(|within| gap(only) <= within.0)
                        && sequence.all_within.is_none_or(|within| gap(only) <= within.0)
                }
            };
            in_time && self.is_followed(sequence, &longer)
        })
    }

    fn may_follow(&self, sequence: &Sequence, step: &SequenceStep, taken: &[&Happened], one: &Happened) -> bool {
        if taken.last().is_some_and(|last| one.moment <= last.moment) {
            return false;
        }
        if let Some(by) = &sequence.by {
            let key = |event: &Happened| Value::lookup(&event.properties, by).filter(|value| !value.is_null()).cloned();
            if key(one).is_none() || taken.first().is_some_and(|first| key(first) != key(one)) {
                return false;
            }
        }
        let Some(filter) = &step.filter else { return true };
        let recalls: Vec<&Recall> = sequence.steps.iter().map(|step| &self.rules.recalls[step.recall.at()]).collect();
        let recalled: Vec<Recalled> =
            taken.iter().zip(&recalls).map(|(event, recall)| recall_of(event, recall)).collect();
        let earlier: Vec<Option<Kept<'_>>> =
            recalled.iter().zip(&recalls).map(|(event, recall)| Some(Kept { recall, event })).collect();
        holds_in(filter, &Beside { event: one, past: self }, &Frame { event: None, earlier: &earlier, item: None })
    }

    /// Since when the state has lasted: back from now, as far as it held after every change.
    fn held(&self, hold: HoldIndex) -> Option<Timestamp> {
        let state = &self.rules.holds[hold.at()].state;
        let held = self.traits.iter().rev().take_while(|(_, traits)| {
            let then = [(Timestamp::MIN, traits.clone())];
            holds(state, &Past { traits: &then, ..*self })
        });
        held.last().map(|(since, _)| *since)
    }

    fn date(&self, question: &DateQuestion) -> bool {
        let Some(date) = self.trait_value(question.subject).and_then(When::of) else { return false };
        let (today, at) = (self.calendar.date(self.now), date.instant(self.calendar));
        let day = self.calendar.date(at);
        if question.is_anniversary {
            let mut intervals = question.test.intervals(date, true, self.now, self.calendar);
            return intervals.any(|(from, to)| from <= self.now && self.now < to);
        }
        match question.test {
            DateTest::Past(window) => at <= self.now && self.is_within(at, window),
            DateTest::Ago(window) => at <= self.now && !self.is_within(at, window),
            DateTest::Soon(span) => at > self.now && at.0 - self.now.0 <= span.0,
            DateTest::Days(days) => day >= today && (day - today).num_days() < i64::from(days),
            DateTest::This(CalendarUnit::Day) => day == today,
            DateTest::Months(_) | DateTest::This(_) => {
                let (from, to) = question.test.interval(date, self.calendar);
                from <= self.now && self.now < to
            }
        }
    }

    fn aggregate_of(&self, aggregate: &Aggregate) -> Option<Value> {
        let is_in = |one: &&Happened| aggregate.window.is_none_or(|window| self.is_within(one.moment.at, window));
        let mut matching: Vec<&Happened> =
            self.matching(&aggregate.selector, aggregate.filter.as_ref()).filter(is_in).collect();
        matching.sort_by_key(|one| one.moment);
        match &aggregate.measure {
            Measure::Count => Some(Value::Number(matching.len() as f64)),
            Measure::Amount { kind, property, conversion } => {
                let amounts: Vec<i128> =
                    matching.iter().filter_map(|one| amount(one, property, conversion.as_ref())).collect();
                let of = |millionths: i128| Some(Value::Number(millionths as f64 / 1e6));
                let sum: i128 = amounts.iter().sum();
                match kind {
                    AmountKind::Sum => of(sum),
                    AmountKind::Average if amounts.is_empty() => None,
                    AmountKind::Average => Some(Value::Number(sum as f64 / amounts.len() as f64 / 1e6)),
                    AmountKind::Min => amounts.iter().min().copied().and_then(of),
                    AmountKind::Max => amounts.iter().max().copied().and_then(of),
                }
            }
            Measure::Values { kind, property } => {
                let values = matching.iter().filter_map(|one| Value::lookup(&one.properties, property));
                let values: Vec<&Value> = values.filter(|value| !value.is_null()).collect();
                value_of(*kind, &values)
            }
        }
    }
}

/// Of values in the order in which they came.
fn value_of(kind: ValueKind, values: &[&Value]) -> Option<Value> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (position, value) in values.iter().enumerate() {
        let count = counts.entry(serde_json::to_string(value).unwrap_or_default()).or_default();
        *count = (count.0 + 1, position);
    }
    match kind {
        ValueKind::Latest => values.last().map(|value| (*value).clone()),
        ValueKind::Earliest => values.first().map(|value| (*value).clone()),
        ValueKind::UniqueCount => Some(Value::Number(counts.len() as f64)),
        ValueKind::MostFrequent => {
            let (_, position) = counts.into_values().max()?;
            Some(values[position].clone())
        }
    }
}

fn amount(one: &Happened, property: &str, conversion: Option<&Conversion>) -> Option<i128> {
    let amount = Value::lookup(&one.properties, property)?.as_number()?;
    let factor = match conversion {
        None => 1.0,
        Some(conversion) => {
            let currency = Value::lookup(&one.properties, &conversion.currency_property)?;
            *conversion.rates.get(currency.as_text()?)?
        }
    };
    Some((amount * factor * 1e6).round() as i128)
}

fn recall_of(event: &Happened, recall: &Recall) -> Recalled {
    let value = |path: &String| Value::lookup(&event.properties, path).cloned().unwrap_or_default();
    Recalled { moment: event.moment, values: recall.paths.iter().map(value).collect() }
}

impl View for Past<'_> {
    fn rules(&self) -> &Rules {
        self.rules
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn answers(&self, condition: &Condition) -> bool {
        self.answer(condition)
    }

    fn calendar(&self) -> Calendar {
        self.calendar
    }

    fn trait_value(&self, index: TraitIndex) -> Option<&Value> {
        let (_, traits) = self.traits.last()?;
        Value::lookup(traits, &self.rules.traits[index.at()].name)
    }

    fn aggregate(&self, index: AggregateIndex) -> Option<Value> {
        self.aggregate_of(&self.rules.aggregates[index.at()])
    }

    fn held_since(&self, index: HoldIndex) -> Option<Timestamp> {
        self.held(index)
    }

    fn in_segment(&self, index: SegmentIndex) -> bool {
        self.is_in(index)
    }
}

/// An event beside the profile, as a `where` sees it.
struct Beside<'a> {
    event: &'a Happened,
    past: &'a Past<'a>,
}

impl View for Beside<'_> {
    fn rules(&self) -> &Rules {
        self.past.rules
    }

    fn now(&self) -> Timestamp {
        self.past.now
    }

    fn answers(&self, condition: &Condition) -> bool {
        self.past.answer(condition)
    }

    fn calendar(&self) -> Calendar {
        self.past.calendar
    }

    fn trait_value(&self, index: TraitIndex) -> Option<&Value> {
        self.past.trait_value(index)
    }

    fn aggregate(&self, index: AggregateIndex) -> Option<Value> {
        self.past.aggregate(index)
    }

    fn property(&self, path: &str) -> Option<&Value> {
        Value::lookup(&self.event.properties, path)
    }
}
