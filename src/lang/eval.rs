//! Answers conditions from what a [`View`] tells. Pure.

use crate::model::{Moment, Timestamp, Value};

use super::rules::*;
use super::sequence;
use super::window::{Calendar, When};

/// What a condition may ask of a profile, of the event at hand, and of the run that it belongs to. What a view does not
/// say, it does not know of.
pub trait View {
    fn rules(&self) -> &Rules;
    fn now(&self) -> Timestamp;
    /// Whether a condition of a score holds.
    fn answers(&self, condition: &Condition) -> bool;
    /// The customer's own, where it is known.
    fn calendar(&self) -> Calendar;
    fn trait_value(&self, index: TraitIndex) -> Option<&Value>;
    fn account(&self, _path: &str) -> Option<&Value> {
        None
    }
    fn user_id(&self) -> Option<&str> {
        None
    }
    fn aggregate(&self, index: AggregateIndex) -> Option<Value>;
    /// The moments of the trail, newest first; at least as many as the trail's users need.
    fn trail(&self, _index: TrailIndex) -> &[Moment] {
        &[]
    }
    /// What is kept of events, newest first.
    fn recalled(&self, _index: RecallIndex) -> &[Recalled] {
        &[]
    }
    /// Since when the state has lasted, if it does.
    fn held_since(&self, _index: HoldIndex) -> Option<Timestamp> {
        None
    }
    fn in_segment(&self, _index: SegmentIndex) -> bool {
        false
    }
    fn in_journey(&self, _name: &str) -> bool {
        false
    }
    fn agrees(&self, _matter: &Matter) -> bool {
        false
    }
    /// What the last refreshment of the rank said.
    fn has_rank(&self, _index: RankIndex) -> bool {
        false
    }
    /// From 0 to below 100, equally likely, always the same for one profile and seed.
    fn draw(&self, _seed: &str) -> f64 {
        0.0
    }
    /// Of the event in a filter.
    fn property(&self, _path: &str) -> Option<&Value> {
        None
    }
    /// Of the event on which the run began.
    fn entry_property(&self, _path: &str) -> Option<&Value> {
        None
    }
    /// When the run began.
    fn entered(&self) -> Option<Moment> {
        None
    }
}

/// What is kept of one event: its moment, and the values of the properties that its [`Recall`] names, in that order.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Recalled {
    pub moment: Moment,
    pub values: Vec<Value>,
}

/// An event as it is recalled.
#[derive(Clone, Copy)]
pub(super) struct Kept<'a> {
    pub(super) recall: &'a Recall,
    pub(super) event: &'a Recalled,
}

impl<'a> Kept<'a> {
    pub(super) fn value(&self, path: &str) -> Option<&'a Value> {
        let at = self.recall.paths.iter().position(|kept| kept == path)?;
        self.event.values.get(at).filter(|value| !value.is_null())
    }
}

/// What stands around a condition beside the view: a recalled event, those of earlier steps, an item of a list.
#[derive(Clone, Copy, Default)]
pub(super) struct Frame<'a> {
    pub(super) event: Option<Kept<'a>>,
    pub(super) earlier: &'a [Option<Kept<'a>>],
    pub(super) item: Option<&'a Value>,
}

/// Whether the condition holds at `view.now()`.
pub fn holds(condition: &Condition, view: &dyn View) -> bool {
    holds_in(condition, view, &Frame::default())
}

