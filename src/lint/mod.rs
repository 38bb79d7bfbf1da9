//! What can be said of a checked workspace beyond right and wrong: one finding a file. Pure.

mod beyond_retention;
mod contradiction;
mod endless_restarts;
mod event_never_comes;
mod journey_circle;
mod leaves_out_missing;
mod logic;
mod no_unsubscribe_link;
mod only_negatives;
mod parts;
mod personal_data;
mod same_meaning;
mod starts;
mod tautology;
mod templates;
mod text;
mod unguarded_message;
mod unreachable_step;
mod untaken_branch;
mod unused_compute;
mod unused_declaration;
mod unused_segment;
mod whole_segment_enters;
mod words;

use crate::finding::Finding;
use crate::workspace::load::{Loaded, apply_levels};

use logic::Logic;
use parts::Checked;

/// All findings of a workspace: those of reading it, and where it could be read, those of lint. In the order of files
/// and places, with the severities that the workspace sets.
#[must_use]
pub fn check(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = look(loaded);
    apply_levels(&mut findings, &loaded.levels);
    findings.extend(loaded.findings.iter().cloned());
    findings.sort_by_key(|finding| (finding.place, finding.code));
    findings
}

/// One finding a file.
const CHECKS: &[fn(&Checked<'_>, &mut Vec<Finding>)] = &[
    only_negatives::check,
    unused_segment::check,
    contradiction::check,
    tautology::check,
    same_meaning::check,
    leaves_out_missing::check,
    unused_compute::check,
    beyond_retention::check,
    unused_declaration::check,
    unreachable_step::check,
    endless_restarts::check,
    untaken_branch::check,
    whole_segment_enters::check,
    journey_circle::check,
    unguarded_message::check,
    event_never_comes::check,
    no_unsubscribe_link::check,
    personal_data::check,
];

/// The findings of lint alone.
fn look(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(program) = loaded.program.as_deref() {
        let checked = Checked {
            program,
            sources: &loaded.sources,
            retention: loaded.retention.events,
            logic: Logic::new(&program.rules),
        };
        CHECKS.iter().for_each(|check| check(&checked, &mut findings));
    }
    findings
}
