//! TW305: a journey that starts itself again: `re_entry: always`, and what it does is what it enters by.

use crate::finding::{Code, Finding};
use crate::journey::graph::ReEntry;

use super::parts::Checked;
use super::starts::cause;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    for journey in checked.program.journeys.iter().filter(|journey| journey.re_entry == ReEntry::Always) {
        if let Some(cause) = cause(journey, journey, checked) {
            let message = format!("`{}` starts itself again and again: it {cause}, by which it enters", journey.name);
            let finding = Finding::new(Code::EndlessRestarts, journey.place, message);
            findings.push(finding.help("write `re_entry: never`, or `re_entry: after 7 days`"));
        }
    }
}
