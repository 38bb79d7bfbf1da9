//! A whole platform for a test: a real store in a folder of its own, real doors on a free port.

use std::sync::Arc;
use std::time::Duration;

use tidewater::actors::{Clock, Placement, Platform, StartWith, WAITING_LIMIT};
use tidewater::engine::Sound;
use tidewater::store::Database;
use tidewater::workspace::load::compile;

/// The write key of the source `web`.
pub const WRITE_KEY: &str = "test-write-key";
/// The management key, where the settings have [`API_KEY_SETTING`].
pub const API_KEY: &str = "test-api-key";
pub const API_KEY_SETTING: &str = "api_key: test-api-key\n";

/// A running platform with its doors open; the folder goes with it.
pub struct Served {
    pub platform: Platform,
    pub store: Database,
    pub url: String,
    pub client: reqwest::Client,
    doors: actix_web::dev::ServerHandle,
    /// The database's, where it is its own.
    _folder: Option<tempfile::TempDir>,
}

impl Served {
    /// Starts a platform over these rules, with `settings` added to its `tidewater.yaml`.
    pub async fn start(rules: &str, settings: &str) -> Self {
        Self::start_with(rules, settings, &[]).await
    }

    /// Starts a platform with further files of the workspace, such as journeys, as path and text.
    pub async fn start_with(rules: &str, settings: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        let served = Self::start_on(&url, rules, settings, files).await;
        Self { _folder: Some(folder), ..served }
    }

    /// Starts a platform on a database of the caller's.
    pub async fn start_on(database: &str, rules: &str, settings: &str, files: &[(&str, &str)]) -> Self {
        let yaml = format!("sources:\n  web: {WRITE_KEY}\n{settings}");
        let own = [("tidewater.yaml", yaml.as_str()), ("rules/test.tide", rules)];
        let all = own.iter().chain(files).map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let loaded = compile(all.collect(), &|_| None);
        let Some(program) = loaded.program else { panic!("{:#?}", loaded.findings) };
        let Some(config) = loaded.config else { panic!("{:#?}", loaded.findings) };
        let store = Database::open(database).await.unwrap();
        let with = StartWith {
            program,
            config: Arc::new(config),
            backing: store.clone().into(),
            clock: Clock::system(),
            placement: Placement::Threads,
            engine: Arc::new(Sound),
            waiting_limit: WAITING_LIMIT,
        };
        let platform = Platform::start(with).await.unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tidewater::http::serve(platform.clone(), store.clone(), listener).unwrap();
        let doors = server.handle();
        actix_web::rt::spawn(server);
        Self { platform, store, url, client: client(), doors, _folder: None }
    }

    /// Posts a body with the write key, and gives status and answer.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
        let request = self.client.post(format!("{}{path}", self.url)).basic_auth(WRITE_KEY, Some(""));
        answer(request.body(body.to_string())).await
    }

    /// Gets a management page with the key.
    pub async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        answer(self.client.get(format!("{}{path}", self.url)).bearer_auth(API_KEY)).await
    }

    /// Closes the doors and stops the platform.
    pub async fn stop(self) {
        self.doors.stop(true).await;
        self.platform.stop().await;
    }
}

/// Sends a request; the answer must be JSON.
pub async fn answer(request: reqwest::RequestBuilder) -> (u16, serde_json::Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: not JSON: {text}")))
}

/// A client that follows no redirect and waits for no one longer than a test may.
fn client() -> reqwest::Client {
    // A second test in this process finds it installed: that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}
