//! `tidewater schema`: the form of a YAML file, for editors.

use std::process::ExitCode;

use crate::workspace::schema::{OF_JOURNEYS, OF_SCENARIOS, OF_SETTINGS};

use super::output::{Done, print_json};

/// Print the JSON Schema of a kind of file, by which editors complete and check it (docs/editors.md).
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidewater schema journey > schemas/journey.schema.json\n  tidewater schema config"
)]
pub(super) struct Arguments {
    /// The kind of file.
    #[arg(value_enum)]
    file: File,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum File {
    /// journeys/*.yaml
    Journey,
    /// scenarios/*.yaml
    Scenario,
    /// tidewater.yaml
    Config,
}

pub(super) fn run(arguments: &Arguments) -> Done {
    let document = match arguments.file {
        File::Journey => &OF_JOURNEYS,
        File::Scenario => &OF_SCENARIOS,
        File::Config => &OF_SETTINGS,
    };
    print_json(&document.schema())?;
    Ok(ExitCode::SUCCESS)
}
