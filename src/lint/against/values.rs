//! TW701: a value that a rule compares with and that data never holds.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding, did_you_mean};
use crate::lang::rules::{Operator, Selector};
use crate::model::Value;

use super::super::words::{literal, operator_words};
use super::questions::Compared;
use super::tallies::Bearer;
use super::tally::Tally;
use super::{Answers, Questions, counted};

/// Values that are named to show what is there instead.
const NAMED: usize = 3;

pub(super) fn check(questions: &Questions, answers: &Answers, findings: &mut Vec<Finding>) {
    let mut told = BTreeSet::new();
    for compared in &questions.compared {
        let Some(tally) = answers.tallies.get(&compared.subject).filter(|tally| tally.looked_at > 0) else { continue };
        if tally.is_met(compared.operator, &compared.value) {
            continue;
        }
        let mut finding = if tally.present == 0 { none_at_all(compared, tally) } else { never_seen(compared, tally) };
        let (was_all, newest) = match compared.subject.bearer {
            Bearer::Event(_) => (answers.looked_at.all_events, "newest "),
            Bearer::Profile => (answers.looked_at.all_profiles, ""),
        };
        if !was_all {
            finding.message.push_str(&format!(" (of the {newest}{} looked at)", counted(tally.looked_at)));
        }
        // One rule may ask for a property many times; that nobody has it is said once.
        if told.insert((finding.place, finding.message.clone())) {
            findings.push(finding);
        }
    }
}

fn none_at_all(compared: &Compared, tally: &Tally) -> Finding {
    let bearers = match &compared.subject.bearer {
        Bearer::Event(Selector::Named(name)) => format!("`{name}`"),
        Bearer::Event(Selector::AnyActivity) => "events".to_owned(),
        Bearer::Profile => "profiles".to_owned(),
    };
    let message = format!("none of {} {bearers} had a `{}`", counted(tally.looked_at), compared.operand);
    let finding = Finding::new(Code::ValueNeverSeen, compared.rule, message);
    finding.help("ask whoever sends it whether it is called otherwise, or is not sent yet")
}

fn never_seen(compared: &Compared, tally: &Tally) -> Finding {
    let Compared { subject, operand, operator, value, .. } = compared;
    let place = compared.at.unwrap_or(compared.rule);
    let bearer = match &subject.bearer {
        Bearer::Event(Selector::Named(name)) => format!("`{name}`"),
        Bearer::Event(Selector::AnyActivity) => "event".to_owned(),
        Bearer::Profile => "profile".to_owned(),
    };
    let mut message = match operator {
        Operator::Is | Operator::IsNot | Operator::IsAnyCase => {
            format!("no {bearer} had `{operand}` {}", literal(value))
        }
        other => format!("no {bearer} had `{operand} {} {}`", operator_words(*other), literal(value)),
    };
    if compared.is_private {
        return Finding::new(Code::ValueNeverSeen, place, message);
    }
    message.push_str(&instead(compared, tally));
    let finding = Finding::new(Code::ValueNeverSeen, place, message);
    if !matches!(operator, Operator::Is | Operator::IsNot) {
        return finding;
    }
    match tally.other_spellings(value).first() {
        Some((written, _)) => {
            let finding = finding.help(format!("did you mean `{written}`?"));
            if compared.at.is_some() { finding.fix(place, *written) } else { finding }
        }
        None => match near(value, tally) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding,
        },
    }
}

/// What is there instead.
fn instead(compared: &Compared, tally: &Tally) -> String {
    if let (Some((least, greatest)), Value::Number(_)) = (tally.numbers, &compared.value) {
        match compared.operator {
            Operator::Greater | Operator::GreaterOrEqual => return format!("; the largest was {greatest}"),
            Operator::Less | Operator::LessOrEqual => return format!("; the smallest was {least}"),
            _ => {}
        }
    }
    let spellings = tally.other_spellings(&compared.value);
    let shown = if spellings.is_empty() { tally.seen() } else { spellings };
    let named: Vec<String> =
        shown.iter().take(NAMED).map(|(written, times)| format!("{} had {written}", counted(*times))).collect();
    if named.is_empty() { String::new() } else { format!("; {}", named.join(", ")) }
}

/// A text that is there and nearly the one that is asked for. Near numbers mean nothing.
fn near(value: &Value, tally: &Tally) -> Option<String> {
    value.as_text()?;
    let seen = tally.seen();
    did_you_mean(&literal(value), seen.iter().map(|(written, _)| *written)).map(str::to_owned)
}
