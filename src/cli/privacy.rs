//! `tidewater privacy`: what people ask for about themselves.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::output::{DatabaseArguments, Done, Failure, Format, block_on, print_json, print_table};
use super::server::Server;

const POLL: Duration = Duration::from_millis(200);

/// What a customer asks for about themselves. It goes to the running server, which alone writes.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Never again a message or a place in an audience, whatever the topic.
    #[command(
        after_help = "It stops what is queued, too. Webhooks, which tell systems of your own, go on.\n\nExamples:\n  tidewater \
privacy suppress ada\n  tidewater privacy suppress anonymous_id:8f2c --note \"by phone, ticket 815\""
    )]
    Suppress {
        #[command(flatten)]
        who: Who,
        /// On what grounds: it is kept with the customer's history.
        #[arg(long)]
        note: Option<String>,
        #[command(flatten)]
        server: ServerArguments,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Forget a customer: profile, events, messages, and what was refused, also in the journal.
    #[command(
        after_help = "All that were merged into them go too. Without --suppress, who comes with one of their identifiers is \
somebody new.\n\nExamples:\n  tidewater privacy erase ada\n  tidewater privacy erase user_id:ada --suppress"
    )]
    Erase {
        #[command(flatten)]
        who: Who,
        /// Nobody is to be known by their identifiers again.
        #[arg(long)]
        suppress: bool,
        /// Do not wait until nothing is left.
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        server: ServerArguments,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// The receipts of all erasures, and those that are not done.
    #[command(after_help = "Example:\n  tidewater privacy audit --format json")]
    Audit {
        #[command(flatten)]
        database: DatabaseArguments,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Who {
    /// A bare user id, `user_id:ada`, `anonymous_id:…`, or a profile's id, as it is or as `profile:…`.
    #[arg(value_name = "IDENTIFIER")]
    who: String,
}

impl Who {
    /// Fit for a path: whom it names the server knows.
    fn key(&self) -> String {
        url::form_urlencoded::byte_serialize(self.who.as_bytes()).collect::<String>().replace('+', "%20")
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct ServerArguments {
    /// Folder of the workspace.
    #[arg(long, default_value = ".", value_name = "DIR")]
    workspace: PathBuf,
    /// Where the server is reached; otherwise at `listen` of `tidewater.yaml`, on this machine.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

impl ServerArguments {
    fn server(&self) -> Result<Server, Failure> {
        Server::of_workspace(&self.workspace, self.server.as_deref())
    }
}

pub(super) fn run(command: Command) -> Done {
    match command {
        Command::Suppress { who, note, server, format } => block_on(suppress(&server.server()?, &who, note, format)),
        Command::Erase { who, suppress, no_wait, server, format } => {
            block_on(erase(&server.server()?, &who, suppress, no_wait, format))
        }
        Command::Audit { database, format } => block_on(audit(database, format)),
    }
}

async fn erase(server: &Server, who: &Who, suppress: bool, no_wait: bool, format: Format) -> Done {
    let wish = json!({ "suppress": suppress });
    let answer = server.post(&format!("/api/v1/profiles/{}/erase", who.key()), &wish).await?;
    let receipt = if no_wait { answer["receipt"].clone() } else { wait(server, &answer["erasure"]).await? };
    tell(&receipt, format, |receipt| {
        match receipt["under_way"].as_str() {
            Some(what) => anstream::println!("nothing is sent to them any more; the erasure {what}"),
            None if receipt["trouble"].is_null() => anstream::println!("nothing of them is left"),
            None => anstream::println!("nothing of them is left where it could be looked for"),
        }
        if let Some(trouble) = receipt["trouble"].as_str() {
            anstream::println!("but: {trouble}");
        }
        let removed = receipt["removed"].as_object();
        let rows: Vec<Vec<String>> =
            removed.into_iter().flatten().map(|(place, rows)| vec![place.clone(), rows.to_string()]).collect();
        print_table(&["place", "rows removed"], &rows);
    })
}

/// The receipt of this erasure, once it is done.
async fn wait(server: &Server, erasure: &Json) -> Result<Json, Failure> {
    loop {
        let answer = server.get("/api/v1/erasures").await?;
        let receipts = answer["erasures"].as_array().cloned().unwrap_or_default();
        let receipt = receipts.into_iter().find(|receipt| receipt["erasure"] == *erasure);
        let receipt = receipt.ok_or_else(|| Failure::new("the server knows nothing of this erasure"))?;
        if receipt["under_way"].is_null() {
            return Ok(receipt);
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn audit(database: DatabaseArguments, format: Format) -> Done {
    let receipts = database.open().await?.erasures().await?;
    match format {
        Format::Json => print_json(&receipts)?,
        Format::Human => {
            let rows = receipts.iter().map(|receipt| {
                let rows: u64 = receipt.removed.values().sum();
                let ended = receipt.ended_at.map(|at| at.to_string());
                vec![
                    receipt.erasure.0.to_string(),
                    receipt.at.to_string(),
                    if receipt.is_suppressed { "yes" } else { "no" }.to_owned(),
                    rows.to_string(),
                    ended.or_else(|| receipt.under_way.clone()).unwrap_or_default(),
                    receipt.trouble.clone().unwrap_or_default(),
                ]
            });
            print_table(&["entry", "asked", "suppressed", "rows", "done", "trouble"], &rows.collect::<Vec<_>>());
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn suppress(server: &Server, who: &Who, note: Option<String>, format: Format) -> Done {
    let said = json!({ "everything": true, "state": "withdrawn", "by": "command", "note": note });
    let answer = server.post(&format!("/api/v1/profiles/{}/consent", who.key()), &said).await?;
    tell(&answer, format, |answer| {
        let profile = answer["profile"].as_str().unwrap_or_default();
        anstream::println!("{profile} gets no message and is in no audience from now on");
    })
}

fn tell(answer: &Json, format: Format, print: impl Fn(&Json)) -> Done {
    match format {
        Format::Json => print_json(answer)?,
        Format::Human => print(answer),
    }
    Ok(ExitCode::SUCCESS)
}
