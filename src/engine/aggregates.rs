//! What is kept so that a count, a sum or another fact about events is always up to date.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lang::rules::{Aggregate, AmountKind, Conversion, Measure, ValueKind};
use crate::lang::window::{Calendar, Window};
use crate::model::limit::MOMENTS_KEPT;
use crate::model::value::ValueMap;
use crate::model::{Moment, SortedMap, Span, Timestamp, Value};

/// What an aggregate holds. Amounts are in millionths, so that the order of additions leaves no trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AggregateState {
    Count(u64),
    Sum(i128),
    /// Sum and number.
    Mean(i128, u64),
    /// The smallest or largest.
    Extreme(i128),
    /// The latest or earliest.
    Value(Moment, Value),
    /// How often each value was seen, and when last; by the value as JSON.
    Tally(SortedMap<String, (u64, Moment)>),
    /// Amounts (1 for a count) within the window, newest first.
    Amounts(Vec<(Moment, i128)>),
    /// Values within the window, newest first.
    Values(Vec<(Moment, Value)>),
}

/// What an event did to an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Nothing,
    Changed,
    /// Changed, and something older had to be let go.
    Saturated,
}

/// Where an aggregate stands in time.
#[derive(Clone, Copy)]
pub(super) struct Instant {
    pub(super) now: Timestamp,
    pub(super) calendar: Calendar,
}

impl Instant {
    fn is_in(self, window: Option<Window>, at: Timestamp) -> bool {
        window.is_none_or(|window| window.holds(at, self.now, self.calendar))
    }
}

impl AggregateState {
    /// The state before any event.
    pub(super) fn empty(aggregate: &Aggregate) -> Self {
        match (&aggregate.measure, aggregate.window) {
            (Measure::Values { kind: ValueKind::Latest, .. }, _)
            | (Measure::Values { kind: ValueKind::Earliest, .. }, None) => Self::Value(Moment::default(), Value::Null),
            (Measure::Values { .. }, Some(_)) => Self::Values(Vec::new()),
            (Measure::Values { .. }, None) => Self::Tally(SortedMap::new()),
            (_, Some(_)) => Self::Amounts(Vec::new()),
            (Measure::Count, None) => Self::Count(0),
            (Measure::Amount { kind: AmountKind::Sum, .. }, None) => Self::Sum(0),
            (Measure::Amount { kind: AmountKind::Average, .. }, None) => Self::Mean(0, 0),
            (Measure::Amount { .. }, None) => Self::Mean(0, 0),
        }
    }

    /// Takes an event in. One that is out of the window already changes nothing.
    pub(super) fn take(&mut self, aggregate: &Aggregate, moment: Moment, properties: &ValueMap, at: Instant) -> Taken {
        match &aggregate.measure {
            Measure::Values { kind, property } => {
                match Value::lookup(properties, property).filter(|value| !value.is_null()) {
                    Some(value) => self.take_value(*kind, aggregate.window, moment, value, at),
                    None => Taken::Nothing,
                }
            }
            Measure::Count => self.take_amount(None, aggregate.window, moment, 1, at),
            Measure::Amount { kind, property, conversion } => {
                match amount_of(properties, property, conversion.as_ref()) {
                    Some(amount) => self.take_amount(Some(*kind), aggregate.window, moment, amount, at),
                    None => Taken::Nothing,
                }
            }
        }
    }

    fn take_value(
        &mut self,
        kind: ValueKind,
        window: Option<Window>,
        moment: Moment,
        value: &Value,
        at: Instant,
    ) -> Taken {
        match self {
            Self::Value(kept, known) => {
                let is_better =
                    known.is_null() || if kind == ValueKind::Earliest { moment < *kept } else { moment > *kept };
                if is_better {
                    (*kept, *known) = (moment, value.clone());
                }
                changed(is_better)
            }
            Self::Tally(tally) => {
                let seen = tally.or_default(json(value));
                *seen = (seen.0 + 1, seen.1.max(moment));
                if tally.len() <= MOMENTS_KEPT {
                    return Taken::Changed;
                }
                let rarest = tally.iter().min_by_key(|(_, seen)| **seen).map(|(value, _)| value.clone());
                rarest.map(|rarest| tally.remove(&rarest));
                Taken::Saturated
            }
            Self::Values(items) if at.is_in(window, moment.at) => insert(items, moment, value.clone()),
            _ => Taken::Nothing,
        }
    }

