//! TW209: a segment that nothing uses. It may still be what somebody looks at, so this is a note.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding};
use crate::journey::graph::{Enter, StepKind, Until};
use crate::lang::rules::{Condition, SegmentIndex};
use crate::workspace::Program;

use super::parts::{conditions, walk};

pub(super) fn check(program: &Program, findings: &mut Vec<Finding>) {
    let used = used(program);
    for (segment, index) in program.rules.segments.iter().zip(0..) {
        if !used.contains(&SegmentIndex(index)) {
            let message = format!("nothing uses segment `{}`", segment.name);
            findings.push(Finding::new(Code::UnusedSegment, segment.place, message));
        }
    }
}

fn used(program: &Program) -> BTreeSet<SegmentIndex> {
    let mut used: BTreeSet<SegmentIndex> = BTreeSet::new();
    let mut note = |condition: &Condition| {
        walk(condition, &mut |part| {
            if let Condition::InSegment(index) = part {
                used.insert(*index);
            }
        });
    };
    program.rules.segments.iter().for_each(|segment| note(&segment.condition));
    for journey in &program.journeys {
        conditions(journey).into_iter().for_each(|(condition, _)| note(condition));
    }
    used.extend(program.rules.audience_syncs.iter().filter_map(|sync| sync.segment));
    for journey in &program.journeys {
        if let Enter::Segment(index) = journey.enter {
            used.insert(index);
        }
        used.extend(journey.steps.iter().filter_map(|step| match step.kind {
            StepKind::WaitUntil { until: Until::Segment(index), .. } => Some(index),
            _ => None,
        }));
    }
    used
}
