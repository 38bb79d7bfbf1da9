//! What can be said of a checked workspace beyond right and wrong: one finding a file. Pure.

mod contradiction;
mod endless_restarts;
mod no_unsubscribe_link;
mod only_negatives;
mod parts;
mod unreachable_step;
mod unused_segment;

use crate::finding::Finding;
use crate::workspace::Program;
use crate::workspace::load::{Loaded, apply_levels};

/// All findings of a workspace: those of reading it, and where it could be read, those of lint. In the order of files
/// and places, with the severities that the workspace sets.
#[must_use]
pub fn check(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = loaded.program.as_deref().map(check_program).unwrap_or_default();
    apply_levels(&mut findings, &loaded.levels);
    findings.extend(loaded.findings.iter().cloned());
    findings.sort_by_key(|finding| (finding.place, finding.code));
    findings
}

/// The findings of lint alone.
#[must_use]
pub fn check_program(program: &Program) -> Vec<Finding> {
    let checks: [fn(&Program, &mut Vec<Finding>); 6] = [
        only_negatives::check,
        unused_segment::check,
        contradiction::check,
        unreachable_step::check,
        endless_restarts::check,
        no_unsubscribe_link::check,
    ];
    let mut findings = Vec::new();
    for check in checks {
        check(program, &mut findings);
    }
    findings
}
