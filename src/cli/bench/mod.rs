//! `tidewater bench`: how fast and how large the real server is on this machine, beside what the machine can do at best.

mod client;
mod disk;
mod ingest;
mod limits;
mod load;
mod profiles;
mod server;
mod shape;
mod waiting;
mod workspace;

use std::process::ExitCode;

use serde::Serialize;

use super::output::{Done, Format, print_json};

/// Measure the server on this machine.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Load on a real server over HTTP: durable, applied, under 100 segments and 5 journeys, beside this machine's limits.
    #[command(
        after_help = "Starts servers of its own on empty databases in a folder that is removed afterwards; the load shares \
the machine with them. Take a release build, and a quiet machine.\n\nExamples:\n  tidewater bench ingest\n  tidewater \
bench ingest --seconds 30 --format json"
    )]
    Ingest(ingest::Arguments),
    /// What customers take on disk and in memory, and how long a restart takes, after a stop and after kill -9.
    #[command(
        after_help = "Starts servers of its own on a database in a folder that is removed afterwards ($TMPDIR says where; \
a million customers take some GB).\n\nExamples:\n  tidewater bench profiles\n  tidewater bench profiles --customers 1000000 \
--format json"
    )]
    Profiles(profiles::Arguments),
    /// What runs of journeys that wait for a far day take of memory and disk.
    #[command(
        after_help = "Starts servers of its own on a database in a folder that is removed afterwards ($TMPDIR says where; \
ten million runs take some GB).\n\nExamples:\n  tidewater bench waiting\n  tidewater bench waiting --runs 10000000"
    )]
    Waiting(waiting::Arguments),
}

/// What was measured.
trait Report: Serialize {
    /// As tables for people.
    fn print(&self);
}

pub(super) fn run(command: Command) -> Done {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    match command {
        Command::Ingest(arguments) => print(&runtime.block_on(ingest::measure(&arguments))?, arguments.format),
        Command::Profiles(arguments) => print(&runtime.block_on(profiles::measure(&arguments))?, arguments.format),
        Command::Waiting(arguments) => print(&runtime.block_on(waiting::measure(&arguments))?, arguments.format),
    }
}

fn print(report: &impl Report, format: Format) -> Done {
    match format {
        Format::Json => print_json(report)?,
        Format::Human => report.print(),
    }
    Ok(ExitCode::SUCCESS)
}

/// What is being measured now, for whoever waits.
fn tell(what: &str) {
    anstream::eprintln!("{what} …");
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// With one digit after the point.
fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1_000_000.0)
}
