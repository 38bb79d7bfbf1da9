//! The load: closed (each connection sends its next request when the last was answered) and open (requests come at a
//! constant rate, whatever the server does, and wait from when they were due).

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

use super::client::Connection;
use super::workspace::{KINDS, WRITE_KEY};
use crate::cli::output::Failure;

/// Customers that the events are about.
const CUSTOMERS: u64 = 10_000;
/// Longest latency that is told apart.
const LONGEST: Duration = Duration::from_secs(60);
/// How long a refused request waits before it comes again.
const AGAIN: Duration = Duration::from_millis(50);

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// `/v1/batch` with so many events of all kinds, one in a hundred an order.
    Batch(usize),
    /// The same without orders, which are what sends anything.
    Quiet(usize),
    /// `/v1/track` with one event.
    Single,
    /// `/v1/batch` with so many events that each start a run of the long journey.
    Long(usize),
}

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

impl Shape {
    pub(super) fn events(self) -> u64 {
        match self {
            Self::Batch(events) | Self::Quiet(events) | Self::Long(events) => events as u64,
            Self::Single => 1,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Batch(_) | Self::Quiet(_) | Self::Long(_) => "/v1/batch",
            Self::Single => "/v1/track",
        }
    }

    /// The `number`th body. Events of one number are always the same.
    pub(super) fn body(self, number: u64) -> String {
        let first = number * self.events();
        let mut out = String::with_capacity(160 * self.events() as usize);
        match self {
            Self::Single => event(&mut out, first),
            Self::Batch(events) => list(&mut out, first..first + events as u64, event),
            Self::Quiet(events) => list(&mut out, first..first + events as u64, of_a_kind),
            Self::Long(events) => list(&mut out, first..first + events as u64, long),
        }
        out
    }
}

fn list(out: &mut String, numbers: std::ops::Range<u64>, event: fn(&mut String, u64)) {
    out.push_str("{\"batch\":[");
    for number in numbers.clone() {
        if number > numbers.start {
            out.push(',');
        }
        event(out, number);
    }
    out.push_str("]}");
}

/// A number that looks like chance: the finaliser of splitmix64 (Steele, Lea, Flood 2014).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn event(out: &mut String, number: u64) {
    let chance = mixed(number);
    if chance >> 32 & 0x7f == 0 {
        let user = chance % CUSTOMERS;
        let _ = write!(
            out,
            "{{\"type\":\"track\",\"messageId\":\"m{number}\",\"userId\":\"user-{user}\",\"event\":\"Order\",\
             \"properties\":{{\"order_id\":\"o{number}\",\"revenue\":{}}}}}",
            chance % 100
        );
    } else {
        of_a_kind(out, number);
    }
}

fn of_a_kind(out: &mut String, number: u64) {
    let chance = mixed(number);
    let (user, kind) = (chance % CUSTOMERS, (chance >> 40 & 0xffff) as usize % KINDS);
    let (amount, item) = (chance >> 20 & 0x3f, chance >> 26 & 0x3f);
    let _ = write!(
        out,
        "{{\"type\":\"track\",\"messageId\":\"m{number}\",\"userId\":\"user-{user}\",\"event\":\"Kind {kind}\",\
         \"properties\":{{\"amount\":{amount},\"item\":\"item-{item}\"}}}}"
    );
}

fn long(out: &mut String, number: u64) {
    let user = mixed(number) % CUSTOMERS;
    let _ = write!(
        out,
        "{{\"type\":\"track\",\"messageId\":\"l{number}\",\"userId\":\"user-{user}\",\"event\":\"Long\",\"properties\":{{}}}}"
    );
}

/// How a load comes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    Closed,
    /// Requests a second.
    Open(f64),
}

/// Sends requests over so many connections for so long, from the `first` on: no two loads of one server may share any.
pub(super) async fn send(
    address: &str,
    shape: Shape,
    connections: usize,
    pace: Pace,
    length: Duration,
    first: u64,
) -> Result<Loaded, Failure> {
    let next = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let senders = (0..connections).map(|_| {
        let (address, next) = (address.to_owned(), next.clone());
        tokio::spawn(async move { sender(&address, shape, pace, begin, length, (first, &next)).await })
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
    length: Duration,
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
        let due = match pace {
            Pace::Closed => Instant::now(),
            Pace::Open(rate) => begin + Duration::from_secs_f64(number as f64 / rate),
        };
        if due >= begin + length {
            return Ok((latencies, refused));
        }
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
