//! The commands: one file each; print and exit, no logic of their own.

mod against;
mod apply;
mod bench;
mod check;
mod demo;
mod drawing;
mod fmt;
mod init;
mod lint;
mod outbox;
mod output;
mod panics;
mod plan;
mod privacy;
mod profile;
mod quarantine;
mod report;
mod schema;
mod segment;
mod serve;
mod server;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use output::Failure;

/// A customer data platform that you write down.
#[derive(Debug, Parser)]
#[command(name = "tidewater", version, arg_required_else_help = true, max_term_width = 110)]
#[command(after_help = "Start with `tidewater demo`, or `tidewater init my-shop`. Exit codes: 0 well, 1 findings or \
failure, 2 wrong usage.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Init(init::Arguments),
    Lint(lint::Arguments),
    Fmt(fmt::Arguments),
    Schema(schema::Arguments),
    Test(test::Arguments),
    Serve(serve::Arguments),
    Plan(plan::Arguments),
    Apply(apply::Arguments),
    #[command(subcommand)]
    Bench(bench::Command),
    #[command(subcommand)]
    Segment(segment::Command),
    #[command(subcommand)]
    Profile(profile::Command),
    #[command(subcommand)]
    Privacy(privacy::Command),
    #[command(subcommand)]
    Report(report::Command),
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
}

/// Reads the command line, carries the command out, and says how it went.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Fmt(arguments) => fmt::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Apply(arguments) => apply::run(&arguments),
        Command::Bench(command) => bench::run(command),
        Command::Segment(command) => segment::run(command),
        Command::Profile(command) => profile::run(command),
        Command::Privacy(command) => privacy::run(command),
        Command::Report(command) => report::run(command),
        Command::Outbox(command) => outbox::run(command),
        Command::Quarantine(command) => quarantine::run(command),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            anstream::eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
