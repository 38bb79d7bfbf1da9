//! The load: closed (each connection sends its next request when the last was answered) and open (requests come at a
//! constant rate, whatever the server does, and wait from when they were due).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

use super::client::Connection;
use super::shape::Shape;
use super::workspace::WRITE_KEY;
use crate::cli::output::Failure;

/// Longest latency that is told apart.
const LONGEST: Duration = Duration::from_secs(60);
/// How long a refused request waits before it comes again.
const AGAIN: Duration = Duration::from_millis(50);

/// What came of a load.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Loaded {
    pub(super) events: u64,
    pub(super) requests: u64,
    /// Requests that were told to come again (429).
    pub(super) refused: u64,
    pub(super) seconds: f64,
    pub(super) latency: Latency,
}

/// Milliseconds from when a request was due until it was answered.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p99_9: f64,
}

impl Loaded {
    /// Events a second.
    pub(super) fn rate(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

/// How a load comes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// As fast as the server answers, for so long.
    Closed(Duration),
    /// So many requests a second, for so long.
    Open(f64, Duration),
    /// As fast as the server answers, so many requests.
    All(u64),
}

impl Pace {
    /// When the `number`th request is due; `None` where it is not sent any more.
    fn due(self, begin: Instant, number: u64) -> Option<Instant> {
        let (due, is_sent) = match self {
            Self::Closed(length) => (Instant::now(), begin.elapsed() < length),
            Self::Open(rate, length) => {
                let after = Duration::from_secs_f64(number as f64 / rate);
                (begin + after, after < length)
            }
            Self::All(requests) => (Instant::now(), number < requests),
        };
        is_sent.then_some(due)
    }
}

/// Sends requests over so many connections, from the `first` on: no two loads of one server may share any.
pub(super) async fn send(
    address: &str,
    shape: Shape,
    connections: usize,
    pace: Pace,
    first: u64,
) -> Result<Loaded, Failure> {
    let next = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let senders = (0..connections).map(|_| {
        let (address, next) = (address.to_owned(), next.clone());
        tokio::spawn(async move { sender(&address, shape, pace, begin, (first, &next)).await })
    });
    let mut latencies = histogram()?;
    let (mut requests, mut refused) = (0, 0);
    for sent in join_all(senders).await {
        let (ours, again) = sent??;
        requests += ours.len();
        refused += again;
        latencies.add(ours)?;
    }
    let at = |quantile| latencies.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Loaded {
        events: requests * shape.events(),
        requests,
        refused,
        seconds: begin.elapsed().as_secs_f64(),
        latency: Latency { p50: at(0.5), p99: at(0.99), p99_9: at(0.999) },
    })
}

/// In microseconds.
fn histogram() -> Result<Histogram<u64>, Failure> {
    Ok(Histogram::new_with_max(LONGEST.as_micros() as u64, 3)?)
}

/// Sends it; once more where the server had closed the connection because nothing came for a while.
async fn post(connection: &mut Connection, address: &str, head: &str, body: &[u8]) -> std::io::Result<u16> {
    match connection.post(head, body).await {
        Err(error) if error.kind() != std::io::ErrorKind::InvalidData => {
            *connection = Connection::open(address).await?;
            connection.post(head, body).await
        }
        answer => answer,
    }
}

async fn sender(
    address: &str,
    shape: Shape,
    pace: Pace,
    begin: Instant,
    (first, next): (u64, &AtomicU64),
) -> Result<(Histogram<u64>, u64), Failure> {
    let credentials = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{WRITE_KEY}:"));
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Basic {credentials}\r\n",
        shape.path()
    );
    let (mut connection, mut latencies, mut refused) = (None, histogram()?, 0);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(due) = pace.due(begin, number) else { return Ok((latencies, refused)) };
        tokio::time::sleep_until(due).await;
        // A connection that is opened long before its first request is closed by the server.
        let connection = match &mut connection {
            Some(connection) => connection,
            closed => closed.insert(Connection::open(address).await?),
        };
        let body = shape.body(first + number);
        loop {
            match post(connection, address, &head, body.as_bytes()).await? {
                200 => break,
                429 => refused += 1,
                status => return Err(Failure::new(format!("the server answered {status} to a load"))),
            }
            tokio::time::sleep(AGAIN).await;
        }
        latencies.saturating_record(due.elapsed().as_micros() as u64);
    }
}
