//! A condition over an event as one canonical text: what stable keys are hashes of.

use std::fmt::Write;

use super::rules::{Condition, Operand, Selector};

pub(super) fn write_selector(selector: &Selector) -> String {
    match selector {
        Selector::Named(name) => format!("event {name:?}"),
        Selector::AnyActivity => "any activity".to_owned(),
    }
}

/// Conditions with equal texts are equal; names stand for indexes nowhere, since a `where` names properties only.
pub(super) fn write_condition(condition: &Condition) -> String {
    let mut out = String::new();
    write(condition, &mut out);
    out
}

fn write(condition: &Condition, out: &mut String) {
    match condition {
        Condition::All(parts) => write_parts("all", parts, out),
        Condition::Any(parts) => write_parts("any", parts, out),
        Condition::Not(inner) => write_parts("not", std::slice::from_ref(inner), out),
        Condition::Compare { operand, operator, value } => {
            let _ = write!(out, "{} {operator:?} {}", operand_text(operand), json(value));
        }
        Condition::OneOf { operand, values, negated } => {
            let values: Vec<String> = values.iter().map(json).collect();
            let _ = write!(out, "{} in({negated}) {}", operand_text(operand), values.join(","));
        }
        Condition::IsSet(operand) => {
            let _ = write!(out, "{} set", operand_text(operand));
        }
        Condition::IsMissing(operand) => {
            let _ = write!(out, "{} missing", operand_text(operand));
        }
        // Neither can stand in a `where`; see `check`.
        Condition::Did { .. } | Condition::InSegment(_) => {
            let _ = write!(out, "{condition:?}");
        }
    }
}

fn write_parts(word: &str, parts: &[impl std::borrow::Borrow<Condition>], out: &mut String) {
    out.push_str(word);
    out.push('(');
    for part in parts {
        write(part.borrow(), out);
        out.push(';');
    }
    out.push(')');
}

fn operand_text(operand: &Operand) -> String {
    match operand {
        Operand::Property(path) => format!("{path:?}"),
        other => format!("{other:?}"),
    }
}

fn json(value: &crate::model::Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
