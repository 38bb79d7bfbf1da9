//! The server under load: this very program, as a process of its own, on an empty database.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;

use crate::cli::output::Failure;

use super::workspace::{self, API_KEY};

pub(super) struct Server {
    child: Child,
    pub(super) address: String,
    client: reqwest::Client,
}

const POLL: Duration = Duration::from_millis(5);

impl Server {
    pub(super) fn start(folder: &Path, hook: &str) -> Result<Self, Failure> {
        workspace::write(folder, hook)?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--format", "json", "--workspace"])
            .arg(folder)
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let told: Json = serde_json::from_str(&line).map_err(|_| Failure::new("the server did not start"))?;
        let address = told["listening"].as_str().unwrap_or_default().trim_start_matches("http://").to_owned();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { child, address, client })
    }

    /// A number of `/metrics`.
    pub(super) async fn metric(&self, name: &str) -> Result<f64, Failure> {
        let request = self.client.get(format!("http://{}/metrics", self.address)).bearer_auth(API_KEY);
        let text = request.send().await?.error_for_status()?.text().await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.ok_or_else(|| Failure::new(format!("the server tells no {name}")))
    }

    /// Waits until all that was accepted is applied.
    pub(super) async fn applied(&self) -> Result<(), Failure> {
        while self.metric("tidewater_waiting_entries").await? > 0.0 {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Waits until all that was accepted is applied, and all that came of it saved.
    pub(super) async fn settled(&self) -> Result<(), Failure> {
        self.applied().await?;
        while self.metric("tidewater_profiles_unsaved").await? > 0.0 {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Resident memory in bytes.
    pub(super) fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, or ends now: its data goes with the folder.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
