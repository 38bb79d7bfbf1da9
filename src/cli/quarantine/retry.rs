//! `tidewater quarantine retry`: what was refused, through a running server once more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value as Json, json};

use crate::cli::output::{Done, Failure, Format, counter, print_json, print_table};
use crate::cli::server::Server;

/// Try again what was refused: under the rules of now, with the time at which it came.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is taken leaves the quarantine; what is refused again stays, with what is wrong now. An event whose \
messageId was taken meanwhile counts once. What the engine failed on was passed over for good, and comes as a new entry.\n\n\
Examples:\n  tidewater quarantine retry 5f0c2a9e1b7d43c68e2f90ab13cd5e77 --set properties.revenue=12.5\n  tidewater quarantine \
retry --reason plan_breach --source shop\n  tidewater quarantine show 5f0c… --format json > event.json\n  tidewater quarantine \
retry 5f0c… --payload event.json"
)]
pub(in crate::cli) struct Arguments {
    /// Ids, as `tidewater quarantine list` shows them.
    #[arg(value_name = "ID", required_unless_present_any = ["source", "reason", "all"])]
    ids: Vec<String>,
    /// Only what came from this source.
    #[arg(long)]
    source: Option<String>,
    /// Only what was refused with this code, such as `plan_breach` or `poison`.
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Everything.
    #[arg(long, conflicts_with_all = ["ids", "source", "reason"])]
    all: bool,
    /// Put a value into the event before: a path, `=`, and JSON or a text. May be given several times.
    #[arg(long, value_name = "PATH=VALUE", value_parser = assignment)]
    set: Vec<(String, Json)>,
    /// Take this file instead of what came: an event, or what `quarantine show --format json` prints.
    #[arg(long, value_name = "FILE", requires = "ids")]
    payload: Option<PathBuf>,
    /// Folder of the workspace.
    #[arg(long, default_value = ".", value_name = "DIR")]
    workspace: PathBuf,
    /// Where the server is reached; otherwise at `listen` of `tidewater.yaml`, on this machine.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const RETRY: &str = "/api/v1/quarantine/retry";

fn assignment(text: &str) -> Result<(String, Json), String> {
    let (path, value) = text.split_once('=').ok_or("write it as PATH=VALUE, such as properties.revenue=12.5")?;
    Ok((path.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Json::from(value))))
}

fn read(file: &Path) -> Result<Json, Failure> {
    let unreadable =
        |error: &dyn std::fmt::Display| Failure::new(format!("`{}` cannot be read: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(&error))?;
    let mut json: Json = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
    let is_shown = json.get("id").is_some() && json.get("received_at").is_some();
    Ok(if is_shown { json["payload"].take() } else { json })
}

/// What became of all of them.
#[derive(Debug, Default)]
struct Told {
    taken: Vec<Json>,
    refused: Vec<Json>,
    never: Vec<Json>,
}

pub(super) async fn run(arguments: Arguments) -> Done {
    let Arguments { ids, source, reason, all, set, payload, workspace, server, format } = arguments;
    if payload.is_some() && ids.len() > 1 {
        return Err(Failure::new("--payload is one event: name one id"));
    }
    let payload = payload.as_deref().map(read).transpose()?;
    let server = Server::of_workspace(&workspace, server.as_deref())?;
    let mut asked = json!({
        "ids": ids, "source": source, "code": reason, "all": all, "mend": { "payload": payload, "set": set },
    });
    let mut told = Told::default();
    let bar = counter("tried again");
    loop {
        let mut answer = server.post(RETRY, &asked).await?;
        for (list, name) in [(&mut told.taken, "taken"), (&mut told.refused, "refused"), (&mut told.never, "never")] {
            list.extend(answer[name].as_array_mut().map(std::mem::take).unwrap_or_default());
        }
        bar.set_position((told.taken.len() + told.refused.len() + told.never.len()) as u64);
        asked["after"] = answer["next"].take();
        if asked["after"].is_null() {
            break;
        }
    }
    bar.finish_and_clear();
    let known: BTreeSet<&str> = told
        .taken
        .iter()
        .chain(told.refused.iter().chain(&told.never).map(|one| &one["id"]))
        .filter_map(Json::as_str)
        .collect();
    let missing: Vec<&String> = ids.iter().filter(|id| !known.contains(id.as_str())).collect();
    print(&told, &missing, format)?;
    let is_well = told.refused.is_empty() && missing.is_empty() && (ids.is_empty() || told.never.is_empty());
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(told: &Told, missing: &[&String], format: Format) -> Result<(), Failure> {
    let Told { taken, refused, never } = told;
    if format == Format::Json {
        return print_json(&json!({ "taken": taken, "refused": refused, "never": never, "missing": missing }));
    }
    anstream::println!("{} taken, {} refused again", taken.len(), refused.len());
    let text = |one: &Json, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let stays = refused.iter().chain(never).map(|one| vec![text(one, "id"), text(one, "reason")]);
    let missing = missing.iter().map(|id| vec![(*id).clone(), "nothing in the quarantine has this id".to_owned()]);
    let rows: Vec<Vec<String>> = stays.chain(missing).collect();
    if !rows.is_empty() {
        print_table(&["id", "why it stays"], &rows);
    }
    Ok(())
}
