//! TW208: a segment that also holds people who never did anything.

use crate::finding::{Code, Finding};
use crate::lang::Rules;
use crate::lang::rules::{Condition, Matter};
use crate::workspace::Program;

use super::parts::walk;

pub(super) fn check(program: &Program, findings: &mut Vec<Finding>) {
    let rules = &program.rules;
    for segment in &rules.segments {
        let mut asks_for_missing = false;
        walk(&segment.condition, &mut |part| asks_for_missing |= matches!(part, Condition::IsMissing(_)));
        if !asks_for_missing && holds_of_a_stranger(&segment.condition, rules, rules.segments.len()) {
            let message = format!("segment `{}` also holds people of whom nothing is known", segment.name);
            let finding = Finding::new(Code::OnlyNegatives, segment.place, message);
            findings.push(finding.help("add what they did do, such as `did any activity in last 90 days`"));
        }
    }
}

/// The answer for a profile without traits and events. `depth` bounds the way through other segments.
fn holds_of_a_stranger(condition: &Condition, rules: &Rules, depth: usize) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| holds_of_a_stranger(part, rules, depth)),
        Condition::Any(parts) => parts.iter().any(|part| holds_of_a_stranger(part, rules, depth)),
        Condition::Not(part) => !holds_of_a_stranger(part, rules, depth),
        Condition::InSegment(index) => {
            depth > 0 && holds_of_a_stranger(&rules.segments[index.at()].condition, rules, depth - 1)
        }
        Condition::IsMissing(_) => true,
        Condition::Agrees(Matter::Topic { topic, .. }) => !rules.topics[*topic].opt_in,
        Condition::Agrees(Matter::Purpose(purpose)) => !rules.purposes[*purpose].opt_in,
        // A share of everyone is meant to hold strangers too, and nobody asks for it by a negative.
        _ => false,
    }
}
