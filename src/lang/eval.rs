//! Answers conditions from what a [`View`] tells. Pure, and without allocation for comparisons of traits.

use crate::model::{Moment, Timestamp, Value};

use super::rules::{ComputeIndex, Condition, Operand, Operator, Period, SegmentIndex, TrailIndex, TraitIndex};

/// What a condition may ask of a profile, of the event at hand, and of the run that it belongs to.
pub trait View {
    fn now(&self) -> Timestamp;
    fn trait_value(&self, index: TraitIndex) -> Option<&Value>;
    fn compute_value(&self, index: ComputeIndex) -> Option<Value>;
    /// The moments of the trail, newest first; at least as many as the trail's users need.
    fn trail(&self, index: TrailIndex) -> &[Moment];
    fn in_segment(&self, index: SegmentIndex) -> bool;
    /// Of the event in a filter.
    fn property(&self, path: &str) -> Option<&Value>;
    /// Of the event on which the run began.
    fn entry_property(&self, path: &str) -> Option<&Value>;
    /// When the run began.
    fn entered(&self) -> Option<Moment>;
}

/// Whether the condition holds at `view.now()`.
pub fn holds(condition: &Condition, view: &impl View) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| holds(part, view)),
        Condition::Any(parts) => parts.iter().any(|part| holds(part, view)),
        Condition::Not(inner) => !holds(inner, view),
        Condition::Compare { operand, operator, value } => {
            with_value(operand, view, |found| compare(found, *operator, value)).unwrap_or(false)
        }
        Condition::OneOf { operand, values, negated } => {
            with_value(operand, view, |found| values.contains(found) != *negated).unwrap_or(false)
        }
        Condition::IsSet(operand) => with_value(operand, view, |_| ()).is_some(),
        Condition::IsMissing(operand) => with_value(operand, view, |_| ()).is_none(),
        Condition::Did { trail, at_least, period } => did(view, *trail, *at_least, *period),
        Condition::InSegment(segment) => view.in_segment(*segment),
    }
}

/// Hands the operand's value to `answer`; `None` where it is missing. Nothing (`null`) counts as missing.
fn with_value<T>(operand: &Operand, view: &impl View, answer: impl FnOnce(&Value) -> T) -> Option<T> {
    let found = match operand {
        Operand::Trait(index) => view.trait_value(*index),
        Operand::Property(path) => view.property(path),
        Operand::EntryProperty(path) => view.entry_property(path),
        Operand::Compute(index) => {
            return view.compute_value(*index).filter(|value| !value.is_null()).map(|value| answer(&value));
        }
    };
    found.filter(|value| !value.is_null()).map(answer)
}

/// One comparison of two present values. Values of different kinds compare as false, `is not` as true.
#[must_use]
pub fn compare(found: &Value, operator: Operator, wanted: &Value) -> bool {
    match operator {
        Operator::Is => found == wanted,
        Operator::IsNot => found != wanted,
        Operator::IsAnyCase => texts(found, wanted, |a, b| a.to_lowercase() == b.to_lowercase()),
        Operator::Less => order(found, wanted, std::cmp::Ordering::is_lt),
        Operator::LessOrEqual => order(found, wanted, std::cmp::Ordering::is_le),
        Operator::Greater => order(found, wanted, std::cmp::Ordering::is_gt),
        Operator::GreaterOrEqual => order(found, wanted, std::cmp::Ordering::is_ge),
        Operator::Contains => match found {
            Value::List(items) => items.contains(wanted),
            _ => texts(found, wanted, |a, b| a.contains(b)),
        },
        Operator::StartsWith => texts(found, wanted, |a, b| a.starts_with(b)),
        Operator::EndsWith => texts(found, wanted, |a, b| a.ends_with(b)),
    }
}

fn texts(found: &Value, wanted: &Value, test: impl FnOnce(&str, &str) -> bool) -> bool {
    match (found, wanted) {
        (Value::Text(a), Value::Text(b)) => test(a, b),
        _ => false,
    }
}

/// Numbers by size; texts by Unicode code point, which for dates and times as we keep them is their order in time.
fn order(found: &Value, wanted: &Value, test: impl FnOnce(std::cmp::Ordering) -> bool) -> bool {
    match (found, wanted) {
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b).is_some_and(test),
        (Value::Text(a), Value::Text(b)) => test(a.as_str().cmp(b)),
        _ => false,
    }
}

/// The nth newest moment answers it: the nth lies in the period if and only if at least n do.
fn did(view: &impl View, trail: TrailIndex, at_least: u32, period: Period) -> bool {
    let Some(nth) = view.trail(trail).get(at_least.saturating_sub(1) as usize) else { return false };
    match period {
        Period::Ever => true,
        Period::Last(span) => nth.at > view.now() - span,
        Period::SinceLast(other) => view.trail(other).first().is_some_and(|last| nth > last),
        Period::SinceEntry => view.entered().is_some_and(|entered| *nth > entered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_with_another_kind_is_false() {
        assert!(!compare(&Value::from("5"), Operator::Greater, &Value::Number(1.0)));
        assert!(compare(&Value::from("2026-03-01"), Operator::Less, &Value::from("2026-03-02")));
        assert!(compare(&Value::from("STRASSE"), Operator::IsAnyCase, &Value::from("strasse")));
    }
}
