//! The `tidewater` command.

use std::process::ExitCode;

/// Much is made on one thread and let go on another, small and short-lived: the system's allocator is slow at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tidewater::cli::run()
}
