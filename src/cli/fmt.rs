//! `tidewater fmt`: the one layout of rule files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::lang::format;

use super::output::{Done, Failure};

/// Bring rule files into their one layout.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidewater fmt\n  tidewater fmt --check\n  tidewater fmt rules/segments.tide")]
pub(super) struct Arguments {
    /// A workspace, a folder, or a rule file.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Change nothing; exit with 1 where a file would change.
    #[arg(long)]
    check: bool,
}

pub(super) fn run(arguments: &Arguments) -> Done {
    let files = rule_files(&arguments.path)?;
    let mut changed = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::new(format!("`{}` cannot be read: {error}", file.display())))?;
        let formatted = format(&text);
        if formatted != text {
            if !arguments.check {
                std::fs::write(file, formatted)?;
            }
            changed.push(file.display().to_string());
        }
    }
    let verb = if arguments.check { "would change" } else { "changed" };
    for file in &changed {
        anstream::println!("{verb} {file}");
    }
    anstream::println!("{} of {} rule files {verb}", changed.len(), files.len());
    let is_failure = arguments.check && !changed.is_empty();
    Ok(if is_failure { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn rule_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let folder = if path.join("rules").is_dir() { path.join("rules") } else { path.to_owned() };
    let entries = std::fs::read_dir(&folder)
        .map_err(|error| Failure::new(format!("`{}` cannot be read: {error}", folder.display())))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "tide"))
        .collect();
    files.sort();
    Ok(files)
}
