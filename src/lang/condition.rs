//! Conditions in their checked form: names are indexes into [`super::Rules`], values are of the types declared.

use std::sync::Arc;

use crate::model::{Span, Value};

use super::rules::*;
use super::window::Window;

/// A question about a profile (or, in a filter, about one event) with the answer yes or no.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// False where the operand is missing, whatever the operator.
    Compare {
        operand: Operand,
        operator: Operator,
        value: Value,
    },
    /// Two values of the data against each other; false where one is missing.
    CompareWith {
        operand: Operand,
        operator: Operator,
        other: Operand,
    },
    /// `in (…)` and `not in (…)`; false where the operand is missing, both ways.
    OneOf {
        operand: Operand,
        values: Vec<Value>,
        negated: bool,
    },
    Matches {
        operand: Operand,
        pattern: Pattern,
    },
    /// Of a list of values: `has any (…)`, `has all (…)`.
    Has {
        operand: Operand,
        values: Vec<Value>,
        all: bool,
    },
    /// Of a list of objects; inside, names are the item's ([`Operand::Item`]).
    Items {
        operand: Operand,
        quantifier: Quantifier,
        condition: Box<Condition>,
    },
    IsSet(Operand),
    IsMissing(Operand),
    /// A date that a trait holds, seen from now.
    Date(DateIndex),
    /// `has been "free" for at least 30 days`.
    Held {
        hold: HoldIndex,
        length: Window,
    },
    /// `did "X" at least n times` within a period. `did not` is [`Condition::Not`] around it.
    Did {
        trail: TrailIndex,
        at_least: u32,
        period: Period,
    },
    /// The same where the filter is about more than the event: it is asked anew each time, of what is kept of the events.
    Recall {
        recall: RecallIndex,
        filter: Box<Condition>,
        at_least: u32,
        period: Period,
    },
    Sequence(SequenceIndex),
    InSegment(SegmentIndex),
    InList(ListIndex),
    InJourney(String),
    Agrees(Matter),
    /// A share of all profiles, drawn by a hash of the profile and the seed.
    Random {
        seed: String,
        percent: f64,
    },
    Rank(RankIndex),
}

impl Condition {
    /// The conditions directly inside this one.
    pub fn parts(&self) -> &[Condition] {
        match self {
            Self::All(parts) | Self::Any(parts) => parts,
            Self::Not(inner) => std::slice::from_ref(inner),
            Self::Items { condition, .. } => std::slice::from_ref(condition),
            Self::Recall { filter, .. } => std::slice::from_ref(filter),
            _ => &[],
        }
    }

    /// The operands that this condition itself compares.
    #[must_use]
    pub fn operands(&self) -> Vec<&Operand> {
        match self {
            Self::CompareWith { operand, other, .. } => vec![operand, other],
            Self::Compare { operand, .. }
            | Self::OneOf { operand, .. }
            | Self::Matches { operand, .. }
            | Self::Has { operand, .. }
            | Self::Items { operand, .. }
            | Self::IsSet(operand)
            | Self::IsMissing(operand) => vec![operand],
            _ => Vec::new(),
        }
    }

    /// Hands each condition, this one and all inside it, to `visit`.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Condition)) {
        visit(self);
        for part in self.parts() {
            part.walk(visit);
        }
    }
}

/// Where a comparison takes its value from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operand {
    Trait(TraitIndex),
    Compute(ComputeIndex),
    /// Of the account that the latest `group` call named.
    Account(String),
    /// Of the event in a `where`; a dotted path reaches into objects.
    Property(String),
    /// Of an object in a list, in `any`, `all` and `count`.
    Item(String),
    /// Of the event that took an earlier step of a sequence.
    Step {
        step: usize,
        path: String,
    },
    /// Of the event on which the run began (`entry.x`).
    EntryProperty(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    Is,
    IsNot,
    /// Text without regard to case.
    IsAnyCase,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    StartsWith,
    EndsWith,
}

/// How many items of a list must do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantifier {
    Any,
    /// A list without items does too.
    All,
    Count {
        operator: Operator,
        value: f64,
    },
}

/// A regular expression that is matched in time linear in the text.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub text: String,
    pub(super) regex: Arc<regex::Regex>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// The stretch of time that a `did` looks at. It always ends now, which belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Ever,
    Last(Window),
    /// `(newest moment of that trail, now]`; empty where there is none.
    SinceLast(TrailIndex),
    /// `(moment at which the run began, now]`; journeys only.
    SinceEntry,
}

/// What a person may agree to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Matter {
    /// Index into [`super::Rules::topics`], and the channel.
    Topic { topic: usize, channel: String },
    /// Index into [`super::Rules::purposes`].
    Purpose(usize),
}

/// `did A in last 7 days then B within 1 day …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// A hash of what is asked, so that equal questions are one.
    pub key: u64,
    /// Of the first step.
    pub window: Window,
    /// At least two.
    pub steps: Vec<SequenceStep>,
    pub all_within: Option<Span>,
    /// The property that must have the same value in all steps.
    pub by: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SequenceStep {
    /// What is kept of the events that this step may take.
    pub recall: RecallIndex,
    /// The part of its filter that looks at other steps, the profile or the run.
    pub filter: Option<Condition>,
    /// Most that may lie between the step before and this one.
    pub within: Option<Span>,
    /// `then did not`: only the last.
    pub negated: bool,
}
