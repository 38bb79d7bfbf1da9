//! What must be kept of a profile's past so that conditions can be answered, and the facts worked out from it. Each has a
//! key that is stable over edits of the workspace: a hash of what is asked, not of its place or use. So equal needs
//! share one memory, and an edit elsewhere forgets nothing.

use std::collections::BTreeMap;

use crate::finding::Place;
use crate::model::Timestamp;

use super::condition::{Condition, Operand};
use super::rules::{AggregateIndex, SegmentIndex, Selector, TraitIndex, ValueType};
use super::window::{DateTest, Window};

/// The newest moments at which matching events happened. All conditions on the same events share one.
#[derive(Debug, Clone)]
pub struct Trail {
    pub key: u64,
    pub selector: Selector,
    /// Over [`Operand::Property`] only.
    pub filter: Option<Condition>,
    /// Only events of this stretch of time: from (included) until (excluded).
    pub dates: (Option<Timestamp>, Option<Timestamp>),
    pub kind: TrailKind,
    /// How many moments its users need, the newest first.
    pub keep: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrailKind {
    /// Every event counts.
    Each,
    /// The newest event of each calendar day counts.
    Days,
    /// The first event ever counts, and no other.
    First,
}

/// What is kept of matching events, for questions that look at more than the event itself.
#[derive(Debug, Clone)]
pub struct Recall {
    pub key: u64,
    pub selector: Selector,
    /// Over [`Operand::Property`] only.
    pub filter: Option<Condition>,
    /// The properties that are kept.
    pub paths: Vec<String>,
    pub keep: RecallKeep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecallKeep {
    /// All within the window, up to a bound.
    Window(Window),
    /// All, up to a bound.
    All,
    Newest,
    Oldest,
}

/// A state of a trait that may last (`plan has been "free"`): since when it has.
#[derive(Debug, Clone)]
pub struct Hold {
    pub key: u64,
    pub subject: TraitIndex,
    pub state: Condition,
}

/// A question about a date that a trait holds.
#[derive(Debug, Clone, PartialEq)]
pub struct DateQuestion {
    pub subject: TraitIndex,
    pub test: DateTest,
    pub is_anniversary: bool,
}

/// `lifetime_value in top 10% of segment buyers refreshed daily at "03:00"`.
#[derive(Debug, Clone)]
pub struct Rank {
    pub key: u64,
    pub operand: Operand,
    pub standing: Standing,
    /// Who is compared; everyone where it is `None`.
    pub population: Option<SegmentIndex>,
    pub refreshed: Refreshed,
    pub place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    /// Percent of the population.
    Top(f64),
    Bottom(f64),
    AboveMedian,
    BelowMedian,
}

/// When ranks are worked out anew, in the workspace's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    Hourly,
    /// Minutes since midnight.
    Daily {
        minute: u32,
    },
    /// On the first day of the week.
    Weekly {
        minute: u32,
    },
}

/// A number or value worked out over events, kept up to date. Computes with equal parts share one.
#[derive(Debug, Clone)]
pub struct Aggregate {
    pub key: u64,
    pub measure: Measure,
    pub selector: Selector,
    /// Over [`Operand::Property`] only.
    pub filter: Option<Condition>,
    /// `in last D`; without it, all time.
    pub window: Option<Window>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Measure {
    Count,
    /// Of a numeric property. Events without it, or in a currency without a rate, add nothing.
    Amount {
        kind: AmountKind,
        property: String,
        conversion: Option<Conversion>,
    },
    /// Of a property's values; events without it are passed over.
    Values {
        kind: ValueKind,
        property: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmountKind {
    /// 0 where there is nothing; the others are missing then.
    Sum,
    Average,
    Min,
    Max,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// By moment.
    Latest,
    Earliest,
    /// Of equally frequent ones the one seen last.
    MostFrequent,
    UniqueCount,
}

/// `sum of revenue as EUR`: how amounts become one currency.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversion {
    /// The property that names the amount's currency.
    pub currency_property: String,
    pub to: String,
    /// Factor from each currency to `to`; `to` itself is 1.
    pub rates: BTreeMap<String, f64>,
}

/// `compute net_spend = lifetime_value - sum of total as EUR from "Order Refunded"`, or a `score`.
#[derive(Debug, Clone)]
pub struct Compute {
    pub name: String,
    pub formula: Formula,
    /// What kind of value it gives; `None` where the property's declaration does not say.
    pub kind: Option<ValueType>,
    pub place: Place,
}

/// How a compute's value is worked out from what is kept. Missing where a part is missing, but for the terms of a score.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    Number(f64),
    Operand(Operand),
    Aggregate(AggregateIndex),
    Arithmetic { sign: Arithmetic, left: Box<Formula>, right: Box<Formula> },
    Score(Vec<Term>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    /// By nothing: missing.
    Divide,
}

/// One line of a score.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    When {
        points: f64,
        condition: Condition,
    },
    /// Points for each event counted; all of them together at most `cap` away from zero.
    ForEach {
        points: f64,
        count: AggregateIndex,
        cap: Option<f64>,
    },
}

impl Compute {
    /// Whether it gives a number.
    #[must_use]
    pub fn is_numeric(&self) -> bool {
        matches!(self.kind, Some(ValueType::Number | ValueType::Money { .. }))
    }
}

impl Formula {
    /// Hands each formula, this one and all inside it, to `visit`.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Formula)) {
        visit(self);
        if let Self::Arithmetic { left, right, .. } = self {
            left.walk(visit);
            right.walk(visit);
        }
    }
}
