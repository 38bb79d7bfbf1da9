//! `tidewater init`: a new workspace that lints, tests and serves as it is.

use std::path::PathBuf;
use std::process::ExitCode;

use super::demo::write_files;
use super::output::{Done, Failure};

/// Make a new workspace.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tidewater init my-shop && cd my-shop && tidewater lint && tidewater test")]
pub(super) struct Arguments {
    /// The folder to make; it must be empty or not there.
    folder: PathBuf,
}

macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../examples/newsletter/", $path)))
    };
}

/// The smallest whole workspace: people sign up, are welcomed, and may leave again.
const FILES: &[(&str, &str)] = &[
    file!("tidewater.yaml"),
    file!("rules/people.tide"),
    file!("rules/segments.tide"),
    file!("journeys/welcome.yaml"),
    file!("templates/welcome.html"),
    file!("templates/welcome.txt"),
    file!("templates/tips.html"),
    file!("scenarios/welcome.yaml"),
    (".gitignore", "/data\n"),
];

pub(super) fn run(arguments: &Arguments) -> Done {
    let folder = &arguments.folder;
    let is_used = folder.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if is_used || folder.is_file() {
        return Err(Failure::new(format!("`{}` is there already and not empty", folder.display())));
    }
    write_files(folder, FILES)?;
    let path = folder.display();
    anstream::println!("made {} files in {path}\n", FILES.len());
    anstream::println!("  cd {path}");
    anstream::println!("  tidewater lint      checks what you write");
    anstream::println!("  tidewater test      plays the scenarios in virtual time");
    anstream::println!("  tidewater serve     runs it; set where mail goes in tidewater.yaml");
    Ok(ExitCode::SUCCESS)
}
