//! `tidewater quarantine list`: what was refused, and why.

use std::process::ExitCode;

use serde_json::json;

use super::output::{DatabaseArguments, Done, Format, block_on, print_json, print_table};

/// Look at what was refused.
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
}

pub(super) fn run(command: QuarantineCommand) -> Done {
    let QuarantineCommand::List { limit, database, format } = command;
    block_on(async {
        let items = database.open().await?.quarantine(limit).await?;
        match format {
            Format::Json => {
                let list: Vec<_> = items
                    .iter()
                    .map(|(id, item)| {
                        json!({
                            "id": id, "source": item.source, "received_at": item.received_at.to_string(),
                            "code": item.code, "reason": item.reason, "payload": item.payload,
                        })
                    })
                    .collect();
                print_json(&list)?;
            }
            Format::Human => {
                let rows: Vec<Vec<String>> = items
                    .into_iter()
                    .map(|(_, item)| vec![item.received_at.to_string(), item.source, item.code, item.reason])
                    .collect();
                print_table(&["received", "source", "code", "reason"], &rows);
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}
