//! The `tidewater` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidewater::cli::run()
}
