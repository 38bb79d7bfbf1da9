//! A condition over an event, or over one trait, as one canonical text: what stable keys are hashes of.

use std::fmt::Write;

use crate::model::id::hash_parts;

use super::rules::{Condition, Operand, Selector};

/// A key of this kind of thing, from all that it depends on.
pub(super) fn key_of(kind: &str, parts: &[&str]) -> u64 {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    (hash_parts(kind, &parts) >> 64) as u64
}

pub(super) fn write_selector(selector: &Selector) -> String {
    match selector {
        Selector::Named(name) => format!("event {name:?}"),
        Selector::AnyActivity => "any activity".to_owned(),
    }
}

/// Conditions with equal texts are equal. Indexes stand for themselves: where a key must outlive an edit, the condition
/// names properties only.
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
        Condition::CompareWith { operand, operator, other } => {
            let _ = write!(out, "{} {operator:?} {}", operand_text(operand), operand_text(other));
        }
        Condition::OneOf { operand, values, negated } => {
            let values: Vec<String> = values.iter().map(json).collect();
            let _ = write!(out, "{} in({negated}) {}", operand_text(operand), values.join(","));
        }
        Condition::Matches { operand, pattern } => {
            let _ = write!(out, "{} matches {:?}", operand_text(operand), pattern.text);
        }
        Condition::Has { operand, values, all } => {
            let values: Vec<String> = values.iter().map(json).collect();
            let _ = write!(out, "{} has({all}) {}", operand_text(operand), values.join(","));
        }
        Condition::Items { operand, quantifier, condition } => {
            let _ = write!(out, "{quantifier:?} {}", operand_text(operand));
            write_parts("", std::slice::from_ref(condition.as_ref()), out);
        }
        Condition::IsSet(operand) => {
            let _ = write!(out, "{} set", operand_text(operand));
        }
        Condition::IsMissing(operand) => {
            let _ = write!(out, "{} missing", operand_text(operand));
        }
        // None of these can stand in a `where` or a state; see `check`.
        other => {
            let _ = write!(out, "{other:?}");
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
        // The subject of a state: its trait is named beside it.
        Operand::Trait(_) => "it".to_owned(),
        other => format!("{other:?}"),
    }
}

fn json(value: &crate::model::Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
