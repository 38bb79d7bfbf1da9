//! `tidewater privacy`: what people ask for about themselves.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value as Json, json};

use super::output::{Done, Failure, Format, block_on, print_json};
use super::server::Server;

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
}

#[derive(Debug, clap::Args)]
pub(super) struct Who {
    /// `user_id:ada`, `anonymous_id:…`, a profile's id, or a bare user id.
    #[arg(value_name = "IDENTIFIER")]
    who: String,
}

impl Who {
    /// As the server knows it, fit for a path.
    fn key(&self) -> String {
        let is_id = self.who.parse::<crate::model::ProfileId>().is_ok();
        let key = if is_id || self.who.contains(':') { self.who.clone() } else { format!("user_id:{}", self.who) };
        url::form_urlencoded::byte_serialize(key.as_bytes()).collect::<String>().replace('+', "%20")
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
    let Command::Suppress { who, note, server, format } = command;
    block_on(suppress(&server.server()?, &who, note, format))
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