pub(super) fn holds_in(condition: &Condition, view: &dyn View, frame: &Frame<'_>) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| holds_in(part, view, frame)),
        Condition::Any(parts) => parts.iter().any(|part| holds_in(part, view, frame)),
        Condition::Not(inner) => !holds_in(inner, view, frame),
        Condition::Compare { .. }
        | Condition::CompareWith { .. }
        | Condition::OneOf { .. }
        | Condition::Matches { .. }
        | Condition::Has { .. }
        | Condition::Items { .. }
        | Condition::IsSet(_)
        | Condition::IsMissing(_) => compares(condition, view, frame),
        Condition::Date(index) => date_holds(&view.rules().dates[index.at()], view),
        Condition::Held { hold, length } => {
            view.held_since(*hold).is_some_and(|since| !length.holds(since, view.now(), view.calendar()))
        }
        Condition::Did { trail, at_least, period } => did(view, *trail, *at_least, *period),
        Condition::Recall { recall, filter, at_least, period } => recalls(view, *recall, filter, *at_least, *period),
        Condition::Sequence(index) => sequence::happened(&view.rules().sequences[index.at()], view),
        Condition::InSegment(segment) => view.in_segment(*segment),
        Condition::InList(index) => in_list(&view.rules().lists[index.at()], view),
        Condition::InJourney(name) => view.in_journey(name),
        Condition::Agrees(matter) => view.agrees(matter),
        Condition::Random { seed, percent } => view.draw(seed) < *percent,
        Condition::Rank(index) => view.has_rank(*index),
    }
}

/// Conditions on values alone.
fn compares(condition: &Condition, view: &dyn View, frame: &Frame<'_>) -> bool {
    match condition {
        Condition::Compare { operand, operator, value } => {
            with_value(operand, view, frame, |found| compare(found, *operator, value)).unwrap_or(false)
        }
        Condition::CompareWith { operand, operator, other } => with_value(operand, view, frame, |found| {
            with_value(other, view, frame, |other| compare(found, *operator, other)).unwrap_or(false)
        })
        .unwrap_or(false),
        Condition::OneOf { operand, values, negated } => {
            with_value(operand, view, frame, |found| values.contains(found) != *negated).unwrap_or(false)
        }
        Condition::Matches { operand, pattern } => {
            with_value(operand, view, frame, |found| found.as_text().is_some_and(|text| pattern.regex.is_match(text)))
                .unwrap_or(false)
        }
        Condition::Has { operand, values, all } => with_value(operand, view, frame, |found| {
            let Value::List(items) = found else { return false };
            if *all {
                values.iter().all(|value| items.contains(value))
            } else {
                values.iter().any(|value| items.contains(value))
            }
        })
        .unwrap_or(false),
        Condition::Items { operand, quantifier, condition } => {
            with_value(operand, view, frame, |found| items_do(found, *quantifier, condition, view, frame))
                .unwrap_or(false)
        }
        Condition::IsSet(operand) => with_value(operand, view, frame, |_| ()).is_some(),
        Condition::IsMissing(operand) => with_value(operand, view, frame, |_| ()).is_none(),
        _ => false,
    }
}

fn items_do(found: &Value, quantifier: Quantifier, condition: &Condition, view: &dyn View, frame: &Frame<'_>) -> bool {
    let Value::List(items) = found else { return false };
    let does = |item: &Value| holds_in(condition, view, &Frame { item: Some(item), ..*frame });
    match quantifier {
        Quantifier::Any => items.iter().any(does),
        Quantifier::All => items.iter().all(does),
        Quantifier::Count { operator, value } => {
            let count = items.iter().filter(|item| does(item)).count();
            compare(&Value::Number(count as f64), operator, &Value::Number(value))
        }
    }
}

/// Hands the operand's value to `answer`; `None` where it is missing. Nothing (`null`) counts as missing.
fn with_value<T>(operand: &Operand, view: &dyn View, frame: &Frame<'_>, answer: impl FnOnce(&Value) -> T) -> Option<T> {
    let found = match operand {
        Operand::Trait(index) => view.trait_value(*index),
        Operand::Account(path) => view.account(path),
        Operand::Property(path) => match frame.event {
            Some(event) => event.value(path),
            None => view.property(path),
        },
        Operand::Item(path) => match frame.item? {
            Value::Map(map) => Value::lookup(map, path),
            _ => None,
        },
        Operand::Step { step, path } => frame.earlier.get(*step)?.as_ref()?.value(path),
        Operand::EntryProperty(path) => view.entry_property(path),
        Operand::Compute(index) => {
            let worth = compute_value(view, *index)?;
            return Some(worth).filter(|value| !value.is_null()).map(|value| answer(&value));
        }
    };
    found.filter(|value| !value.is_null()).map(answer)
}

