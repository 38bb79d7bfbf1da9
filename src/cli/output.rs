//! What all commands share in how they print: two formats, tables, and failures that say what to do.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::store::Database;
use crate::workspace::Config;
use crate::workspace::load::{Loaded, load};

/// For people, or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Format {
    #[default]
    Human,
    Json,
}

/// What a command returns: an exit code, or why it could not do its work.
pub(super) type Done = Result<ExitCode, Failure>;

/// Why a command could not do its work, for the person who typed it.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        write!(f, "{style}error{style:#}: {}", self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Prints a value as indented JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    anstream::println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A table with a head, columns as wide as they must be; numbers stand on the right.
pub(super) fn print_table(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let is_number = |column: usize| {
        !rows.is_empty() && rows.iter().all(|row| row[column].parse::<f64>().is_ok() || row[column] == "-")
    };
    let line = |cells: &[String]| {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let blanks = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            if is_number(column) { format!("{blanks}{cell}") } else { format!("{cell}{blanks}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let bold = Style::new().bold();
    let titles: Vec<String> = head.iter().map(|title| (*title).to_owned()).collect();
    anstream::println!("{bold}{}{bold:#}", line(&titles));
    for row in rows {
        anstream::println!("{}", line(row));
    }
}

/// Reads a workspace; a folder without one is a failure that says how to make one.
pub(super) fn load_workspace(folder: &Path) -> Result<Loaded, Failure> {
    if !folder.is_dir() {
        return Err(Failure::new(format!("there is no folder `{}`", folder.display())));
    }
    load(folder).map_err(|error| Failure::new(format!("`{}` cannot be read: {error}", folder.display())))
}

/// Where a command finds the database of a workspace.
#[derive(Debug, clap::Args)]
pub(super) struct DatabaseArguments {
    /// Folder of the workspace.
    #[arg(long, default_value = ".", value_name = "DIR")]
    workspace: PathBuf,
    /// Another database than `tidewater.yaml` names, such as sqlite://data/tidewater.db.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

impl DatabaseArguments {
    /// The address of the database.
    pub(super) fn url(&self) -> Result<String, Failure> {
        if let Some(url) = &self.database {
            return Ok(url.clone());
        }
        let loaded = load_workspace(&self.workspace)?;
        let config = loaded.config.ok_or_else(|| {
            Failure::new(
                "`tidewater.yaml` is missing or has errors; `tidewater lint` shows them, --database goes without it",
            )
        })?;
        Ok(database_url(&config, &self.workspace))
    }

    /// The database that is there.
    pub(super) async fn open(&self) -> Result<Database, Failure> {
        Ok(Database::open_existing(&self.url()?).await?)
    }
}

/// The database of a workspace: a relative SQLite path counts from the workspace's folder.
pub(super) fn database_url(config: &Config, folder: &Path) -> String {
    match config.database.strip_prefix("sqlite://") {
        Some(path) if !path.starts_with('/') => format!("sqlite://{}", folder.join(path).display()),
        _ => config.database.clone(),
    }
}

/// Runs the work of a command that needs no actors.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// A number that counts on standard error while work goes on; silent where nobody watches.
pub(super) fn counter(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {pos} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style).with_message(what)
}
