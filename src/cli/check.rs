//! A workspace with all that is to be said of it.

use std::path::Path;

use crate::finding::Severity;
use crate::lint::Report;
use crate::workspace::load::Loaded;

use super::drawing::drawn;
use super::output::{Failure, load_workspace};

/// A workspace that was read, and looked at as a whole where it could be read at all.
pub(super) struct Checked {
    pub(super) loaded: Loaded,
    pub(super) report: Report,
}

impl From<Loaded> for Checked {
    fn from(loaded: Loaded) -> Self {
        let report = crate::lint::report(&loaded);
        Self { loaded, report }
    }
}

/// Reads the workspace in this folder and looks at it.
pub(super) fn checked(folder: &Path) -> Result<Checked, Failure> {
    load_workspace(folder).map(Checked::from)
}

/// Draws the findings down to this severity, as people read them.
pub(super) fn print_findings(checked: &Checked, down_to: Severity) {
    for finding in checked.report.findings.iter().filter(|finding| finding.severity <= down_to) {
        anstream::eprintln!("{}\n", drawn(finding, &checked.loaded));
    }
}

/// `2 errors, 1 warning, 1 silenced in 7 files`.
pub(super) fn summary(checked: &Checked) -> String {
    let findings = &checked.report.findings;
    let severities = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    let mut counts: Vec<String> = severities
        .iter()
        .map(|(severity, word)| (findings.iter().filter(|finding| finding.severity == *severity).count(), word))
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}{}", if n == 1 { "" } else { "s" }))
        .collect();
    if counts.is_empty() {
        counts.push("no findings".to_owned());
    }
    let silenced = checked.report.silenced.len();
    if silenced > 0 {
        counts.push(format!("{silenced} silenced"));
    }
    let files = checked.loaded.sources.iter().count();
    format!("{} in {files} file{}", counts.join(", "), if files == 1 { "" } else { "s" })
}
