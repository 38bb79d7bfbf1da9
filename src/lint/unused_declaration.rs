//! TW216: a topic, purpose or audience that nothing uses.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding, Place};
use crate::journey::graph::StepKind;
use crate::lang::rules::{Condition, ListIndex};
use crate::model::Value;

use super::logic::Subject;
use super::parts::Checked;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    let rules = checked.rules();
    let mut report = |place: Place, message: String, help: &str| {
        findings.push(Finding::new(Code::UnusedDeclaration, place, message).help(help));
    };
    let (mut topics, audiences) = used_by_journeys(checked);
    let mut lists = BTreeSet::new();
    let mut asked_purposes = BTreeSet::new();
    for rule in checked.all_rules() {
        let reads = rules.reads(rule.condition);
        topics.extend(reads.topics);
        asked_purposes.extend(reads.purposes);
        lists.extend(reads.lists);
    }
    let named = named_by_rules(checked);
    for (index, topic) in rules.topics.iter().enumerate() {
        if !topics.contains(&index) && !named.contains(topic.name.as_str()) {
            let message = format!("no message is about topic `{}`", topic.name);
            report(topic.place, message, "people are asked to agree to something that never comes");
        }
    }
    for (index, list) in rules.lists.iter().enumerate() {
        if !lists.contains(&ListIndex(index as u32)) {
            report(
                list.place,
                format!("nothing uses the list `{}`", list.name),
                "a segment asks for it: `in list NAME`",
            );
        }
    }
    let purposes: BTreeSet<usize> = rules.audience_syncs.iter().filter_map(|sync| sync.purpose).collect();
    for (index, purpose) in rules.purposes.iter().enumerate() {
        if !purposes.contains(&index) && !asked_purposes.contains(&index) && !named.contains(purpose.name.as_str()) {
            let message = format!("nothing is done for purpose `{}`", purpose.name);
            report(purpose.place, message, "an audience sync names it: `… using (email) purpose NAME`");
        }
    }
    for (index, sync) in rules.audience_syncs.iter().enumerate() {
        if sync.segment.is_none() && !audiences.contains(&index) {
            let message = format!("no journey adds anybody to audience `{}`", sync.name);
            report(sync.place, message, "add people by a step, or mirror a segment: `= members of SEGMENT to …`");
        }
    }
}

/// Topics of journeys and their messages, and audiences that a step adds to.
fn used_by_journeys(checked: &Checked<'_>) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let (mut topics, mut audiences) = (BTreeSet::new(), BTreeSet::new());
    for journey in &checked.program.journeys {
        topics.extend(journey.topic);
        for step in &journey.steps {
            match &step.kind {
                StepKind::Email { email, .. } => drop(topics.insert(email.topic)),
                StepKind::AudienceSync { audience, add: true, .. } => drop(audiences.insert(*audience)),
                _ => {}
            }
        }
    }
    (topics, audiences)
}

/// What rules compare `topic` and `purpose` of an event with.
fn named_by_rules<'w>(checked: &Checked<'w>) -> BTreeSet<&'w str> {
    let mut named = BTreeSet::new();
    let is_consent = |part: &Condition| {
        part.operands().into_iter().any(|operand| match Subject::of(operand) {
            Subject::Property(name) => name == "topic" || name == "purpose",
            _ => false,
        })
    };
    for rule in checked.all_rules().into_iter().chain(checked.filters()) {
        rule.condition.walk(&mut |part| match part {
            Condition::Compare { value: Value::Text(text), .. } if is_consent(part) => named.extend([text.as_str()]),
            Condition::OneOf { values, .. } if is_consent(part) => {
                named.extend(values.iter().filter_map(Value::as_text))
            }
            _ => {}
        });
    }
    named
}
