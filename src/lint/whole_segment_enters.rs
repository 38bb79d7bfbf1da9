//! TW308: a launch that takes in everyone who is in the entry segment already.

use crate::finding::{Code, Finding};
use crate::journey::graph::{Enter, Existing};

use super::parts::Checked;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    for journey in checked.program.journeys.iter().filter(|journey| journey.existing == Existing::Enter) {
        let Enter::Segment(segment) = journey.enter else { continue };
        let name = &checked.rules().segments[segment.at()].name;
        let place = checked.region(journey.place).find("existing: enter").unwrap_or(journey.place);
        let message = format!("the first deploy sends everyone already in segment `{name}` through `{}`", journey.name);
        let finding = Finding::new(Code::WholeSegmentEnters, place, message);
        findings.push(finding.help("`existing: skip` takes in only who enters from then on; `when:` takes in fewer"));
    }
}
