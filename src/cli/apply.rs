//! `tidewater apply`: the files on disk in force on a running server.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value as Json, json};

use super::output::{Done, Failure, Format, block_on, counter, print_json};
use super::plan::fit_to_run;

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

/// A request that is not answered within this time will not be.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);
const VARIABLE: &str = "TIDEWATER_API_KEY";

pub(super) fn run(arguments: &Arguments) -> Done {
    let checked = fit_to_run(&arguments.workspace)?;
    let config = checked.loaded.config.as_ref().ok_or_else(|| Failure::new("`tidewater.yaml` has errors"))?;
    let program = checked.loaded.program.clone().ok_or_else(|| Failure::new("the workspace has errors"))?;
    let key = std::env::var(VARIABLE).ok().or_else(|| config.api_key.as_ref().map(|key| key.reveal().to_owned()));
    let key = key.filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| {
        Failure::new(format!("the server has to know who asks: set `api_key` in tidewater.yaml, or {VARIABLE}"))
    })?;
    let server = arguments.server.clone().unwrap_or_else(|| format!("http://{}", config.listen));
    let server = Server { url: format!("{}/api/v1/program", server.trim_end_matches('/')), key, client: client()? };
    block_on(async {
        let offer = json!({ "version": program.version, "sources": program.sources });
        let answer = server.ask(server.client.post(&server.url).json(&offer)).await?;
        if !arguments.no_wait {
            server.wait().await?;
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

fn client() -> Result<Client, Failure> {
    // A process may have set it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder().timeout(PATIENCE).no_proxy().build()?)
}

struct Server {
    url: String,
    key: String,
    client: Client,
}

impl Server {
    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Json, Failure> {
        let answer = request.bearer_auth(&self.key).send().await.map_err(|error| {
            let reason = if error.is_connect() { "nobody answers there" } else { "the answer did not come" };
            Failure::new(format!(
                "{}: {reason}. Is the server running? `tidewater serve` starts it with these files",
                self.url
            ))
        })?;
        let status = answer.status();
        let body: Json = answer.json().await.unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let message = body["message"].as_str().unwrap_or("the server gives no reason");
        Err(Failure::new(match status {
            StatusCode::UNAUTHORIZED => {
                format!("the server knows another key ({VARIABLE}, or `api_key` in tidewater.yaml)")
            }
            _ => format!("the server says {}: {message}", status.as_u16()),
        }))
    }

    /// Waits until every customer has taken the program in.
    async fn wait(&self) -> Result<(), Failure> {
        let bar = counter("walks over customers to go");
        loop {
            let state = self.ask(self.client.get(&self.url)).await?;
            let sweeps = state["sweeps"].as_u64().unwrap_or_default();
            bar.set_position(sweeps);
            if sweeps == 0 {
                bar.finish_and_clear();
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