    fn take_amount(
        &mut self,
        kind: Option<AmountKind>,
        window: Option<Window>,
        moment: Moment,
        amount: i128,
        at: Instant,
    ) -> Taken {
        match self {
            Self::Count(count) => *count += 1,
            Self::Sum(sum) => *sum = sum.saturating_add(amount),
            // The first amount is the extreme so far.
            Self::Mean(0, 0) if matches!(kind, Some(AmountKind::Min | AmountKind::Max)) => {
                *self = Self::Extreme(amount);
            }
            Self::Mean(sum, count) => {
                *sum = sum.saturating_add(amount);
                *count += 1;
            }
            Self::Extreme(known) => *known = extreme(kind, *known, amount),
            Self::Amounts(items) if at.is_in(window, moment.at) => return insert(items, moment, amount),
            _ => return Taken::Nothing,
        }
        Taken::Changed
    }

    /// What the aggregate is worth. An empty count or sum is 0; anything else of nothing is missing.
    pub(super) fn worth(&self, aggregate: &Aggregate, at: Instant) -> Option<Value> {
        let window = aggregate.window;
        match self {
            Self::Count(count) => Some(Value::Number(*count as f64)),
            Self::Sum(sum) | Self::Extreme(sum) => Some(number(*sum)),
            Self::Mean(_, 0) => None,
            Self::Mean(sum, count) => Some(mean(*sum, *count)),
            Self::Value(moment, value) => {
                Some(value.clone()).filter(|value| !value.is_null() && at.is_in(window, moment.at))
            }
            Self::Tally(tally) => match &aggregate.measure {
                Measure::Values { kind: ValueKind::UniqueCount, .. } => Some(Value::Number(tally.len() as f64)),
                _ => {
                    tally.iter().max_by_key(|(_, seen)| **seen).and_then(|(value, _)| serde_json::from_str(value).ok())
                }
            },
            Self::Amounts(items) => {
                let inside =
                    items.iter().take_while(|(moment, _)| at.is_in(window, moment.at)).map(|(_, amount)| *amount);
                amounts_worth(&aggregate.measure, inside)
            }
            Self::Values(items) => {
                let inside = items.iter().take_while(|(moment, _)| at.is_in(window, moment.at));
                values_worth(&aggregate.measure, inside)
            }
        }
    }

    /// The first instant after `after` at which something leaves the window.
    pub(super) fn next_end(&self, window: Window, after: Timestamp, calendar: Calendar) -> Option<Timestamp> {
        let end = |moment: &Moment| window.end(moment.at, calendar);
        match self {
            Self::Value(moment, value) => Some(end(moment)).filter(|at| !value.is_null() && *at > after),
            Self::Amounts(items) => oldest(items, |(moment, _)| end(moment), after),
            Self::Values(items) => oldest(items, |(moment, _)| end(moment), after),
            _ => None,
        }
    }

    /// Lets go of what has left the window for good. A customer who moves to another time zone may bring a day back.
    pub(super) fn let_go(&mut self, window: Window, at: Instant) {
        let slack = if matches!(window, Window::Exact(_)) { Span(0) } else { Span::DAY.times(2) };
        let is_kept = |moment: &Moment| window.end(moment.at, at.calendar) + slack > at.now;
        match self {
            Self::Amounts(items) => items.truncate(items.partition_point(|(moment, _)| is_kept(moment))),
            Self::Values(items) => items.truncate(items.partition_point(|(moment, _)| is_kept(moment))),
            _ => {}
        }
    }

