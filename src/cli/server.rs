//! A running server, as commands ask it.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use serde_json::Value as Json;

use crate::workspace::Config;

use super::output::{Failure, load_workspace};

/// A request that is not answered within this time will not be.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a busy server is left alone, and how often.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSES: u32 = 30;
const VARIABLE: &str = "TIDEWATER_API_KEY";

pub(super) struct Server {
    url: String,
    key: String,
    client: Client,
}

impl Server {
    /// The server of these settings, or at `url`, with the key of the environment or of the settings.
    pub(super) fn of(config: &Config, url: Option<&str>) -> Result<Self, Failure> {
        let key = std::env::var(VARIABLE).ok().or_else(|| config.api_key.as_ref().map(|key| key.reveal().to_owned()));
        let key = key.filter(|key| !key.is_empty()).ok_or_else(|| {
            Failure::new(format!("the server has to know who asks: set `api_key` in tidewater.yaml, or {VARIABLE}"))
        })?;
        let url = url.map_or_else(|| format!("http://{}", config.listen), str::to_owned);
        // A process may have set it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(PATIENCE).no_proxy().build()?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), key, client })
    }

    /// The server of a workspace.
    pub(super) fn of_workspace(folder: &Path, url: Option<&str>) -> Result<Self, Failure> {
        let config = load_workspace(folder)?.config;
        let config = config.ok_or_else(|| Failure::new("`tidewater.yaml` is missing or has errors"))?;
        Self::of(&config, url)
    }

    /// What it shows at a path.
    pub(super) async fn get(&self, path: &str) -> Result<Json, Failure> {
        self.ask(path, self.client.get(format!("{}{path}", self.url))).await
    }

    /// What it answers to a body.
    pub(super) async fn post(&self, path: &str, body: &Json) -> Result<Json, Failure> {
        self.ask(path, self.client.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// Asks, and again while the server has too much to do.
    async fn ask(&self, path: &str, request: reqwest::RequestBuilder) -> Result<Json, Failure> {
        let mut pauses = 0;
        let answer = loop {
            let again = request.try_clone().ok_or_else(|| Failure::new("the request cannot be sent"))?;
            let answer = self.send(path, again).await?;
            if answer.status() != StatusCode::TOO_MANY_REQUESTS || pauses == PAUSES {
                break answer;
            }
            pauses += 1;
            tokio::time::sleep(PAUSE).await;
        };
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

    async fn send(&self, path: &str, request: reqwest::RequestBuilder) -> Result<Response, Failure> {
        request.bearer_auth(&self.key).send().await.map_err(|error| {
            let reason = if error.is_connect() { "nobody answers there" } else { "the answer did not come" };
            Failure::new(format!(
                "{}{path}: {reason}. Is the server running? `tidewater serve` starts it with these files",
                self.url
            ))
        })
    }
}
