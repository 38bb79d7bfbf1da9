//! TW211: a condition that always holds, or that holds for everyone of whom something is known.

use crate::finding::{Code, Finding};
use crate::lang::rules::Condition;

use super::logic::Form;
use super::parts::{Checked, Rule};
use super::words::written;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    for rule in checked.all_rules().into_iter().chain(checked.filters()) {
        look(rule.condition, &rule, checked, findings);
    }
}

/// Reports the innermost conditions that always hold. Whether there are any.
fn look(condition: &Condition, rule: &Rule<'_>, checked: &Checked<'_>, findings: &mut Vec<Finding>) -> bool {
    let mut is_told = false;
    for part in condition.parts() {
        is_told |= look(part, rule, checked, findings);
    }
    // What all of them say together always holds only where each of them does.
    if is_told || matches!(condition, Condition::Not(_) | Condition::All(_)) {
        return is_told;
    }
    let Some((message, help)) = told(condition, checked) else { return false };
    let mut words = Vec::new();
    condition.walk(&mut |part| words.extend(written(part, checked.rules())));
    let place = rule.region.find_all(words.iter().map(String::as_str)).unwrap_or(rule.region.whole());
    findings.push(Finding::new(Code::Tautology, place, message).help(help));
    true
}

fn told(condition: &Condition, checked: &Checked<'_>) -> Option<(String, String)> {
    let logic = &checked.logic;
    if logic.always(condition) {
        let what = written(condition, checked.rules()).map_or_else(|| "this".to_owned(), |words| format!("`{words}`"));
        return Some((format!("{what} always holds"), "leave it out; did you mean `and`?".to_owned()));
    }
    if !matches!(condition, Condition::Any(_)) {
        return None;
    }
    let form = logic.form(condition);
    logic.conflict([&logic.all_known(&form), &logic.negated(form.clone())])?;
    let names = names(&form, checked);
    let asked: Vec<String> = names.iter().map(|name| format!("{name} is set")).collect();
    Some((
        format!("this holds for everyone of whom `{}` is known", names.join("` and `")),
        format!("did you mean `and`? If not, `{}` says the same", asked.join(" and ")),
    ))
}

fn names(form: &Form, checked: &Checked<'_>) -> Vec<String> {
    let mut names = Vec::new();
    form.subjects(&mut |subject| names.push(subject.name(checked.rules())));
    names.sort();
    names.dedup();
    names
}
