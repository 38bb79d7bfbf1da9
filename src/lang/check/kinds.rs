//! Which values can be compared with what.

use crate::lang::rules::*;
use crate::model::{Timestamp, Value};

/// What is known of an operand's values.
#[derive(Debug, Clone, Default)]
pub(in crate::lang) struct Kind {
    pub(in crate::lang) value: Option<ValueType>,
    pub(in crate::lang) one_of: Option<Vec<Value>>,
}

/// What is wrong with a comparison, and what to do about it.
pub(super) type Mismatch = (String, String);

fn is_order(operator: Operator) -> bool {
    matches!(operator, Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual)
}

fn is_textual(operator: Operator) -> bool {
    matches!(operator, Operator::Contains | Operator::StartsWith | Operator::EndsWith | Operator::IsAnyCase)
}

/// Why a value cannot be compared with what a name holds.
pub(super) fn mismatch(kind: &ValueType, operator: Operator, value: &Value, name: &str) -> Option<Mismatch> {
    let wrong =
        |what: &str, help: String| Some((format!("`{name}` is {what}, and this is {}", value.kind_name()), help));
    let is_textual = is_textual(operator);
    match (kind, value) {
        (ValueType::Number | ValueType::Money { .. }, Value::Number(_)) if !is_textual => None,
        (ValueType::Number | ValueType::Money { .. }, Value::Text(text)) if !is_textual => {
            let help = match text.parse::<f64>() {
                Ok(_) => format!("leave out the quotes: `{text}`"),
                Err(_) => "compare it with a number".to_owned(),
            };
            wrong("a number", help)
        }
        (ValueType::Number | ValueType::Money { .. }, _) => wrong("a number", "compare it with a number".to_owned()),
        (ValueType::Bool, Value::Bool(_)) if !is_textual && !is_order(operator) => None,
        (ValueType::Bool, _) => wrong("true or false", format!("write `{name} is true` or `{name} is false`")),
        (ValueType::Text, Value::Text(_)) if is_order(operator) => Some(unordered(name)),
        (ValueType::Text, Value::Text(_)) => None,
        (ValueType::Text, _) => wrong("a text", format!("put it in double quotes: `\"{value}\"`")),
        (ValueType::Date | ValueType::Time, Value::Text(text)) if !is_textual => match Timestamp::parse(text) {
            Some(_) => None,
            None => {
                Some((format!("`{name}` is a date, and `{text}` is none"), "write it as `\"2026-03-31\"`".to_owned()))
            }
        },
        (ValueType::Date | ValueType::Time, _) => {
            wrong("a date", "compare it with a date such as `\"2026-03-31\"`".to_owned())
        }
        (ValueType::List(inner), _) if operator == Operator::Contains => mismatch(inner, Operator::Is, value, name),
        (ValueType::List(_), _) => wrong("a list", format!("write `{name} contains …` or `{name} has any (…)`")),
        (ValueType::Object(_), _) => wrong("an object", format!("name one of its parts, as in `{name}.part`")),
    }
}

fn unordered(name: &str) -> Mismatch {
    (
        format!("`{name}` is a text, and texts are neither smaller nor larger"),
        "compare it by `is`, `in (…)`, `contains` or `starts with`".to_owned(),
    )
}

/// Why two names cannot be compared with each other.
pub(super) fn mismatch_of_two(
    (name, kind): (&str, &ValueType),
    operator: Operator,
    (other_name, other): (&str, &ValueType),
) -> Option<Mismatch> {
    let (a, b) = (group(kind), group(other));
    if let (ValueType::List(inner), Operator::Contains) = (kind, operator) {
        return mismatch_of_two((name, inner), Operator::Is, (other_name, other));
    }
    if a != b {
        let message = format!("`{name}` is {a}, and `{other_name}` is {b}");
        return Some((message, "compare values of one kind".to_owned()));
    }
    if a == "a text" && is_order(operator) {
        return Some(unordered(name));
    }
    let is_odd = (is_textual(operator) && a != "a text")
        || (a == "true or false" && is_order(operator))
        || matches!(a, "a list" | "an object");
    is_odd.then(|| (format!("`{name}` is {a}, which cannot be compared so"), "write `is` or `is not`".to_owned()))
}

/// Kinds that can be compared with each other have one name.
fn group(kind: &ValueType) -> &'static str {
    match kind {
        ValueType::Text => "a text",
        ValueType::Number | ValueType::Money { .. } => "a number",
        ValueType::Bool => "true or false",
        ValueType::Date => "a date",
        ValueType::Time => "a time",
        ValueType::List(_) => "a list",
        ValueType::Object(_) => "an object",
    }
}

/// The value in the form in which values of this type are kept.
pub(super) fn normal(kind: &Kind, value: &Value) -> Value {
    match (&kind.value, value) {
        (Some(ValueType::Time), Value::Text(text)) => {
            Timestamp::parse(text).map_or_else(|| value.clone(), |at| Value::from(at.to_string()))
        }
        _ => value.clone(),
    }
}
