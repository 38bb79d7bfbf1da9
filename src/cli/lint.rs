//! `tidewater lint`: every mistake with its place and what to do about it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::finding::{Code, Finding, Fix, Severity, SourceId};

use super::against::hold_against;
use super::check::{self, Checked, print_findings, summary};
use super::drawing::{as_json, as_sarif, for_github};
use super::output::{Done, Failure, print_json};

/// Check rules, journeys, templates, scenarios and settings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidewater lint\n  tidewater lint examples/newsletter --format json\n  tidewater \
lint --fix\n  tidewater lint --against\n  tidewater lint my-shop --against postgres://shop@db.example/tidewater\n  \
tidewater lint --explain TW203")]
pub(super) struct Arguments {
    /// Folder of the workspace.
    #[arg(default_value = ".")]
    path: PathBuf,
    #[arg(long, value_enum, default_value_t)]
    format: LintFormat,
    /// Draw notes as well, which are only counted otherwise.
    #[arg(long)]
    notes: bool,
    /// Look into data as well, for values that nobody has, events that stopped and the like: into the database at this
    /// address, or into the workspace's own where none is given. Nothing in it is changed.
    #[arg(long, value_name = "DATABASE", num_args = 0..=1)]
    against: Option<Option<String>>,
    /// Write the changes that a machine can know.
    #[arg(long)]
    fix: bool,
    /// Explain a finding by its code, such as TW203.
    #[arg(long, value_name = "CODE", exclusive = true)]
    explain: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum LintFormat {
    #[default]
    Human,
    Json,
    Sarif,
    Github,
}

pub(super) fn run(arguments: &Arguments) -> Done {
    if let Some(number) = &arguments.explain {
        return explain(number);
    }
    let mut checked = look(arguments)?;
    if arguments.fix {
        let written = write_fixes(&checked, &arguments.path)?;
        if written > 0 {
            anstream::eprintln!("{written} change{} written", if written == 1 { "" } else { "s" });
            checked = look(arguments)?;
        }
    }
    print(&checked, arguments)?;
    Ok(if checked.report.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn look(arguments: &Arguments) -> Result<Checked, Failure> {
    let checked = check::checked(&arguments.path)?;
    match &arguments.against {
        Some(database) => hold_against(checked, database.as_deref(), &arguments.path),
        None => Ok(checked),
    }
}

fn print(checked: &Checked, arguments: &Arguments) -> Result<(), Failure> {
    let Checked { loaded, report } = checked;
    match arguments.format {
        LintFormat::Human => {
            print_findings(checked, if arguments.notes { Severity::Note } else { Severity::Warning });
            let has_notes = report.findings.iter().any(|finding| finding.severity == Severity::Note);
            let hint = if has_notes && !arguments.notes { " (--notes draws the notes)" } else { "" };
            anstream::println!("{}{hint}", summary(checked));
        }
        LintFormat::Json => print_json(&as_json(report, loaded))?,
        LintFormat::Sarif => print_json(&as_sarif(report, loaded))?,
        LintFormat::Github => {
            for finding in &report.findings {
                anstream::println!("{}", for_github(finding, loaded));
            }
        }
    }
    Ok(())
}

fn explain(number: &str) -> Done {
    let Some(code) = Code::find(number) else {
        return Err(Failure::new(format!("there is no finding `{number}`; codes look like TW203")));
    };
    anstream::println!("{}", code.page().trim_end());
    Ok(ExitCode::SUCCESS)
}

/// Writes all fixes that do not overlap, each file once, from its end to its beginning.
fn write_fixes(checked: &Checked, folder: &Path) -> Result<usize, Failure> {
    let mut by_file: BTreeMap<SourceId, Vec<&Fix>> = BTreeMap::new();
    for Finding { fix, .. } in &checked.report.findings {
        if let Some(fix) = fix {
            by_file.entry(fix.place.source).or_default().push(fix);
        }
    }
    let mut written = 0;
    for (source, mut fixes) in by_file {
        let file = checked.loaded.sources.get(source);
        let mut text = file.text.to_string();
        fixes.sort_by_key(|fix| std::cmp::Reverse(fix.place.span));
        let mut untouched = text.len();
        for fix in fixes {
            if fix.place.span.end > untouched {
                continue;
            }
            text.replace_range(fix.place.span.start..fix.place.span.end, &fix.replacement);
            untouched = fix.place.span.start;
            written += 1;
        }
        std::fs::write(folder.join(&file.path), text)?;
    }
    Ok(written)
}
