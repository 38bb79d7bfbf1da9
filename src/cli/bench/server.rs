//! The server under load: this very program, as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value as Json;

use crate::cli::output::Failure;

use super::workspace::{self, API_KEY, MEMORY};

pub(super) struct Server {
    child: Child,
    pub(super) address: String,
    client: reqwest::Client,
}

const POLL: Duration = Duration::from_millis(5);
/// Between two looks at memory that is being given back, how many looks at most, and what counts as the same.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS: usize = 60;
const SAME: f64 = 0.01;

/// What a server takes of memory when nothing happens, and what it holds there.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Resident {
    pub(super) bytes: u64,
    pub(super) customers_live: f64,
    /// Of the packed states of the live.
    pub(super) packed_bytes: f64,
    /// Wakes of profiles.
    pub(super) wakes: f64,
}

impl Server {
    /// On an empty database, with the shop's workspace.
    pub(super) fn start(folder: &Path, hook: &str) -> Result<Self, Failure> {
        workspace::shop(folder, hook, MEMORY)?;
        Self::on(folder)
    }

    /// On what the folder holds, and the seconds until it took events.
    pub(super) async fn ready(folder: &Path) -> Result<(Self, f64), Failure> {
        let begin = Instant::now();
        let server = Self::on(folder)?;
        let address = format!("http://{}/readyz", server.address);
        while !server.client.get(&address).send().await?.status().is_success() {
            tokio::time::sleep(POLL).await;
        }
        Ok((server, begin.elapsed().as_secs_f64()))
    }

    fn on(folder: &Path) -> Result<Self, Failure> {
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

    /// Waits until nothing happens, no memory is being given back, and no wakes are being read.
    pub(super) async fn resident(&self) -> Result<Resident, Failure> {
        self.settled().await?;
        let mut before = self.look().await?;
        for _ in 0..LOOKS {
            tokio::time::sleep(LOOK).await;
            let now = self.look().await?;
            if now.wakes == before.wakes && now.bytes as f64 > before.bytes as f64 * (1.0 - SAME) {
                return Ok(now);
            }
            before = now;
        }
        Ok(before)
    }

    async fn look(&self) -> Result<Resident, Failure> {
        Ok(Resident {
            bytes: self.memory().ok_or_else(|| Failure::new("resident memory is known on Linux only"))?,
            customers_live: self.metric("tidewater_customers_live").await?,
            packed_bytes: self.metric("tidewater_customers_live_packed_bytes").await?,
            wakes: self.metric("tidewater_wakes_in_memory").await?,
        })
    }

    /// SIGTERM, and waits until it has saved everything and ended.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        let told = Command::new("sh").args(["-c", "kill -TERM \"$0\""]).arg(self.child.id().to_string()).status()?;
        if told.success() && self.child.wait()?.success() {
            return Ok(());
        }
        Err(Failure::new("the server did not stop as it should"))
    }

    /// SIGKILL.
    pub(super) fn kill(mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
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