    /// Takes in what another profile had. True where some had to be let go.
    pub(super) fn add_up(&mut self, measure: &Measure, theirs: &Self) -> bool {
        let kind = match measure {
            Measure::Amount { kind, .. } => Some(*kind),
            _ => None,
        };
        let is_earliest = matches!(measure, Measure::Values { kind: ValueKind::Earliest, .. });
        match (&mut *self, theirs) {
            (Self::Count(a), Self::Count(b)) => *a += b,
            (Self::Sum(a), Self::Sum(b)) => *a = a.saturating_add(*b),
            (Self::Mean(0, 0), other) => *self = other.clone(),
            (_, Self::Mean(0, 0)) => {}
            (Self::Mean(a, n), Self::Mean(b, m)) => (*a, *n) = (a.saturating_add(*b), *n + m),
            (Self::Extreme(a), Self::Extreme(b)) => *a = extreme(kind, *a, *b),
            (Self::Value(moment, value), Self::Value(at, other)) => {
                let is_better = value.is_null() || if is_earliest { at < moment } else { at > moment };
                if is_better && !other.is_null() {
                    (*moment, *value) = (*at, other.clone());
                }
            }
            (Self::Tally(ours), Self::Tally(theirs)) => {
                for (value, (count, moment)) in theirs {
                    let seen = ours.or_default(value.clone());
                    *seen = (seen.0 + count, seen.1.max(*moment));
                }
            }
            (Self::Amounts(ours), Self::Amounts(theirs)) => return join(ours, theirs),
            (Self::Values(ours), Self::Values(theirs)) => return join(ours, theirs),
            _ => {}
        }
        false
    }
}

fn changed(is_changed: bool) -> Taken {
    if is_changed { Taken::Changed } else { Taken::Nothing }
}

fn insert<T>(items: &mut Vec<(Moment, T)>, moment: Moment, item: T) -> Taken {
    let position = items.partition_point(|(kept, _)| *kept > moment);
    items.insert(position, (moment, item));
    if items.len() <= MOMENTS_KEPT {
        return Taken::Changed;
    }
    items.truncate(MOMENTS_KEPT);
    Taken::Saturated
}

fn join<T: Clone>(ours: &mut Vec<(Moment, T)>, theirs: &[(Moment, T)]) -> bool {
    ours.extend_from_slice(theirs);
    ours.sort_by_key(|(moment, _)| std::cmp::Reverse(*moment));
    let is_cut = ours.len() > MOMENTS_KEPT;
    ours.truncate(MOMENTS_KEPT);
    is_cut
}

/// Of items that end earlier the older they are: when the oldest ends that is still to end.
pub(super) fn oldest<T>(items: &[T], end: impl Fn(&T) -> Timestamp, after: Timestamp) -> Option<Timestamp> {
    let still = items.partition_point(|item| end(item) > after);
    still.checked_sub(1).map(|last| end(&items[last]))
}

fn extreme(kind: Option<AmountKind>, a: i128, b: i128) -> i128 {
    if kind == Some(AmountKind::Min) { a.min(b) } else { a.max(b) }
}

fn amounts_worth(measure: &Measure, amounts: impl Iterator<Item = i128>) -> Option<Value> {
    match measure {
        Measure::Count | Measure::Values { .. } => Some(Value::Number(amounts.count() as f64)),
        Measure::Amount { kind: AmountKind::Sum, .. } => Some(number(amounts.sum())),
        Measure::Amount { kind: AmountKind::Min, .. } => amounts.min().map(number),
        Measure::Amount { kind: AmountKind::Max, .. } => amounts.max().map(number),
        Measure::Amount { kind: AmountKind::Average, .. } => {
            let (sum, count) = amounts.fold((0_i128, 0_u64), |(sum, count), amount| (sum + amount, count + 1));
            (count > 0).then(|| mean(sum, count))
        }
    }
}

/// `items` are newest first.
fn values_worth<'a>(measure: &Measure, items: impl Iterator<Item = &'a (Moment, Value)>) -> Option<Value> {
    let Measure::Values { kind, .. } = measure else { return None };
    if *kind == ValueKind::Earliest {
        return items.last().map(|(_, value)| value.clone());
    }
    let mut tally: BTreeMap<String, (u64, Moment, &Value)> = BTreeMap::new();
    for (moment, value) in items {
        let seen = tally.entry(json(value)).or_insert((0, *moment, value));
        seen.0 += 1;
    }
    if *kind == ValueKind::UniqueCount {
        return Some(Value::Number(tally.len() as f64));
    }
    tally.into_values().max_by_key(|(count, moment, _)| (*count, *moment)).map(|(_, _, value)| value.clone())
}

/// What an event adds to a sum, in millionths; `None` where it has no usable amount.
fn amount_of(properties: &ValueMap, property: &str, conversion: Option<&Conversion>) -> Option<i128> {
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

/// Millionths as a number.
fn number(millionths: i128) -> Value {
    Value::Number(millionths as f64 / 1e6)
}

fn mean(sum: i128, count: u64) -> Value {
    Value::Number(sum as f64 / count as f64 / 1e6)
}

fn json(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
