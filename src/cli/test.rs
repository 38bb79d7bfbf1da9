//! `tidewater test`: plays the scenarios of a workspace in virtual time.

use std::path::PathBuf;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde_json::json;

use crate::engine::scenario::{self, ScenarioReport};
use crate::workspace::load::Loaded;

use crate::finding::Severity;

use super::check::{checked, print_findings};
use super::output::{Done, Failure, Format, print_json};

/// Play the scenarios of a workspace in virtual time.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidewater test\n  tidewater test --only \"cart\" --story\n  tidewater test --format json"
)]
pub(super) struct Arguments {
    /// Folder of the workspace.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Only scenarios whose name or file contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Tell what happened in each, line by line.
    #[arg(long)]
    story: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> Done {
    let checked = checked(&arguments.path)?;
    let loaded = &checked.loaded;
    let Some(program) = loaded.program.as_deref() else {
        print_findings(&checked, Severity::Error);
        return Err(Failure::new("the workspace has errors, so nothing can be played"));
    };
    if checked.report.has_errors() {
        print_findings(&checked, Severity::Error);
    }
    let wanted = |name: &str| arguments.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let reports: Vec<ScenarioReport> = loaded
        .scenarios
        .iter()
        .filter(|scenario| wanted(&scenario.name) || wanted(&scenario.path))
        .map(|scenario| scenario::run(program, scenario))
        .collect();
    let failed = reports.iter().filter(|report| !report.passed()).count();
    match arguments.format {
        Format::Json => print_json(&as_json(&reports, loaded))?,
        Format::Human => print(&reports, loaded, arguments.story),
    }
    let is_well = failed == 0 && !checked.report.has_errors();
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(reports: &[ScenarioReport], loaded: &Loaded, story: bool) {
    let green = Style::new().fg_color(Some(AnsiColor::Green.into()));
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    for report in reports {
        if report.passed() {
            anstream::println!("{green}passed{green:#}  {} ({})", report.name, report.path);
        } else {
            anstream::println!("{red}failed{red:#}  {} ({})", report.name, report.path);
        }
        for failure in &report.failures {
            let (path, at) = loaded.locate(failure.place);
            anstream::println!("  {path}:{}:{} at {}", at.line, at.column, failure.at);
            anstream::println!("    {}", failure.message);
        }
        if story || !report.passed() {
            for line in &report.story {
                anstream::println!("    {line}");
            }
        }
    }
    let failed = reports.iter().filter(|report| !report.passed()).count();
    anstream::println!("{} scenarios passed, {failed} failed", reports.len() - failed);
}

fn as_json(reports: &[ScenarioReport], loaded: &Loaded) -> serde_json::Value {
    let scenarios: Vec<_> = reports
        .iter()
        .map(|report| {
            let failures: Vec<_> = report
                .failures
                .iter()
                .map(|failure| {
                    let (path, at) = loaded.locate(failure.place);
                    json!({"path": path, "line": at.line, "column": at.column, "at": failure.at, "message": failure.message})
                })
                .collect();
            json!({"name": report.name, "path": report.path, "passed": report.passed(), "failures": failures, "story": report.story})
        })
        .collect();
    let failed = reports.iter().filter(|report| !report.passed()).count();
    json!({"passed": reports.len() - failed, "failed": failed, "scenarios": scenarios})
}
