//! `tidewater plan`: what the files on disk would change against what runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::actors::Clock;
use crate::analytics::plan::{Changes, Runs, Sizes, changes};
use crate::finding::Severity;
use crate::lint::against::as_deployed;
use crate::store::Database;
use crate::workspace::Program;
use crate::workspace::load::{Loaded, compile};

use super::check::{Checked, checked, print_findings, summary};
use super::output::{Done, Failure, Format, block_on, database_url, print_json, print_table};

/// Show what the files on disk would change against what runs, over the customers that there are.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing is changed: the database is opened to look, and each customer is tried under both programs.\n\n\
Examples:\n  tidewater plan\n  tidewater plan --workspace my-shop --format json"
)]
pub(super) struct Arguments {
    /// Folder of the workspace.
    #[arg(long, default_value = ".", value_name = "DIR")]
    workspace: PathBuf,
    /// Another database than `tidewater.yaml` names.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What became of a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Added,
    Removed,
    Changed,
    Same,
}

#[derive(Debug, Serialize)]
struct Plan {
    /// Versions: what runs, and what the files would make of it.
    from: String,
    to: String,
    profiles: u64,
    segments: Vec<Segment>,
    journeys: Vec<Journey>,
    /// Effects that the deploy itself would decide, by channel.
    effects: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct Segment {
    name: String,
    change: Change,
    #[serde(flatten)]
    sizes: Sizes,
    /// It looks at more of the past than was kept: each customer's history is read.
    backfilled: bool,
}

#[derive(Debug, Serialize)]
struct Journey {
    name: String,
    change: Change,
    #[serde(flatten)]
    runs: Runs,
}

pub(super) fn run(arguments: &Arguments) -> Done {
    let checked = fit_to_run(&arguments.workspace)?;
    let url = match (&arguments.database, &checked.loaded.config) {
        (Some(url), _) => url.clone(),
        (None, Some(config)) => database_url(config, &arguments.workspace),
        (None, None) => return Err(Failure::new("`tidewater.yaml` has errors; --database goes without it")),
    };
    let plan = block_on(plan(&checked.loaded, &url))?;
    match arguments.format {
        Format::Json => print_json(&plan)?,
        Format::Human => plan.print(),
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a workspace that is to decide: one with errors is a failure, and they are shown.
pub(super) fn fit_to_run(folder: &std::path::Path) -> Result<Checked, Failure> {
    let checked = checked(folder)?;
    if checked.loaded.program.is_none() || checked.report.has_errors() {
        print_findings(&checked, Severity::Error);
        return Err(Failure::new(format!("the workspace cannot run: {}", summary(&checked))));
    }
    Ok(checked)
}

async fn plan(here: &Loaded, url: &str) -> Result<Plan, Failure> {
    let Some(after) = here.program.clone() else { return Err(Failure::new("the workspace has errors")) };
    let database = Database::open_to_look(url).await?;
    let Some((from, sources)) = database.active_program().await? else {
        return Err(Failure::new(format!(
            "nothing runs on {url} yet: `tidewater serve` takes the files up as they are"
        )));
    };
    let there = compile(sources, &|_| None);
    let before = there
        .program
        .clone()
        .ok_or_else(|| Failure::new("the program that runs cannot be read by this version of tidewater"))?;
    let bar = super::output::counter("customers looked at");
    let counted = changes(&database, &before, &after, Clock::system().now(), |count| bar.set_position(count)).await;
    bar.finish_and_clear();
    database.close().await;
    let same = as_deployed((&after, &here.sources), (&before, &there.sources));
    Ok(Plan::new(from, (&before, &after), &same, counted?))
}

impl Plan {
    fn new(from: String, (before, after): (&Program, &Program), same: &BTreeSet<String>, counted: Changes) -> Self {
        let Changes { profiles, segments, journeys, effects, backfilled } = counted;
        let segments_of = |program: &Program| names(program.rules.segments.iter().map(|segment| &segment.name));
        let journeys_of = |program: &Program| names(program.journeys.iter().map(|journey| &journey.name));
        let segments = compare(&segments_of(before), &segments_of(after), |name| same.contains(name))
            .map(|(name, change)| Segment {
                sizes: segments.get(&name).copied().unwrap_or_default(),
                backfilled: backfilled.contains(&name),
                name,
                change,
            })
            .collect();
        let is_same_text = |name: &str| journey_text(before, name) == journey_text(after, name);
        let journeys = compare(&journeys_of(before), &journeys_of(after), is_same_text)
            .map(|(name, change)| Journey { runs: journeys.get(&name).copied().unwrap_or_default(), name, change })
            .collect();
        Self { from, to: after.version.clone(), profiles, segments, journeys, effects }
    }

    fn print(&self) {
        if self.from == self.to {
            return anstream::println!("nothing would change: these files are in force (version {})", self.to);
        }
        anstream::println!("from version {} to {}, over {} customers\n", self.from, self.to, self.profiles);
        let segments: Vec<Vec<String>> =
            self.segments.iter().filter(|segment| segment.is_news()).map(Segment::row).collect();
        match segments.is_empty() {
            true => anstream::println!("no segment changes"),
            false => print_table(&["segment", "", "before", "after", "enter", "leave", "history"], &segments),
        }
        anstream::println!();
        let journeys: Vec<Vec<String>> =
            self.journeys.iter().filter(|journey| journey.is_news()).map(Journey::row).collect();
        match journeys.is_empty() {
            true => anstream::println!("no journey changes"),
            false => print_table(&["journey", "", "runs", "end", "start"], &journeys),
        }
        anstream::println!();
        let effects: Vec<String> =
            self.effects.iter().map(|(channel, count)| format!("{count} to {channel}")).collect();
        match effects.is_empty() {
            true => anstream::println!("nothing is sent by the change itself"),
            false => anstream::println!("sent by the change itself: {}", effects.join(", ")),
        }
    }
}

impl Segment {
    fn is_news(&self) -> bool {
        self.change != Change::Same || self.sizes.entering + self.sizes.leaving > 0
    }

    fn row(&self) -> Vec<String> {
        let Sizes { before, after, entering, leaving } = self.sizes;
        let numbers = [before, after, entering, leaving].map(|number| number.to_string());
        let history = if self.backfilled { "is read" } else { "" };
        let words = [self.name.clone(), self.change.word().to_owned()];
        words.into_iter().chain(numbers).chain([history.to_owned()]).collect()
    }
}

impl Journey {
    fn is_news(&self) -> bool {
        self.change != Change::Same || self.runs.ended + self.runs.started > 0
    }

    fn row(&self) -> Vec<String> {
        let Runs { open, ended, started } = self.runs;
        let words = [self.name.clone(), self.change.word().to_owned()];
        words.into_iter().chain([open, ended, started].map(|number| number.to_string())).collect()
    }
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Same => "",
        }
    }
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    names.cloned().collect()
}

/// Each name of either side, with what became of it.
fn compare<'a>(
    before: &'a BTreeSet<String>,
    after: &'a BTreeSet<String>,
    is_same: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = (String, Change)> + 'a {
    before.union(after).map(move |name| {
        let change = match (before.contains(name), after.contains(name)) {
            (false, _) => Change::Added,
            (_, false) => Change::Removed,
            _ if is_same(name) => Change::Same,
            _ => Change::Changed,
        };
        (name.clone(), change)
    })
}

/// The YAML document of a journey, without comments and blank lines.
fn journey_text(program: &Program, name: &str) -> Vec<String> {
    let files = program.sources.iter().filter(|(path, _)| path.starts_with("journeys/"));
    let mut documents = files.flat_map(|(_, text)| text.split("\n---"));
    let is_it =
        |line: &str| line.strip_prefix("journey:").is_some_and(|rest| rest.trim().trim_matches(['"', '\'']) == name);
    let document = documents.find(|document| document.lines().any(is_it)).unwrap_or_default();
    let lines = document.lines().map(str::trim_end);
    lines.filter(|line| !line.is_empty() && !line.trim_start().starts_with('#')).map(str::to_owned).collect()
}
