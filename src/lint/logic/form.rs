//! The form in which conditions that mean the same look the same: what is negated stands at the leaves, what belongs
//! together is flat and in order, and comparisons are sets of values.

use std::sync::Arc;

use crate::lang::Rules;
use crate::lang::rules::{Condition, Operand, Operator};
use crate::model::Value;

use super::line::States;
use super::moments::{Times, Within};
use super::subject::Subject;

/// A condition in its form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// The subject is one of these.
    Among(Subject, States),
    /// A test of the subject's value that is no set, such as `contains`. False where the value is missing.
    Tested {
        subject: Subject,
        test: Test,
        holds: bool,
    },
    Did {
        times: Times,
        holds: bool,
    },
    /// Anything else, by how it is written.
    Claim {
        what: Arc<str>,
        holds: bool,
    },
    All(Vec<Form>),
    Any(Vec<Form>),
}

/// An operator and the value that it compares with.
#[derive(Debug, Clone)]
pub struct Test {
    pub operator: Operator,
    pub value: Value,
    written: String,
}

impl Test {
    fn new(operator: Operator, value: &Value) -> Self {
        Self { operator, value: value.clone(), written: format!("{operator:?} {value:?}") }
    }
}

impl PartialEq for Test {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Test {}

impl PartialOrd for Test {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Test {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.written.cmp(&other.written)
    }
}

impl Form {
    /// The form of a condition; `segment` gives what stands for `in segment …`.
    pub fn of(
        condition: &Condition,
        rules: &Rules,
        segment: &dyn Fn(crate::lang::rules::SegmentIndex) -> Self,
    ) -> Self {
        let form = |condition: &Condition| Self::of(condition, rules, segment);
        match condition {
            Condition::All(parts) => Self::all(parts.iter().map(form).collect()),
            Condition::Any(parts) => Self::any(parts.iter().map(form).collect()),
            Condition::Not(inner) => form(inner).negated(rules),
            Condition::Compare { operand, operator, value } => compared(operand, *operator, value, rules),
            Condition::OneOf { operand, values, negated } => {
                let subject = Subject::of(operand);
                let states = subject.among(values, *negated, rules);
                Self::Among(subject, states)
            }
            Condition::IsSet(operand) => Self::is_missing(operand, rules).negated(rules),
            Condition::IsMissing(operand) => Self::is_missing(operand, rules),
            Condition::Did { trail, at_least, period, .. } => {
                let times = Times { trail: *trail, at_least: *at_least, within: Within::of(*period) };
                Self::Did { times, holds: true }
            }
            Condition::InSegment(index) => segment(*index),
            Condition::Held { hold, .. } => Self::all(vec![claim(condition), form(&rules.holds[hold.at()].state)]),
            // Nothing of it can be compared but with the same again.
            other => claim(other),
        }
    }

    fn is_missing(operand: &Operand, rules: &Rules) -> Self {
        let subject = Subject::of(operand);
        let states = subject.domain(rules).and(&States::MISSING);
        Self::Among(subject, states)
    }

    /// All of these hold.
    #[must_use]
    pub fn all(parts: Vec<Self>) -> Self {
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::All(inner) => inner,
            other => vec![other],
        });
        let parts = gathered(flat, States::and);
        match <[Self; 1]>::try_from(parts) {
            Ok([one]) => one,
            Err(parts) => Self::All(parts),
        }
    }

    /// One of these holds.
    #[must_use]
    pub fn any(parts: Vec<Self>) -> Self {
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::Any(inner) => inner,
            other => vec![other],
        });
        let parts = gathered(flat, States::or);
        match <[Self; 1]>::try_from(parts) {
            Ok([one]) => one,
            Err(parts) => Self::Any(parts),
        }
    }

    /// The form that holds where this one does not.
    #[must_use]
    pub fn negated(self, rules: &Rules) -> Self {
        match self {
            Self::Among(subject, states) => {
                let rest = subject.domain(rules).without(&states);
                Self::Among(subject, rest)
            }
            Self::Tested { subject, test, holds } => Self::Tested { subject, test, holds: !holds },
            Self::Did { times, holds } => Self::Did { times, holds: !holds },
            Self::Claim { what, holds } => Self::Claim { what, holds: !holds },
            Self::All(parts) => Self::any(parts.into_iter().map(|part| part.negated(rules)).collect()),
            Self::Any(parts) => Self::all(parts.into_iter().map(|part| part.negated(rules)).collect()),
        }
    }

    /// How many questions it asks.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::size).sum(),
            _ => 1,
        }
    }

    /// Hands out all subjects whose values it asks for.
    pub fn subjects(&self, visit: &mut dyn FnMut(&Subject)) {
        match self {
            Self::Among(subject, _) | Self::Tested { subject, .. } => visit(subject),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.subjects(visit)),
            Self::Did { .. } | Self::Claim { .. } => {}
        }
    }
}

fn claim(condition: &Condition) -> Form {
    Form::Claim { what: format!("{condition:?}").into(), holds: true }
}

fn compared(operand: &Operand, operator: Operator, value: &Value, rules: &Rules) -> Form {
    let subject = Subject::of(operand);
    match subject.passing(operator, value, rules) {
        Some(states) => Form::Among(subject, states),
        None => Form::Tested { subject, test: Test::new(operator, value), holds: true },
    }
}

/// Parts in order, each once, with one set of values for each subject.
fn gathered(parts: impl Iterator<Item = Form>, join: fn(&States, &States) -> States) -> Vec<Form> {
    let mut parts: Vec<Form> = parts.collect();
    parts.sort();
    parts.dedup();
    let mut gathered: Vec<Form> = Vec::with_capacity(parts.len());
    for part in parts {
        match (gathered.last_mut(), part) {
            (Some(Form::Among(last, states)), Form::Among(subject, more)) if *last == subject => {
                *states = join(states, &more);
            }
            (_, part) => gathered.push(part),
        }
    }
    gathered
}
