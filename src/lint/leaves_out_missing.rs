//! TW213: `is not` and `not in` hold only for who has a value at all.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding};
use crate::lang::Rules;
use crate::lang::rules::{Condition, Operator};

use super::logic::Subject;
use super::parts::{Checked, Rule};
use super::words::written;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    for rule in checked.all_rules() {
        look(rule.condition, &BTreeSet::new(), &rule, checked, findings);
    }
}

/// `settled` holds those of whom something beside says what is to become of the missing.
fn look(
    condition: &Condition,
    settled: &BTreeSet<Subject>,
    rule: &Rule<'_>,
    checked: &Checked<'_>,
    findings: &mut Vec<Finding>,
) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            let is_all = matches!(condition, Condition::All(_));
            let mut settled = settled.clone();
            let saying = parts.iter().filter(|part| settles(part, is_all));
            settled.extend(saying.flat_map(Condition::operands).map(Subject::of));
            for part in parts {
                look(part, &settled, rule, checked, findings);
                // Once told is enough for all that stand beside each other.
                if is_negative(part) {
                    settled.extend(part.operands().into_iter().map(Subject::of));
                }
            }
        }
        // Within `not (…)` the missing are taken in.
        Condition::Not(_) => {}
        part if is_negative(part) => tell(part, settled, rule, checked, findings),
        _ => {}
    }
}

fn is_negative(part: &Condition) -> bool {
    matches!(part, Condition::Compare { operator: Operator::IsNot, .. } | Condition::OneOf { negated: true, .. })
}

/// Whether a part says something of the missing: within `and` every other comparison leaves them out on purpose.
fn settles(part: &Condition, is_all: bool) -> bool {
    match part {
        Condition::IsSet(_) | Condition::IsMissing(_) => true,
        part => is_all && !is_negative(part),
    }
}

fn tell(
    part: &Condition,
    settled: &BTreeSet<Subject>,
    rule: &Rule<'_>,
    checked: &Checked<'_>,
    findings: &mut Vec<Finding>,
) {
    let rules = checked.rules();
    let subject = part.operands().first().map(|operand| Subject::of(operand));
    let (Some(subject), Some(words)) = (subject, written(part, rules)) else { return };
    if settled.contains(&subject) || !can_be_missing(&subject, rules) {
        return;
    }
    let name = subject.name(rules);
    let place = rule.region.find(&words).unwrap_or(rule.region.whole());
    let message = format!("`{words}` leaves out who has no `{name}`");
    let finding = Finding::new(Code::LeavesOutMissing, place, message);
    let help = format!("to take them in write `({words} or {name} is missing)`; else say so: `and {name} is set`");
    findings.push(finding.help(help));
}

fn can_be_missing(subject: &Subject, rules: &Rules) -> bool {
    matches!(subject, Subject::Trait(_) | Subject::Compute(_)) && subject.domain(rules).missing
}
