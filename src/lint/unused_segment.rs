//! TW209: a segment that nothing uses. It may still be what somebody looks at, so this is a note.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding};
use crate::journey::graph::{Enter, StepKind, Until};
use crate::lang::rules::SegmentIndex;

use super::parts::Checked;

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
        used.extend(checked.rules().reads(rule.condition).segments);
    }
    used.extend(checked.rules().ranks.iter().filter_map(|rank| rank.population));
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
