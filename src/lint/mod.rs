//! What can be said of a checked workspace beyond right and wrong: one finding a file. Pure.

pub mod against;
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
mod silence;
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

use crate::finding::{Code, Finding, Place};
use crate::workspace::load::Loaded;

use logic::Logic;
use parts::Checked;
use silence::Silence;
pub use silence::Silenced;

/// What is to be said of a workspace: with the severities that it sets, without what it switches off, and with what its
/// comments silence set apart. In the order of files and places.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub findings: Vec<Finding>,
    pub silenced: Vec<Silenced>,
}

impl Report {
    /// Whether the workspace must not run.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }
}

/// All findings of a workspace: those of reading it, and where it could be read, those of lint.
#[must_use]
pub fn report(loaded: &Loaded) -> Report {
    judged(loaded, None)
}

/// The same with what data tells: see [`against::findings`].
#[must_use]
pub fn report_with_data(loaded: &Loaded, of_data: Vec<Finding>) -> Report {
    judged(loaded, Some(of_data))
}

/// The one place in which severities and silence count.
fn judged(loaded: &Loaded, of_data: Option<Vec<Finding>>) -> Report {
    // Comments of which nobody knows what they would silence are not called left over.
    let (all_ran, data_was_seen) = (loaded.program.is_some(), of_data.is_some());
    let mut found = loaded.findings.clone();
    found.extend(look(loaded));
    found.extend(of_data.unwrap_or_default());
    let mut silence = Silence::read(&loaded.sources);
    let (mut findings, mut silenced) = silence.part(found);
    findings.extend(silence.left_over(|code| all_ran && (data_was_seen || !against::OF_DATA.contains(&code))));
    findings.append(&mut silence.unclear);
    let set = |finding: &mut Finding| {
        let severity = loaded.severities.of(finding.code);
        finding.severity = severity.unwrap_or(finding.severity);
        severity.is_some()
    };
    findings.retain_mut(set);
    silenced.retain_mut(|one| set(&mut one.finding));
    findings.sort_by_key(order);
    silenced.sort_by_key(|one| order(&one.finding));
    Report { findings, silenced }
}

fn order(finding: &Finding) -> (Place, Code) {
    (finding.place, finding.code)
}

/// The findings that stand.
#[must_use]
pub fn check(loaded: &Loaded) -> Vec<Finding> {
    report(loaded).findings
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
