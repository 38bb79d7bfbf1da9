//! TW305: a journey that starts itself again: `re_entry: always`, and what it does is what it enters by.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding};
use crate::journey::graph::{Enter, Journey, ReEntry, StepKind};
use crate::lang::Rules;
use crate::lang::rules::{Condition, Operand, SegmentIndex, TraitIndex};
use crate::model::platform_event as event;
use crate::workspace::Program;

use super::parts::walk;

pub(super) fn check(program: &Program, findings: &mut Vec<Finding>) {
    for journey in program.journeys.iter().filter(|journey| journey.re_entry == ReEntry::Always) {
        let cause = match &journey.enter {
            Enter::Event { name, .. } => caused_event(journey, name),
            Enter::Segment(segment) => caused_membership(journey, *segment, &program.rules),
            Enter::Schedule { .. } => None,
        };
        if let Some(cause) = cause {
            let message = format!("`{}` starts itself again and again: {cause}", journey.name);
            let finding = Finding::new(Code::EndlessRestarts, journey.place, message);
            findings.push(finding.help("write `re_entry: never`, or `re_entry: after 7 days`"));
        }
    }
}

/// Whether a run brings about the event by which the journey enters.
fn caused_event(journey: &Journey, name: &str) -> Option<String> {
    let has = |wanted: fn(&StepKind) -> bool| journey.steps.iter().any(|step| wanted(&step.kind));
    let of_every_run = [event::JOURNEY_STARTED, event::JOURNEY_EXITED, event::JOURNEY_GOAL_REACHED];
    let of_mail = [event::EMAIL_SENT, event::EMAIL_FAILED, event::EMAIL_SUPPRESSED, event::EMAIL_UNKNOWN];
    let of_hooks = [event::WEBHOOK_SENT, event::WEBHOOK_FAILED, event::WEBHOOK_UNKNOWN];
    let of_audiences = [event::AUDIENCE_SYNCED, event::AUDIENCE_FAILED, event::AUDIENCE_SUPPRESSED];
    let caused = of_every_run.contains(&name)
        || (of_mail.contains(&name) && has(|kind| matches!(kind, StepKind::Email { .. })))
        || (of_hooks.contains(&name) && has(|kind| matches!(kind, StepKind::Webhook { .. })))
        || (of_audiences.contains(&name) && has(|kind| matches!(kind, StepKind::AudienceSync { .. })));
    caused.then(|| format!("each run brings about `{name}`, by which it enters"))
}

/// Whether a run writes a trait on which membership of the entry segment depends.
fn caused_membership(journey: &Journey, segment: SegmentIndex, rules: &Rules) -> Option<String> {
    let read = traits_of(segment, rules);
    let written = journey.steps.iter().filter_map(|step| match &step.kind {
        StepKind::UpdateProfile { updates, .. } => Some(updates),
        _ => None,
    });
    let index = written.flatten().map(|(index, _)| *index).find(|index| read.contains(index))?;
    let (name, segment) = (&rules.traits[index.at()].name, &rules.segments[segment.at()].name);
    Some(format!("it writes `{name}`, on which segment `{segment}` depends"))
}

/// Traits that the segment reads, itself or through other segments.
fn traits_of(segment: SegmentIndex, rules: &Rules) -> BTreeSet<TraitIndex> {
    let (mut traits, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![segment]);
    while let Some(index) = open.pop() {
        if !seen.insert(index) {
            continue;
        }
        walk(&rules.segments[index.at()].condition, &mut |part| match part {
            Condition::Compare { operand: Operand::Trait(index), .. }
            | Condition::OneOf { operand: Operand::Trait(index), .. }
            | Condition::IsSet(Operand::Trait(index))
            | Condition::IsMissing(Operand::Trait(index)) => {
                traits.insert(*index);
            }
            Condition::InSegment(inner) => open.push(*inner),
            _ => {}
        });
    }
    traits
}
