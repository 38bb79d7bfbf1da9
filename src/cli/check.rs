//! A workspace with all its findings: those of reading it and those of lint.

use std::path::Path;

use crate::finding::Severity;
use crate::workspace::load::Loaded;

use super::drawing::drawn;
use super::output::{Failure, load_workspace};

/// Reads a workspace and looks at it as a whole, where it could be read at all.
pub(super) fn checked(folder: &Path) -> Result<Loaded, Failure> {
    let mut loaded = load_workspace(folder)?;
    loaded.findings = crate::lint::check(&loaded);
    Ok(loaded)
}

/// Draws the findings down to this severity, as people read them.
pub(super) fn print_findings(loaded: &Loaded, down_to: Severity) {
    for finding in loaded.findings.iter().filter(|finding| finding.severity <= down_to) {
        anstream::eprintln!("{}\n", drawn(finding, loaded));
    }
}

/// `2 errors, 1 warning in 7 files`.
pub(super) fn summary(loaded: &Loaded) -> String {
    let count = |severity: Severity, word: &str| {
        let n = loaded.findings.iter().filter(|finding| finding.severity == severity).count();
        (n > 0).then(|| format!("{n} {word}{}", if n == 1 { "" } else { "s" }))
    };
    let counts: Vec<String> =
        [count(Severity::Error, "error"), count(Severity::Warning, "warning"), count(Severity::Note, "note")]
            .into_iter()
            .flatten()
            .collect();
    let files = loaded.sources.iter().count();
    let found = if counts.is_empty() { "no findings".to_owned() } else { counts.join(", ") };
    format!("{found} in {files} file{}", if files == 1 { "" } else { "s" })
}
