//! TW210: conditions that can never hold together.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding};
use crate::journey::graph::Enter;
use crate::lang::rules::{Condition, SegmentIndex};

use super::logic::{Conflict, Subject};
use super::parts::{Checked, Rule};
use super::words::{did, times, written};

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    for rule in checked.all_rules().into_iter().chain(checked.filters()) {
        look(rule.condition, false, &rule, checked, findings);
    }
    nobody_enters(checked, findings);
}

/// Reports the innermost conditions that never hold. Whether there are any. `is_possible`: this one is known to hold
/// at times.
fn look(
    condition: &Condition,
    is_possible: bool,
    rule: &Rule<'_>,
    checked: &Checked<'_>,
    findings: &mut Vec<Finding>,
) -> bool {
    // Of `not (…)` the inside is told.
    let is_looked_at = !is_possible && !matches!(condition, Condition::Not(_));
    let conflict = if is_looked_at { checked.logic.never(condition) } else { None };
    // Where all of them hold together, each of them holds.
    let are_possible = conflict.is_none() && matches!(condition, Condition::All(_));
    let mut is_told = false;
    for part in condition.parts() {
        is_told |= look(part, are_possible, rule, checked, findings);
    }
    let Some(conflict) = conflict.filter(|_| !is_told) else { return is_told };
    let asked = asked(condition, &conflict, checked);
    let own: Vec<&str> = asked.iter().filter(|asked| asked.by.is_none()).map(|asked| asked.words.as_str()).collect();
    let place = rule.region.find_all(own).unwrap_or(rule.region.whole());
    let mut finding = Finding::new(Code::Contradiction, place, message(&conflict, &asked, checked));
    finding = finding.help("this never holds; did you mean `or`?");
    for by in asked.iter().filter_map(|asked| asked.by) {
        let segment = &checked.rules().segments[by];
        finding = finding.label(segment.place, format!("segment `{}` says so", segment.name));
    }
    findings.push(finding);
    true
}

/// A segment that a journey enters by, and its `when`, that nobody meets both.
fn nobody_enters(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    for journey in &checked.program.journeys {
        let (Enter::Segment(index), Some(when)) = (&journey.enter, &journey.when) else { continue };
        let (inside, when) = (checked.logic.membership(*index), checked.logic.form(when));
        if checked.logic.conflict([&when]).is_none() && checked.logic.conflict([&inside, &when]).is_some() {
            let name = &checked.rules().segments[index.at()].name;
            let message = format!("nobody in segment `{name}` meets `when`, so nobody enters `{}`", journey.name);
            let place = checked.region(journey.place).find("when:").unwrap_or(journey.place);
            let finding = Finding::new(Code::Contradiction, place, message).help("change `when`, or the segment");
            findings.push(finding.label(checked.rules().segments[index.at()].place, "the segment"));
        }
    }
}

/// A question that has to do with a conflict.
struct Asked {
    words: String,
    negated: bool,
    /// The segment inside which it is asked.
    by: Option<usize>,
}

impl Asked {
    fn said(&self, checked: &Checked<'_>) -> String {
        let words = if self.negated { format!("not ({})", self.words) } else { self.words.clone() };
        match self.by {
            Some(by) => format!("`{words}` (by segment `{}`)", checked.rules().segments[by].name),
            None => format!("`{words}`"),
        }
    }
}

/// All questions about what the conflict is about, those of segments as well.
fn asked(condition: &Condition, conflict: &Conflict, checked: &Checked<'_>) -> Vec<Asked> {
    let mut gathering = Gathering { conflict, checked, seen: BTreeSet::new(), found: Vec::new() };
    gathering.gather(condition, false, None);
    gathering.found
}

struct Gathering<'g, 'w> {
    conflict: &'g Conflict,
    checked: &'g Checked<'w>,
    seen: BTreeSet<SegmentIndex>,
    found: Vec<Asked>,
}

impl Gathering<'_, '_> {
    fn gather(&mut self, condition: &Condition, negated: bool, by: Option<usize>) {
        if self.is_about(condition)
            && let Some(words) = written(condition, self.checked.rules())
        {
            self.found.push(Asked { words, negated, by });
            return;
        }
        if let Condition::InSegment(index) = condition
            && self.checked.logic.is_looked_into(*index)
            && self.seen.insert(*index)
        {
            let inner = &self.checked.rules().segments[index.at()].condition;
            self.gather(inner, negated, by.or(Some(index.at())));
        }
        let negated = negated != matches!(condition, Condition::Not(_));
        condition.parts().iter().for_each(|part| self.gather(part, negated, by));
    }

    fn is_about(&self, condition: &Condition) -> bool {
        match (self.conflict, condition) {
            (Conflict::Values(Subject::Trait(index)), Condition::Held { hold, .. }) => {
                self.checked.rules().holds[hold.at()].subject == *index
            }
            (Conflict::Values(subject), part) => part.operands().into_iter().any(|one| Subject::of(one) == *subject),
            (Conflict::Did { done, ruled_out }, part) => {
                let part = if let Condition::Not(inner) = part { inner } else { part };
                times(part).is_some_and(|asked| asked.trail == done.trail || asked.trail == ruled_out.trail)
            }
            (Conflict::Claim, Condition::InSegment(_)) => true,
            _ => false,
        }
    }
}

fn message(conflict: &Conflict, asked: &[Asked], checked: &Checked<'_>) -> String {
    let rules = checked.rules();
    let said: Vec<String> = asked.iter().map(|asked| asked.said(checked)).collect();
    match conflict {
        Conflict::Values(subject) => {
            format!("no value of `{}` meets all of this: {}", subject.name(rules), said.join(", "))
        }
        Conflict::Did { done, ruled_out } => {
            format!("nobody meets both `{}` and `{}`", did(done, true, rules), did(ruled_out, false, rules))
        }
        Conflict::Claim | Conflict::NoPart => "this asks for something and rules it out".to_owned(),
    }
}
