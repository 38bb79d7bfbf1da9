//! TW214: a compute that nothing uses. It may still be what somebody looks at, so this is a note.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding};
use crate::lang::rules::ComputeIndex;

use super::parts::Checked;
use super::templates::all_variables;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    let mut asked: BTreeSet<ComputeIndex> = BTreeSet::new();
    for rule in checked.all_rules() {
        asked.extend(checked.rules().reads(rule.condition).computes);
    }
    let rules = checked.rules();
    asked.extend(rules.readers.reads_of_compute.iter().flat_map(|reads| &reads.computes));
    let filled = all_variables(checked.program);
    for (compute, index) in rules.computes.iter().zip(0..) {
        let index = ComputeIndex(index);
        if !asked.contains(&index) && !filled.iter().any(|variable| variable.reads(&compute.name)) {
            let message = format!("nothing uses the compute `{}`", compute.name);
            let finding = Finding::new(Code::UnusedCompute, compute.place, message);
            findings.push(finding.help("it is kept up to date for every customer; take it out if nobody looks at it"));
        }
    }
}
