//! `tidewater report`: what came of journeys.

use std::process::ExitCode;

use crate::analytics::{JourneyReport, journey_report};

use super::output::{DatabaseArguments, Done, Failure, Format, block_on, print_json, print_table};

/// Look at what came of it.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// A journey: who entered, waits, got and clicked what, reached the goal, and left.
    #[command(after_help = "Example:\n  tidewater report journey cart-recovery")]
    Journey {
        /// Name of the journey.
        name: String,
        #[command(flatten)]
        database: DatabaseArguments,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

pub(super) fn run(command: Command) -> Done {
    let Command::Journey { name, database, format } = command;
    block_on(async {
        let report = journey_report(&database.open().await?, &name).await?;
        match format {
            Format::Json => print_json(&report)?,
            Format::Human if report.entered == 0 => {
                return Err(Failure::new(format!("nobody has entered a journey `{name}`")));
            }
            Format::Human => print_journey(&report),
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// One journey as two tables: the whole, and its steps.
pub(super) fn print_journey(report: &JourneyReport) {
    print_table(&HEAD, &[row(report)]);
    for (reason, runs) in &report.exited {
        anstream::println!("  {runs} left: {}", reason.replace('_', " "));
    }
    let steps: Vec<Vec<String>> = report
        .steps
        .iter()
        .map(|step| {
            let numbers = [step.reached, step.waiting, step.outcomes.sent, step.outcomes.failed, step.clicked];
            [step.step.clone()].into_iter().chain(numbers.map(|n| n.to_string())).collect()
        })
        .collect();
    if !steps.is_empty() {
        anstream::println!();
        print_table(&["step", "reached", "waiting", "sent", "failed", "clicked"], &steps);
    }
}

/// The columns of a journey in a list of journeys.
pub(super) const HEAD: [&str; 10] =
    ["journey", "entered", "waiting", "sent", "failed", "suppressed", "unknown", "clicked", "goal reached", "exited"];

/// A journey as a row under [`HEAD`].
pub(super) fn row(report: &JourneyReport) -> Vec<String> {
    let exited: i64 = report.exited.values().sum();
    let numbers = [
        report.entered,
        report.waiting,
        report.outcomes.sent,
        report.outcomes.failed,
        report.outcomes.suppressed,
        report.outcomes.unknown,
        report.clicked,
        report.goal_reached,
        exited,
    ];
    [report.journey.clone()].into_iter().chain(numbers.map(|n| n.to_string())).collect()
}
