//! TW303: a step that no run can come to, because an `exit` stands before it.

use crate::finding::{Code, Finding};

use super::parts::{Checked, reached_from};

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    for journey in &checked.program.journeys {
        let reached = reached_from(journey, journey.first);
        for (step, _) in journey.steps.iter().zip(&reached).filter(|(_, reached)| !**reached) {
            let message = format!("no run of `{}` comes to step `{}`", journey.name, step.id);
            let finding = Finding::new(Code::UnreachableStep, step.place, message);
            findings.push(finding.help("every way to it ends at an `exit` before; move it up or leave it out"));
        }
    }
}
