//! TW209: a segment that nothing uses. It may still be what somebody looks at, so this is a note.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding};
use crate::journey::graph::{Enter, StepKind, Until};
use crate::lang::rules::{Condition, SegmentIndex};

use super::parts::{Checked, walk};

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    let used = used(checked);
    for (segment, index) in checked.rules().segments.iter().zip(0..) {
        if !used.contains(&SegmentIndex(index)) {
            let message = format!("nothing uses segment `{}`", segment.name);
            findings.push(Finding::new(Code::UnusedSegment, segment.place, message));
        }
    }
}

fn used(checked: &Checked<'_>) -> BTreeSet<SegmentIndex> {
    let mut used: BTreeSet<SegmentIndex> = BTreeSet::new();
    for rule in checked.all_rules() {
        walk(rule.condition, &mut |part| {
            if let Condition::InSegment(index) = part {
                used.insert(*index);
            }
        });
    }
    used.extend(checked.rules().audience_syncs.iter().filter_map(|sync| sync.segment));
    for journey in &checked.program.journeys {
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
