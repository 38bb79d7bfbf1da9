//! Parts of rules as their author would write them.

use crate::lang::Rules;
use crate::lang::rules::{Condition, Operator, Selector, TrailIndex, TrailKind};
use crate::model::Value;

use super::logic::{Subject, Times, Within};

/// A condition that holds no others, `did not` included; `None` for one that does, and for what is not known here.
pub(super) fn written(condition: &Condition, rules: &Rules) -> Option<String> {
    let name = |operand| Subject::of(operand).name(rules);
    Some(match condition {
        Condition::Compare { operand, operator, value } => {
            format!("{} {} {}", name(operand), operator_words(*operator), literal(value))
        }
        Condition::OneOf { operand, values, negated } => {
            let values: Vec<String> = values.iter().map(literal).collect();
            format!("{}{} in ({})", name(operand), if *negated { " not" } else { "" }, values.join(", "))
        }
        Condition::IsSet(operand) => format!("{} is set", name(operand)),
        Condition::IsMissing(operand) => format!("{} is missing", name(operand)),
        Condition::Did { .. } => did(&times(condition)?, true, rules),
        Condition::Not(inner) => did(&times(inner)?, false, rules),
        Condition::Held { hold, length } => {
            let Condition::Compare { operand, operator: Operator::Is, value } = &rules.holds[hold.at()].state else {
                return None;
            };
            let length = length.to_string();
            let length = length.trim_start_matches("in last ");
            format!("{} has been {} for at least {length}", name(operand), literal(value))
        }
        Condition::InList(index) => format!("in list {}", rules.lists[index.at()].name),
        Condition::InSegment(index) => format!("in segment {}", rules.segments[index.at()].name),
        _ => return None,
    })
}

/// What a `did` asks.
pub(super) fn times(condition: &Condition) -> Option<Times> {
    let Condition::Did { trail, at_least, period, .. } = condition else { return None };
    Some(Times { trail: *trail, at_least: *at_least, within: Within::of(*period) })
}

/// `did "X" at least 3 times in last 7 days`, or `did not`.
pub(super) fn did(times: &Times, holds: bool, rules: &Rules) -> String {
    let word = if holds { "did" } else { "did not" };
    let filter = rules.trails[times.trail.at()].filter.as_ref().map_or_else(String::new, |filter| {
        written(filter, rules).map_or_else(|| " where (…)".to_owned(), |words| format!(" where {words}"))
    });
    let often = match (rules.trails[times.trail.at()].kind, times.at_least) {
        (TrailKind::First, _) => " for the first time".to_owned(),
        (TrailKind::Days, n) => format!(" on at least {n} days"),
        (TrailKind::Each, 0 | 1) => String::new(),
        (TrailKind::Each, n) => format!(" at least {n} times"),
    };
    let within = match &times.within {
        Within::Last(window) => format!(" {window}"),
        Within::SinceLast(trail) => format!(" since last {}", selector(*trail, rules)),
        Within::SinceEntry => " since entry".to_owned(),
        Within::Ever => String::new(),
    };
    format!("{word} {}{filter}{often}{within}", selector(times.trail, rules))
}

fn selector(trail: TrailIndex, rules: &Rules) -> String {
    match &rules.trails[trail.at()].selector {
        Selector::Named(name) => format!("\"{name}\""),
        Selector::AnyActivity => "any activity".to_owned(),
    }
}

/// How a comparison is written.
pub(super) fn operator_words(operator: Operator) -> &'static str {
    match operator {
        Operator::IsNot => "is not",
        Operator::IsAnyCase => "is any case",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
        Operator::Contains => "contains",
        Operator::StartsWith => "starts with",
        Operator::EndsWith => "ends with",
        Operator::Is => "is",
    }
}

/// A value as it stands in a rule.
pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("\"{text}\""),
        other => other.to_string(),
    }
}
