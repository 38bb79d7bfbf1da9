//! `tidewater quarantine`: what was refused, why, and another try.

mod payload;
mod retry;

use std::process::ExitCode;

use serde_json::Value as Json;

use super::output::{DatabaseArguments, Done, Failure, Format, block_on, print_json, print_table};

/// Look at what was refused, and try it again.
#[derive(Debug, clap::Subcommand)]
pub(super) enum QuarantineCommand {
    /// The newest events that were refused or set aside, with the reason.
    #[command(after_help = "Example:\n  tidewater quarantine list --format json")]
    List {
        #[arg(long, default_value_t = 50)]
        limit: u64,
        #[command(flatten)]
        database: DatabaseArguments,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// One of them as it came, with the mistakes beside their places.
    #[command(
        after_help = "Example:\n  tidewater quarantine show 5f0c2a9e1b7d43c68e2f90ab13cd5e77\n\n`tidewater quarantine \
list` shows the ids. What `--format json` prints can be edited and tried again: `tidewater quarantine retry ID --payload FILE`."
    )]
    Show {
        id: String,
        #[command(flatten)]
        database: DatabaseArguments,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    Retry(retry::Arguments),
}

pub(super) fn run(command: QuarantineCommand) -> Done {
    block_on(async {
        match command {
            QuarantineCommand::List { limit, database, format } => list(limit, &database, format).await,
            QuarantineCommand::Show { id, database, format } => show(&id, &database, format).await,
            QuarantineCommand::Retry(arguments) => retry::run(arguments).await,
        }
    })
}

async fn list(limit: u64, database: &DatabaseArguments, format: Format) -> Done {
    let items = database.open().await?.quarantine(limit).await?;
    match format {
        Format::Json => print_json(&items.iter().map(|(id, item)| item.shown(id)).collect::<Json>())?,
        Format::Human => {
            let rows: Vec<Vec<String>> = items
                .into_iter()
                .map(|(id, item)| {
                    let reason = item.reason();
                    vec![id, item.received_at.to_string(), item.source, item.code, reason]
                })
                .collect();
            print_table(&["id", "received", "source", "code", "reason"], &rows);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(id: &str, database: &DatabaseArguments, format: Format) -> Done {
    let Some(item) = database.open().await?.quarantined(id).await? else {
        return Err(Failure::new(format!(
            "nothing in the quarantine has the id `{id}`: `tidewater quarantine list` shows the ids"
        )));
    };
    match format {
        Format::Json => print_json(&item.shown(id))?,
        Format::Human => {
            anstream::println!("id        {id}\nsource    {}\nreceived  {}", item.source, item.received_at);
            anstream::println!("code      {}\nreason    {}\n", item.code, item.reason());
            for line in payload::lines(&item.payload, &item.mistakes) {
                anstream::println!("{line}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
