//! The real binary as a process of its own, over the workspace of the shop.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::shop;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server process; killed when it is dropped.
pub struct Server {
    pub child: Child,
    log: PathBuf,
}

impl Server {
    pub fn start(workspace: &Path) -> Self {
        Self::start_under(&[], workspace)
    }

    /// Starts it under a command that runs another, such as `faketime`.
    pub fn start_under(command: &[&str], workspace: &Path) -> Self {
        let log = workspace.join("server.log");
        let output = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        // A file that may not grow is an error to the server, as a full disk is, and not its end.
        let child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
            .args(command)
            .args([env!("CARGO_BIN_EXE_tidewater"), "serve", "--workspace"])
            .arg(workspace)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// Waits until it takes events.
    pub async fn ready(&mut self, client: &reqwest::Client, url: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = client.get(format!("{url}/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                panic!("the server is not ready (ended: {ended:?}):\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks it to stop, as a service manager does.
    pub fn terminate(&self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(&mut self) {
        self.terminate();
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the server does not stop");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server on a workspace of its own with an empty database, and a client.
pub struct Running {
    pub folder: tempfile::TempDir,
    pub url: String,
    pub client: reqwest::Client,
    pub server: Server,
}

impl Running {
    pub async fn start() -> Self {
        Self::start_under(&[]).await
    }

    /// Starts it under a command that runs another. A restart is without.
    pub async fn start_under(command: &[&str]) -> Self {
        Self::start_with(command, None, |_| {}).await
    }

    /// Starts it on this database, or one of its own, after the workspace was edited.
    pub async fn start_on(database: Option<&str>, edit: impl FnOnce(&Path)) -> Self {
        Self::start_with(&[], database, edit).await
    }

    async fn start_with(command: &[&str], database: Option<&str>, edit: impl FnOnce(&Path)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        write_workspace(folder.path(), port, "http://127.0.0.1:9/", database);
        edit(folder.path());
        let server = Server::start_under(command, folder.path());
        let mut running = Self { folder, url, client, server };
        running.server.ready(&running.client, &running.url).await;
        running
    }

    /// Kills it, and starts it again on what it left.
    pub async fn restart(&mut self) {
        self.server.kill();
        self.restart_killed().await;
    }

    /// Starts it again on what it left when it was killed.
    pub async fn restart_killed(&mut self) {
        self.server = Server::start(self.folder.path());
        self.server.ready(&self.client, &self.url).await;
    }
}

/// A port that nobody listens on just now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Writes the workspace to a folder.
pub fn write_workspace(folder: &Path, port: u16, hook: &str, database: Option<&str>) -> Vec<(String, String)> {
    let mut files = shop::files(hook);
    files[0].1 = files[0].1.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    if let Some(database) = database {
        files[0].1 = files[0].1.replace("sqlite://data/tidewater.db", database);
    }
    for (path, text) in &files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    files
}

/// Changes a file of a workspace.
pub fn edit(file: &Path, from: &str, to: &str) {
    let before = std::fs::read_to_string(file).unwrap();
    assert!(before.contains(from), "{} has no {from:?}", file.display());
    std::fs::write(file, before.replace(from, to)).unwrap();
}
