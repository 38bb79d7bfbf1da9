//! TW211: a condition that always holds, or that holds for everyone of whom something is known.

use crate::finding::{Code, Finding};
use crate::lang::rules::Condition;

use super::logic::Form;
use super::parts::{Checked, Rule, inside, walk};
use super::words::written;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    for rule in checked.all_rules().into_iter().chain(checked.filters()) {
        look(rule.condition, &rule, checked, findings);
    }
}

/// Reports the innermost conditions that always hold. Whether there are any.
fn look(condition: &Condition, rule: &Rule<'_>, checked: &Checked<'_>, findings: &mut Vec<Finding>) -> bool {
    let mut is_told = false;
    for part in inside(condition) {
        is_told |= look(part, rule, checked, findings);
    }
    if is_told || matches!(condition, Condition::Not(_)) {
        return is_told;
    }
    let Some((message, help)) = told(condition, checked) else { return false };
    let mut words = Vec::new();
    walk(condition, &mut |part| words.extend(written(part, checked.rules())));
    let place = rule.region.find_all(words.iter().map(String::as_str)).unwrap_or(rule.region.whole());
    findings.push(Finding::new(Code::Tautology, place, message).help(help));
    true
}

fn told(condition: &Condition, checked: &Checked<'_>) -> Option<(String, String)> {
    let logic = &checked.logic;
    let form = logic.form(condition);
    let otherwise = logic.negated(form.clone());
    if logic.conflict([&otherwise]).is_some() {
        let what = written(condition, checked.rules()).map_or_else(|| "this".to_owned(), |words| format!("`{words}`"));
        return Some((format!("{what} always holds"), "leave it out; did you mean `and`?".to_owned()));
    }
    let known = logic.all_known(&form);
    if !matches!(condition, Condition::Any(_)) || logic.conflict([&known, &otherwise]).is_none() {
        return None;
    }
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
