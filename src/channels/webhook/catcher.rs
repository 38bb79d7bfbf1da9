//! A small real HTTP server that keeps what it gets: for `tidewater demo`, and for tests that script its answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::super::catcher::Listening;

const BODY_BYTES: usize = 4 * 1024 * 1024;
const HEADER_LINES: usize = 100;

/// A request that the catcher took.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CaughtRequest {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl CaughtRequest {
    /// The value of a header; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What the server does with the next request, in place of answering 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookScript {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// Waits this long, then answers 200.
    Delay(Duration),
    /// Takes the request and hangs up.
    HangUp,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Vec<CaughtRequest>,
    scripts: Vec<HookScript>,
}

/// The server. It stops when it is dropped.
#[derive(Debug)]
pub struct HookCatcher {
    listening: Listening,
    shared: Arc<Mutex<Shared>>,
}

impl HookCatcher {
    /// Listens on a free port of this machine.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let for_all = Arc::clone(&shared);
        let listening = Listening::start(move |stream| {
            let shared = Arc::clone(&for_all);
            async move { serve(stream, &shared).await }
        });
        Ok(Self { listening: listening.await?, shared })
    }

    /// The server's address; paths below it are all taken.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.listening.address)
    }

    /// All requests so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<CaughtRequest> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }

    /// Does this with the next request; scripts wait in line.
    pub fn script(&self, script: HookScript) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).scripts.push(script);
    }
}

/// Requests of one connection, until the client has no more.
async fn serve(stream: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(request) = read_request(&mut reader).await? {
        let script = {
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.requests.push(request);
            if shared.scripts.is_empty() { None } else { Some(shared.scripts.remove(0)) }
        };
        let (status, headers, body) = match script {
            Some(HookScript::HangUp) => return Ok(()),
            Some(HookScript::Answer { status, headers, body }) => (status, headers, body),
            Some(HookScript::Delay(time)) => {
                tokio::time::sleep(time).await;
                (200, Vec::new(), String::new())
            }
            None => (200, Vec::new(), String::new()),
        };
        let mut answer = format!("HTTP/1.1 {status} scripted\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
        writer.write_all(format!("{answer}\r\n{body}").as_bytes()).await?;
    }
    Ok(())
}

/// One request with a `content-length`; nothing at the end of the connection, or where it is not to be read.
async fn read_request<R: AsyncBufReadExt + AsyncReadExt + Unpin>(
    reader: &mut R,
) -> std::io::Result<Option<CaughtRequest>> {
    let mut line = String::new();
    if reader.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let (method, path) = (method.to_owned(), path.to_owned());
    let mut headers = Vec::new();
    for _ in 0..HEADER_LINES {
        let mut line = String::new();
        reader.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = CaughtRequest { method, path, headers, body: String::new() };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    if length > BODY_BYTES {
        return Ok(None);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(request))
}
