//! `tidewater apply`: the files on disk in force on a running server.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::output::{Done, Failure, Format, block_on, counter, print_json};
use super::plan::fit_to_run;
use super::server::Server;

/// Put the files on disk in force on a running server: it goes on taking events meanwhile.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "`tidewater plan` shows before what would change. The server's own folder decides when it is started \
the next time. Settings in tidewater.yaml (sources, channels, addresses) are taken up at a start only.\n\nExamples:\n  \
tidewater apply\n  tidewater apply --workspace my-shop --server https://cdp.example.com"
)]
pub(super) struct Arguments {
    /// Folder of the workspace.
    #[arg(long, default_value = ".", value_name = "DIR")]
    workspace: PathBuf,
    /// Where the server is reached; otherwise at `listen` of `tidewater.yaml`, on this machine.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Do not wait until every customer has been looked at.
    #[arg(long)]
    no_wait: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const POLL: Duration = Duration::from_millis(200);
const PROGRAM: &str = "/api/v1/program";

pub(super) fn run(arguments: &Arguments) -> Done {
    let checked = fit_to_run(&arguments.workspace)?;
    let config = checked.loaded.config.as_ref().ok_or_else(|| Failure::new("`tidewater.yaml` has errors"))?;
    let program = checked.loaded.program.clone().ok_or_else(|| Failure::new("the workspace has errors"))?;
    let server = Server::of(config, arguments.server.as_deref())?;
    block_on(async {
        let answer = server.post(PROGRAM, &json!({ "version": program.version, "sources": program.sources })).await?;
        if !arguments.no_wait {
            wait(&server).await?;
        }
        match arguments.format {
            Format::Json => print_json(&answer)?,
            Format::Human => told(&answer),
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn told(answer: &Json) {
    let version = answer["version"].as_str().unwrap_or_default();
    match answer["offset"].as_u64() {
        Some(offset) => anstream::println!("version {version} is in force from entry {offset} on"),
        None => anstream::println!("version {version} was in force already"),
    }
    let backfilled: Vec<&str> =
        answer["backfilled"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    if !backfilled.is_empty() {
        anstream::println!("from each customer's history: {}", backfilled.join(", "));
    }
}

/// Waits until every customer has taken the program in.
async fn wait(server: &Server) -> Result<(), Failure> {
    let bar = counter("walks over customers to go");
    loop {
        let sweeps = server.get(PROGRAM).await?["sweeps"].as_u64().unwrap_or_default();
        bar.set_position(sweeps);
        if sweeps == 0 {
            bar.finish_and_clear();
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}
