//! Sets of what an operand may be: missing, or a value within some stretches of the line of all values.

use std::sync::Arc;

use crate::model::Value;

/// A value as a spot on one line: first `false` and `true`, then all numbers, then all texts, then what has no order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    Bool(bool),
    Number(Number),
    Text(Arc<str>),
    Unordered,
}

/// A number with an order: values are never NaN.
#[derive(Debug, Clone, Copy)]
pub struct Number(pub f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Adding 0 makes one of the two zeros.
        (self.0 + 0.0).total_cmp(&(other.0 + 0.0))
    }
}

impl Spot {
    /// Where a value lies; `None` for lists, objects and nothing.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Number(number) => Some(Self::Number(Number(*number))),
            Value::Text(text) => Some(Self::Text(text.as_str().into())),
            _ => None,
        }
    }

    fn value(&self) -> Option<Value> {
        match self {
            Self::Bool(value) => Some(Value::Bool(*value)),
            Self::Number(Number(number)) => Some(Value::Number(*number)),
            Self::Text(text) => Some(Value::from(text.as_ref())),
            Self::Unordered => None,
        }
    }
}

/// A cut through the line, directly before or directly behind a spot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    spot: Spot,
    behind: bool,
}

impl Cut {
    pub fn before(spot: Spot) -> Self {
        Self { spot, behind: false }
    }

    pub fn behind(spot: Spot) -> Self {
        Self { spot, behind: true }
    }

    /// The cut before the first whole number that lies behind this one.
    fn to_whole(&self) -> Self {
        let Spot::Number(Number(number)) = self.spot else { return self.clone() };
        let first = if self.behind { number.floor() + 1.0 } else { number.ceil() };
        Self::before(Spot::Number(Number(first)))
    }
}

/// What an operand may be. Stretches are in order and do not touch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct States {
    pub missing: bool,
    stretches: Vec<(Cut, Cut)>,
}

impl States {
    pub const MISSING: Self = Self { missing: true, stretches: Vec::new() };

    /// Values from the first cut to the second, and not missing.
    pub fn between(from: Cut, to: Cut) -> Self {
        let stretches = if from < to { vec![(from, to)] } else { Vec::new() };
        Self { missing: false, stretches }
    }

    pub fn point(spot: Spot) -> Self {
        Self::between(Cut::before(spot.clone()), Cut::behind(spot))
    }

    pub fn points(spots: impl IntoIterator<Item = Spot>) -> Self {
        let stretches = spots.into_iter().map(|spot| (Cut::before(spot.clone()), Cut::behind(spot))).collect();
        Self { missing: false, stretches: joined(stretches) }
    }

    pub fn bools() -> Self {
        Self::points([Spot::Bool(false), Spot::Bool(true)])
    }

    pub fn numbers() -> Self {
        let end = |number| Spot::Number(Number(number));
        Self::between(Cut::before(end(f64::NEG_INFINITY)), Cut::behind(end(f64::INFINITY)))
    }

    pub fn texts() -> Self {
        Self::between(Cut::before(Spot::Text("".into())), Cut::before(Spot::Unordered))
    }

    /// Any value of any kind.
    pub fn values() -> Self {
        Self::bools().or(&Self::numbers()).or(&Self::texts()).or(&Self::point(Spot::Unordered))
    }

    pub fn or_missing(mut self) -> Self {
        self.missing = true;
        self
    }

    pub fn is_empty(&self) -> bool {
        !self.missing && self.stretches.is_empty()
    }

    pub fn or(&self, other: &Self) -> Self {
        let stretches = joined([self.stretches.as_slice(), &other.stretches].concat());
        Self { missing: self.missing || other.missing, stretches }
    }

