//! `tidewater profile`: one customer.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::engine::explain::profile_view;
use crate::engine::{Profile, snapshot};
use crate::model::{ProfileId, Timestamp};
use crate::store::Database;
use crate::workspace::Program;
use crate::workspace::load::recompile;

use super::output::{DatabaseArguments, Done, Failure, Format, block_on, print_json, print_table};

/// Look at one customer.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Traits, segments, consent, journeys, and the newest events.
    #[command(
        after_help = "Examples:\n  tidewater profile show user_id:ada\n  tidewater profile show ada\n  tidewater \
profile show 4f5e0c…32 digits --format json"
    )]
    Show {
        /// A bare user id, `user_id:ada`, `anonymous_id:…`, or a profile's id, as it is or as `profile:…`.
        who: String,
        /// So many of the newest events.
        #[arg(long, default_value_t = 10)]
        events: u64,
        #[command(flatten)]
        database: DatabaseArguments,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

pub(super) fn run(command: Command) -> Done {
    let Command::Show { who, events, database, format } = command;
    block_on(async {
        let store = database.open().await?;
        let view = view(&store, &who, events).await?;
        match format {
            Format::Json => print_json(&view)?,
            Format::Human => print(&view),
        }
        Ok(ExitCode::SUCCESS)
    })
}

pub(super) async fn find(store: &Database, who: &str) -> Result<ProfileId, Failure> {
    store.named(who).await?.map_err(|why| Failure::new(why.to_string()))
}

/// A profile as it was saved last, and the program that is in force.
pub(super) async fn load(store: &Database, id: ProfileId) -> Result<(Profile, Arc<Program>), Failure> {
    let saved = store.load_profiles(&[id]).await?;
    let Some(saved) = saved.first() else {
        return Err(Failure::new(format!("the profile {id} has not been saved yet; try again in a moment")));
    };
    let profile = snapshot::decode(&saved.snapshot)?;
    let program = match store.active_program().await? {
        Some((_, sources)) => recompile(&sources),
        None => None,
    };
    let program = program.ok_or_else(|| Failure::new("the program that is in force cannot be read by this version"))?;
    Ok((profile, program))
}

async fn view(store: &Database, who: &str, events: u64) -> Result<Json, Failure> {
    let id = find(store, who).await?;
    let (profile, program) = load(store, id).await?;
    let now = Timestamp(chrono::Utc::now().timestamp_millis());
    let mut view = profile_view(&profile, &program, now);
    let identifiers: Vec<Json> = store
        .identifiers_of(id)
        .await?
        .into_iter()
        .map(|identifier| json!({"kind": identifier.kind, "value": identifier.value}))
        .collect();
    let history: Vec<Json> = store
        .profile_history(id, events)
        .await?
        .into_iter()
        .map(|item| {
            json!({
                "offset": item.offset, "received_at": item.received_at.to_string(),
                "timestamp": item.event.timestamp.to_string(), "event": item.event.name,
                "source": item.event.source, "properties": item.event.properties, "traits": item.event.traits,
            })
        })
        .collect();
    view["identifiers"] = Json::Array(identifiers);
    view["events"] = Json::Array(history);
    Ok(view)
}

fn print(view: &Json) {
    let text = |value: &Json| match value {
        Json::String(text) => text.clone(),
        Json::Null => "-".to_owned(),
        other => other.to_string(),
    };
    anstream::println!("profile {}\n", text(&view["profile"]));
    let list = |name: &str| view[name].as_array().cloned().unwrap_or_default();
    let columns = |name: &str, head: &[&str]| {
        let rows: Vec<Vec<String>> =
            list(name).iter().map(|item| head.iter().map(|column| text(&item[*column])).collect()).collect();
        if !rows.is_empty() {
            anstream::println!("{name}");
            print_table(head, &rows);
            anstream::println!();
        }
    };
    columns("identifiers", &["kind", "value"]);
    for name in ["traits", "computes"] {
        let rows: Vec<Vec<String>> = view[name]
            .as_object()
            .map(|map| map.iter().map(|(key, value)| vec![key.clone(), text(value)]).collect())
            .unwrap_or_default();
        if !rows.is_empty() {
            anstream::println!("{name}");
            print_table(&["name", "value"], &rows);
            anstream::println!();
        }
    }
    columns("segments", &["segment", "since"]);
    columns("consents", &["about", "state", "since"]);
    columns("journeys", &["journey", "step", "since", "until"]);
    columns("events", &["timestamp", "event", "source"]);
}