/// What a compute is worth now.
pub fn compute_value(view: &dyn View, index: ComputeIndex) -> Option<Value> {
    worth(&view.rules().computes[index.at()].formula, view)
}

/// What a trait or compute is worth now.
pub fn operand_value(view: &dyn View, operand: &Operand) -> Option<Value> {
    with_value(operand, view, &Frame::default(), Value::clone)
}

fn worth(formula: &Formula, view: &dyn View) -> Option<Value> {
    match formula {
        Formula::Number(number) => Some(Value::Number(*number)),
        Formula::Operand(operand) => operand_value(view, operand),
        Formula::Aggregate(index) => view.aggregate(*index),
        Formula::Arithmetic { sign, left, right } => {
            let (left, right) = (worth(left, view)?.as_number()?, worth(right, view)?.as_number()?);
            let result = match sign {
                Arithmetic::Add => left + right,
                Arithmetic::Subtract => left - right,
                Arithmetic::Multiply => left * right,
                Arithmetic::Divide if right == 0.0 => return None,
                Arithmetic::Divide => left / right,
            };
            Some(Value::from(result)).filter(|value| !value.is_null())
        }
        Formula::Score(terms) => Some(Value::from(terms.iter().map(|term| points(term, view)).sum::<f64>())),
    }
}

fn points(term: &Term, view: &dyn View) -> f64 {
    match term {
        Term::When { points, condition } if view.answers(condition) => *points,
        Term::When { .. } => 0.0,
        Term::ForEach { points, count, cap } => {
            let count = view.aggregate(*count).and_then(|value| value.as_number()).unwrap_or(0.0);
            let all = points * count;
            cap.map_or(all, |cap| all.clamp(-cap.abs(), cap.abs()))
        }
    }
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
fn did(view: &dyn View, trail: TrailIndex, at_least: u32, period: Period) -> bool {
    let nth = view.trail(trail).get(at_least.saturating_sub(1) as usize);
    nth.is_some_and(|nth| lies_in(*nth, period, view))
}

/// Whether what happened then lies in the period, which ends now.
fn lies_in(moment: Moment, period: Period, view: &dyn View) -> bool {
    match period {
        Period::Ever => true,
        Period::Last(window) => window.holds(moment.at, view.now(), view.calendar()),
        Period::SinceLast(other) => view.trail(other).first().is_some_and(|last| moment > *last),
        Period::SinceEntry => view.entered().is_some_and(|entered| moment > entered),
    }
}

fn recalls(view: &dyn View, index: RecallIndex, filter: &Condition, at_least: u32, period: Period) -> bool {
    let recall = &view.rules().recalls[index.at()];
    let does = |event: &&Recalled| {
        let frame = Frame { event: Some(Kept { recall, event }), ..Frame::default() };
        holds_in(filter, view, &frame)
    };
    let events = view.recalled(index).iter().take_while(|event| lies_in(event.moment, period, view));
    at_least > 0 && events.filter(does).nth(at_least as usize - 1).is_some()
}

fn date_holds(question: &DateQuestion, view: &dyn View) -> bool {
    let now = view.now();
    let date = view.trait_value(question.subject).and_then(When::of);
    date.is_some_and(|date| {
        let mut intervals = question.test.intervals(date, question.is_anniversary, now, view.calendar());
        intervals.any(|(from, to)| from <= now && now < to)
    })
}

fn in_list(list: &List, view: &dyn View) -> bool {
    let name = match list.by {
        ListKey::UserId => view.user_id(),
        ListKey::Trait(index) => view.trait_value(index).and_then(Value::as_text),
    };
    name.is_some_and(|name| list.members.contains(&List::normal(name)))
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