    pub fn and(&self, other: &Self) -> Self {
        let mut stretches = Vec::new();
        let (mut ours, mut theirs) = (self.stretches.iter().peekable(), other.stretches.iter().peekable());
        while let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) {
            let (from, to) = (Ord::max(&a.0, &b.0), Ord::min(&a.1, &b.1));
            if from < to {
                stretches.push((from.clone(), to.clone()));
            }
            if a.1 < b.1 {
                ours.next();
            } else {
                theirs.next();
            }
        }
        Self { missing: self.missing && other.missing, stretches }
    }

    pub fn without(&self, other: &Self) -> Self {
        let mut rest = Vec::new();
        let mut holes = other.stretches.iter().peekable();
        for (from, to) in &self.stretches {
            let mut from = from.clone();
            while let Some((start, end)) = holes.peek().filter(|hole| hole.0 < *to) {
                if from < *start {
                    rest.push((from.clone(), start.clone()));
                }
                from = Ord::max(&from, end).clone();
                if *end > *to {
                    break;
                }
                holes.next();
            }
            if from < *to {
                rest.push((from, to.clone()));
            }
        }
        Self { missing: self.missing && !other.missing, stretches: rest }
    }

    /// Takes out the single values that do not pass; a stretch of many values stays whole.
    pub fn keep_points(&mut self, passes: impl Fn(&Value) -> bool) {
        self.stretches.retain(|(from, to)| {
            let is_point = !from.behind && to.behind && from.spot == to.spot;
            !is_point || from.spot.value().is_none_or(|value| passes(&value))
        });
    }

    /// The same set where only whole numbers can be.
    pub fn to_whole(&self) -> Self {
        let whole = self.stretches.iter().map(|(from, to)| (from.to_whole(), to.to_whole()));
        Self { missing: self.missing, stretches: joined(whole.filter(|(from, to)| from < to).collect()) }
    }
}

/// Stretches in order, with those made one that overlap or touch.
fn joined(mut stretches: Vec<(Cut, Cut)>) -> Vec<(Cut, Cut)> {
    stretches.sort();
    let mut joined: Vec<(Cut, Cut)> = Vec::with_capacity(stretches.len());
    for (from, to) in stretches {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = Ord::max(last.1.clone(), to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(n: i32) -> Spot {
        Spot::Number(Number(f64::from(n)))
    }

    fn stretch() -> impl Strategy<Value = States> {
        (0..8_i32, 0..8_i32, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(a, b, c, d, missing)| {
            let cut = |n, behind| Cut { spot: number(n), behind };
            let states = States::between(cut(a.min(b), c), cut(a.max(b), d));
            if missing { states.or_missing() } else { states }
        })
    }

    fn set() -> impl Strategy<Value = States> {
        proptest::collection::vec(stretch(), 0..5)
            .prop_map(|sets| sets.iter().fold(States::points([]), |all, one| all.or(one)))
    }

    /// Whether a number, in halves, lies in the set.
    fn holds(states: &States, halves: i32) -> bool {
        let spot = Spot::Number(Number(f64::from(halves) / 2.0));
        !states.and(&States::point(spot)).is_empty()
    }

    proptest! {
        #[test]
        fn sets_obey_their_laws(a in set(), b in set()) {
            for halves in -1..18 {
                let (in_a, in_b) = (holds(&a, halves), holds(&b, halves));
                prop_assert_eq!(holds(&a.and(&b), halves), in_a && in_b);
                prop_assert_eq!(holds(&a.or(&b), halves), in_a || in_b);
                prop_assert_eq!(holds(&a.without(&b), halves), in_a && !in_b);
                if halves % 2 == 0 {
                    prop_assert_eq!(holds(&a.to_whole(), halves), in_a);
                }
            }
            prop_assert_eq!(a.without(&b).or(&a.and(&b)), a.clone());
            prop_assert!(a.without(&a).is_empty());
            prop_assert_eq!(a.or(&b), b.or(&a));
        }
    }

    #[test]
    fn between_one_and_two_is_no_whole_number() {
        let open = States::between(Cut::behind(number(1)), Cut::before(number(2)));
        assert!(!open.is_empty() && open.to_whole().is_empty());
        assert!(States::values().without(&States::numbers()).and(&States::point(number(3))).is_empty());
    }
}
