//! TW208: a segment that also holds people who never did anything.

use crate::finding::{Code, Finding};
use crate::lang::Rules;
use crate::lang::rules::{Condition, Matter};

use super::parts::Checked;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    let rules = checked.rules();
    let mut holds = vec![false; rules.segments.len()];
    for index in checked.logic.order() {
        let segment = &rules.segments[index];
        holds[index] = holds_of_a_stranger(&segment.condition, &holds, rules);
        let mut asks_for_missing = false;
        segment.condition.walk(&mut |part| asks_for_missing |= matches!(part, Condition::IsMissing(_)));
        if holds[index] && !asks_for_missing {
            let message = format!("segment `{}` also holds people of whom nothing is known", segment.name);
            let finding = Finding::new(Code::OnlyNegatives, segment.place, message);
            findings.push(finding.help("add what they did do, such as `did any activity in last 90 days`"));
        }
    }
}

/// The answer for a profile without traits and events; `segments` are those of the segments that it names.
fn holds_of_a_stranger(condition: &Condition, segments: &[bool], rules: &Rules) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| holds_of_a_stranger(part, segments, rules)),
        Condition::Any(parts) => parts.iter().any(|part| holds_of_a_stranger(part, segments, rules)),
        Condition::Not(part) => !holds_of_a_stranger(part, segments, rules),
        Condition::InSegment(index) => segments[index.at()],
        Condition::IsMissing(_) => true,
        Condition::Agrees(Matter::Topic { topic, .. }) => !rules.topics[*topic].opt_in,
        Condition::Agrees(Matter::Purpose(purpose)) => !rules.purposes[*purpose].opt_in,
        // A share of everyone is meant to hold strangers too, and nobody asks for it by a negative.
        _ => false,
    }
}
