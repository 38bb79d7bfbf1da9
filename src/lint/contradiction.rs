//! TW210: conditions joined by `and` that can never hold together.

use crate::finding::{Code, Finding, Place};
use crate::lang::Rules;
use crate::lang::rules::{Condition, Operand, Operator};
use crate::model::Value;
use crate::workspace::Program;

use super::parts::{conditions, operand_name, walk};

pub(super) fn check(program: &Program, findings: &mut Vec<Finding>) {
    let rules = &program.rules;
    for segment in &rules.segments {
        look(&segment.condition, segment.place, rules, findings);
    }
    for trail in &rules.trails {
        let user = rules.segments.iter().find(|segment| asks(&segment.condition, trail.key, rules));
        if let (Some(filter), Some(segment)) = (&trail.filter, user) {
            look(filter, segment.place, rules, findings);
        }
    }
    for journey in &program.journeys {
        conditions(journey).into_iter().for_each(|(condition, place)| look(condition, place, rules, findings));
    }
}

/// Whether the condition asks the trail of this key.
fn asks(condition: &Condition, key: u64, rules: &Rules) -> bool {
    let mut found = false;
    walk(condition, &mut |part| {
        found |= matches!(part, Condition::Did { trail, .. } if rules.trails[trail.at()].key == key);
    });
    found
}

fn look(condition: &Condition, place: Place, rules: &Rules, findings: &mut Vec<Finding>) {
    walk(condition, &mut |part| {
        let Condition::All(parts) = part else { return };
        let mut demands: Vec<(&Operand, Demand)> = Vec::new();
        for part in flat(parts) {
            let Some((operand, asked)) = asked(part) else { continue };
            let known = demands.iter().position(|(other, _)| *other == operand).unwrap_or_else(|| {
                demands.push((operand, Demand::default()));
                demands.len() - 1
            });
            demands[known].1.add(asked);
        }
        for (operand, demand) in demands.iter().filter(|(_, demand)| demand.is_impossible()) {
            let message =
                format!("no value of `{}` meets all of this: {}", operand_name(operand, rules), demand.said());
            let finding = Finding::new(Code::Contradiction, place, message);
            findings.push(finding.help("this never holds; did you mean `or`?"));
        }
    });
}

/// The parts of an `and`, with those of an `and` inside it.
fn flat(parts: &[Condition]) -> Vec<&Condition> {
    let mut out = Vec::new();
    for part in parts {
        match part {
            Condition::All(inner) => out.extend(flat(inner)),
            other => out.push(other),
        }
    }
    out
}

/// What one comparison asks of its operand.
#[derive(Clone)]
enum Asked<'c> {
    Test(Operator, &'c Value),
    Among(&'c [Value]),
    NotAmong(&'c [Value]),
    Set,
    Missing,
}

fn asked(condition: &Condition) -> Option<(&Operand, Asked<'_>)> {
    match condition {
        Condition::Compare { operand, operator, value } => Some((operand, Asked::Test(*operator, value))),
        Condition::OneOf { operand, values, negated: false } => Some((operand, Asked::Among(values))),
        Condition::OneOf { operand, values, negated: true } => Some((operand, Asked::NotAmong(values))),
        Condition::IsSet(operand) => Some((operand, Asked::Set)),
        Condition::IsMissing(operand) => Some((operand, Asked::Missing)),
        _ => None,
    }
}

/// All that one `and` asks of one operand.
#[derive(Default)]
struct Demand<'c> {
    asked: Vec<Asked<'c>>,
}

impl<'c> Demand<'c> {
    fn add(&mut self, asked: Asked<'c>) {
        self.asked.push(asked);
    }

    fn is_impossible(&self) -> bool {
        let missing = self.asked.iter().any(|asked| matches!(asked, Asked::Missing));
        if missing {
            // Every other question is false where the value is missing.
            return self.asked.iter().any(|asked| !matches!(asked, Asked::Missing));
        }
        match self.candidates() {
            Some(candidates) => !candidates.iter().any(|value| self.asked.iter().all(|asked| fits(asked, value))),
            None => self.interval_is_empty(),
        }
    }

    /// The only values that can do, where the demand names them.
    fn candidates(&self) -> Option<Vec<&'c Value>> {
        self.asked.iter().find_map(|asked| match asked {
            Asked::Test(Operator::Is, value) => Some(vec![*value]),
            Asked::Among(values) => Some(values.iter().collect()),
            _ => None,
        })
    }

    fn interval_is_empty(&self) -> bool {
        let (mut low, mut high) = ((f64::NEG_INFINITY, false), (f64::INFINITY, false));
        for asked in &self.asked {
            let Asked::Test(operator, Value::Number(number)) = asked else { continue };
            match operator {
                Operator::Greater if *number >= low.0 => low = (*number, true),
                Operator::GreaterOrEqual if *number > low.0 => low = (*number, false),
                Operator::Less if *number <= high.0 => high = (*number, true),
                Operator::LessOrEqual if *number < high.0 => high = (*number, false),
                _ => {}
            }
        }
        low.0 > high.0 || (low.0 == high.0 && (low.1 || high.1))
    }

    /// The questions as an author would write them.
    fn said(&self) -> String {
        let said: Vec<String> = self.asked.iter().map(say).collect();
        said.join(", ")
    }
}

/// Whether a value meets one question. What cannot be told here is taken as met.
fn fits(asked: &Asked<'_>, value: &Value) -> bool {
    match asked {
        Asked::Test(operator, other) => match (operator, value, other) {
            (Operator::Is, _, _) => value == *other,
            (Operator::IsNot, _, _) => value != *other,
            (Operator::Less, Value::Number(a), Value::Number(b)) => a < b,
            (Operator::LessOrEqual, Value::Number(a), Value::Number(b)) => a <= b,
            (Operator::Greater, Value::Number(a), Value::Number(b)) => a > b,
            (Operator::GreaterOrEqual, Value::Number(a), Value::Number(b)) => a >= b,
            (Operator::Contains, Value::Text(a), Value::Text(b)) => a.contains(b.as_str()),
            (Operator::StartsWith, Value::Text(a), Value::Text(b)) => a.starts_with(b.as_str()),
            (Operator::EndsWith, Value::Text(a), Value::Text(b)) => a.ends_with(b.as_str()),
            _ => true,
        },
        Asked::Among(values) => values.contains(value),
        Asked::NotAmong(values) => !values.contains(value),
        Asked::Set => true,
        Asked::Missing => false,
    }
}

fn say(asked: &Asked<'_>) -> String {
    let list = |values: &[Value]| values.iter().map(literal).collect::<Vec<_>>().join(", ");
    match asked {
        Asked::Test(operator, value) => {
            let word = match operator {
                Operator::Is => "is",
                Operator::IsNot => "is not",
                Operator::IsAnyCase => "is any case",
                Operator::Less => "<",
                Operator::LessOrEqual => "<=",
                Operator::Greater => ">",
                Operator::GreaterOrEqual => ">=",
                Operator::Contains => "contains",
                Operator::StartsWith => "starts with",
                Operator::EndsWith => "ends with",
            };
            format!("`{word} {}`", literal(value))
        }
        Asked::Among(values) => format!("`in ({})`", list(values)),
        Asked::NotAmong(values) => format!("`not in ({})`", list(values)),
        Asked::Set => "`is set`".to_owned(),
        Asked::Missing => "`is missing`".to_owned(),
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("\"{text}\""),
        other => other.to_string(),
    }
}
