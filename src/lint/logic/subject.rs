//! What conditions compare, what it can be at all, and which of that a comparison lets through.

use crate::lang::Rules;
use crate::lang::rules::{
    AmountKind, ComputeIndex, Formula, Measure, Operand, Operator, TraitIndex, ValueKind, ValueType,
};
use crate::model::Value;

use super::line::{Cut, Number, Spot, States};

/// An operand, with an order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Trait(TraitIndex),
    Compute(ComputeIndex),
    Property(String),
    /// Any other: whose it is, and its name.
    Other(String, String),
}

impl Subject {
    #[must_use]
    pub fn of(operand: &Operand) -> Self {
        match operand {
            Operand::Trait(index) => Self::Trait(*index),
            Operand::Compute(index) => Self::Compute(*index),
            Operand::Property(path) => Self::Property(path.clone()),
            Operand::Item(path) => Self::Other(format!("item's {path}"), path.clone()),
            Operand::Step { step, path } => Self::Other(format!("step {step}'s {path}"), path.clone()),
            Operand::Account(path) => Self::Other("account".to_owned(), format!("account.{path}")),
            Operand::EntryProperty(path) => Self::Other("entry".to_owned(), format!("entry.{path}")),
        }
    }

    /// The name that the author gave it.
    #[must_use]
    pub fn name(&self, rules: &Rules) -> String {
        match self {
            Self::Trait(index) => rules.traits[index.at()].name.clone(),
            Self::Compute(index) => rules.computes[index.at()].name.clone(),
            Self::Property(name) | Self::Other(_, name) => name.clone(),
        }
    }

    /// All that it can be by its declaration.
    #[must_use]
    pub fn domain(&self, rules: &Rules) -> States {
        match self {
            Self::Trait(index) => {
                let declared = &rules.traits[index.at()];
                match &declared.one_of {
                    Some(values) => points(values),
                    None => values_of(&declared.kind),
                }
                .or_missing()
            }
            Self::Compute(index) => {
                let compute = &rules.computes[index.at()];
                match computed(&compute.formula, rules) {
                    Computed::Count => {
                        let end = |number| Spot::Number(Number(number));
                        States::between(Cut::before(end(0.0)), Cut::behind(end(f64::INFINITY))).to_whole()
                    }
                    Computed::Number => States::numbers(),
                    Computed::Any => compute.kind.as_ref().map_or_else(States::values, values_of).or_missing(),
                }
            }
            Self::Property(_) | Self::Other(..) => States::values().or_missing(),
        }
    }

    /// Which of its domain passes a comparison; `None` where that is no set of stretches.
    #[must_use]
    pub fn passing(&self, operator: Operator, value: &Value, rules: &Rules) -> Option<States> {
        let spot = Spot::of(value)?;
        let states = match operator {
            Operator::Is => States::point(spot),
            Operator::IsNot => States::values().without(&States::point(spot)),
            Operator::Less => States::between(first_like(&spot), Cut::before(spot)),
            Operator::LessOrEqual => States::between(first_like(&spot), Cut::behind(spot)),
            Operator::Greater => States::between(Cut::behind(spot.clone()), end_like(&spot)),
            Operator::GreaterOrEqual => States::between(Cut::before(spot.clone()), end_like(&spot)),
            _ => return None,
        };
        Some(self.clip(&states, rules))
    }

    /// Which of its domain is among these values, or, `negated`, is another value.
    #[must_use]
    pub fn among(&self, values: &[Value], negated: bool, rules: &Rules) -> States {
        let named = points(values);
        self.clip(&if negated { States::values().without(&named) } else { named }, rules)
    }

    fn clip(&self, states: &States, rules: &Rules) -> States {
        let domain = self.domain(rules);
        let is_whole = match self {
            Self::Compute(index) => computed(&rules.computes[index.at()].formula, rules) == Computed::Count,
            _ => false,
        };
        if is_whole { domain.and(&states.to_whole()) } else { domain.and(states) }
    }
}

/// What a compute can be.
#[derive(PartialEq, Eq)]
enum Computed {
    /// A whole number from 0 on, never missing.
    Count,
    /// Never missing.
    Number,
    Any,
}

fn computed(formula: &Formula, rules: &Rules) -> Computed {
    match formula {
        Formula::Number(_) | Formula::Score(_) => Computed::Number,
        Formula::Aggregate(index) => match rules.aggregates[index.at()].measure {
            Measure::Count | Measure::Values { kind: ValueKind::UniqueCount, .. } => Computed::Count,
            Measure::Amount { kind: AmountKind::Sum, .. } => Computed::Number,
            _ => Computed::Any,
        },
        _ => Computed::Any,
    }
}

fn points(values: &[Value]) -> States {
    States::points(values.iter().map(|value| Spot::of(value).unwrap_or(Spot::Unordered)))
}

fn values_of(kind: &ValueType) -> States {
    match kind {
        ValueType::Text | ValueType::Date | ValueType::Time => States::texts(),
        ValueType::Number | ValueType::Money { .. } => States::numbers(),
        ValueType::Bool => States::bools(),
        _ => States::values(),
    }
}

/// The cut before the first value of the same kind.
fn first_like(spot: &Spot) -> Cut {
    Cut::before(match spot {
        Spot::Bool(_) => Spot::Bool(false),
        Spot::Number(_) => Spot::Number(Number(f64::NEG_INFINITY)),
        Spot::Text(_) => Spot::Text("".into()),
        Spot::Unordered => Spot::Unordered,
    })
}

/// The cut behind the last value of the same kind.
fn end_like(spot: &Spot) -> Cut {
    match spot {
        Spot::Bool(_) => Cut::behind(Spot::Bool(true)),
        Spot::Number(_) => Cut::behind(Spot::Number(Number(f64::INFINITY))),
        Spot::Text(_) => Cut::before(Spot::Unordered),
        Spot::Unordered => Cut::behind(Spot::Unordered),
    }
}
