//! `tidewater bench ingest`: how fast the server takes, applies and decides, beside what the machine can do at best.

use std::cell::Cell;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::load::{self, Latency, Loaded, Pace};
use super::server::Server;
use super::shape::{BATCH, Shape};
use super::{limits, tell};
use crate::cli::output::{Failure, Format, print_table};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Length of each part.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How long the server gets to know its customers before the other parts.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3600))]
    warm_up: u64,
    /// Connections that send batches.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

/// Connections that send single events.
const SINGLES: usize = 256;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    cores: usize,
    limits: Limits,
    newcomers: Part,
    batches: Part,
    singles: Part,
    journey_steps_per_second: f64,
    half_load: HalfLoad,
}

/// Events a second.
#[derive(Debug, Serialize)]
struct Limits {
    parse_and_discard: f64,
    parse_and_discard_singles: f64,
    group_fsync: f64,
    sqlite_insert: f64,
}

/// One part of the load.
#[derive(Debug, Serialize)]
struct Part {
    accepted_per_second: f64,
    /// Until the last of them had been applied.
    applied_per_second: f64,
    memory_bytes: Option<u64>,
    #[serde(flatten)]
    load: Loaded,
}

/// Batches at a constant rate, half of what was applied before.
#[derive(Debug, Serialize)]
struct HalfLoad {
    events_per_second: f64,
    latency: Latency,
    /// Milliseconds from the event's `received_at` to its effect in the outbox.
    effect_delay: Latency,
    effects: f64,
}

pub(super) async fn measure(arguments: &Arguments) -> Result<Report, Failure> {
    let (length, connections) = (Duration::from_secs(arguments.seconds), usize::from(arguments.connections));
    let sink = crate::http::limit::parse_and_discard()?;
    let folder = tempfile::tempdir()?;
    tell("the machine's limits");
    let discarded = load::send(&sink, Shape::Batch(BATCH), connections, Pace::Closed(length), 0).await?;
    let discarded_singles = load::send(&sink, Shape::Single, SINGLES, Pace::Closed(length), 0).await?;
    let limits = Limits {
        parse_and_discard: discarded.rate(),
        parse_and_discard_singles: discarded_singles.rate(),
        group_fsync: limits::group_fsync(folder.path(), length)?,
        sqlite_insert: limits::sqlite_inserts(folder.path(), length).await?,
    };
    let bench = Bench { hook: format!("http://{sink}/hook"), connections, length };
    let warm_up = Duration::from_secs(arguments.warm_up);
    tell("new customers");
    let newcomers = bench.newcomers(warm_up).await?;
    tell("batches");
    let batches = bench.part(&newcomers, Shape::Batch(BATCH), connections).await?;
    tell("half of the load, at a constant rate");
    let half_load = bench.half_load(warm_up, batches.applied_per_second / 2.0).await?;
    tell("single events");
    let singles = bench.part(&newcomers, Shape::Single, SINGLES).await?;
    tell("journey steps");
    let steps = bench.steps().await?;
    let cores = super::cores();
    let newcomers = newcomers.part;
    Ok(Report { cores, limits, newcomers, batches, singles, journey_steps_per_second: steps, half_load })
}

/// What all parts share.
struct Bench {
    hook: String,
    connections: usize,
    length: Duration,
}

/// A server that has come to know its customers, and what that took.
struct Warm {
    server: Server,
    part: Part,
    /// Numbers below were sent.
    sent: Cell<u64>,
    _folder: tempfile::TempDir,
}

/// Numbers of one part: more than it can send.
const APART: u64 = 1 << 40;

impl Bench {
    /// The load on an empty server: every customer comes to be, and enters most segments for the first time.
    async fn newcomers(&self, length: Duration) -> Result<Warm, Failure> {
        let folder = tempfile::tempdir()?;
        let server = Server::start(folder.path(), &self.hook)?;
        let part = measured(&server, Shape::Batch(BATCH), self.connections, length, 0).await?;
        Ok(Warm { server, part, sent: Cell::new(APART), _folder: folder })
    }

    async fn part(&self, warm: &Warm, shape: Shape, connections: usize) -> Result<Part, Failure> {
        measured(&warm.server, shape, connections, self.length, warm.next()).await
    }

    async fn steps(&self) -> Result<f64, Failure> {
        let folder = tempfile::tempdir()?;
        let server = Server::start(folder.path(), &self.hook)?;
        let begin = Instant::now();
        load::send(&server.address, Shape::Long(BATCH), self.connections, Pace::Closed(self.length), 0).await?;
        server.settled().await?;
        Ok(server.metric("tidewater_journey_steps_total").await? / begin.elapsed().as_secs_f64())
    }

    /// On a server of its own, as warm as the other but without an effect so far: it tells the delays since its start.
    async fn half_load(&self, warm_up: Duration, events_per_second: f64) -> Result<HalfLoad, Failure> {
        let folder = tempfile::tempdir()?;
        let server = Server::start(folder.path(), &self.hook)?;
        measured(&server, Shape::Quiet(BATCH), self.connections, warm_up, 0).await?;
        server.settled().await?;
        let pace = Pace::Open(events_per_second / BATCH as f64, self.length);
        let load = load::send(&server.address, Shape::Batch(BATCH), SINGLES, pace, APART).await?;
        server.applied().await?;
        let delay = async |quantile: &str| {
            let name = format!("tidewater_effect_delay_seconds{{quantile=\"{quantile}\"}}");
            server.metric(&name).await.map(|seconds| seconds * 1_000.0)
        };
        let effect_delay =
            Latency { p50: delay("0.5").await?, p99: delay("0.99").await?, p99_9: delay("0.999").await? };
        let effects = server.metric("tidewater_effects_total").await?;
        Ok(HalfLoad { events_per_second, latency: load.latency, effect_delay, effects })
    }
}

impl Warm {
    fn next(&self) -> u64 {
        self.sent.replace(self.sent.get() + APART)
    }
}

async fn measured(
    server: &Server,
    shape: Shape,
    connections: usize,
    length: Duration,
    first: u64,
) -> Result<Part, Failure> {
    let begin = Instant::now();
    let load = load::send(&server.address, shape, connections, Pace::Closed(length), first).await?;
    server.applied().await?;
    let applied_per_second = load.events as f64 / begin.elapsed().as_secs_f64();
    Ok(Part { accepted_per_second: load.rate(), applied_per_second, memory_bytes: server.memory(), load })
}

impl super::Report for Report {
    fn print(&self) {
        let number = |rate: f64| format!("{rate:.0}");
        let share = |rate: f64, limit: f64| format!("{:.2}", rate / limit);
        let latency = |latency: &Latency| [latency.p50, latency.p99, latency.p99_9].map(|ms| format!("{ms:.1}"));
        let limits = &self.limits;
        anstream::println!("on {} cores, shared with the load\n", self.cores);
        let mut rows = vec![
            vec!["limit: HTTP, parse and discard, batches of 100".to_owned(), number(limits.parse_and_discard)],
            vec!["limit: HTTP, parse and discard, single".to_owned(), number(limits.parse_and_discard_singles)],
            vec!["limit: append and fsync in groups of 8,000".to_owned(), number(limits.group_fsync)],
            vec!["limit: plain SQLite rows in groups of 8,000".to_owned(), number(limits.sqlite_insert)],
        ];
        rows.push(vec!["new customers, batches, applied".to_owned(), number(self.newcomers.applied_per_second)]);
        rows.push(vec!["batches of 100, accepted (durable)".to_owned(), number(self.batches.accepted_per_second)]);
        rows.push(vec!["batches of 100, applied".to_owned(), number(self.batches.applied_per_second)]);
        rows.push(vec![
            "single events, 256 connections, accepted".to_owned(),
            number(self.singles.accepted_per_second),
        ]);
        rows.push(vec!["single events, 256 connections, applied".to_owned(), number(self.singles.applied_per_second)]);
        rows.push(vec!["journey steps, durable".to_owned(), number(self.journey_steps_per_second)]);
        print_table(&["what", "per second"], &rows);
        let (applied, singles) = (self.batches.applied_per_second, self.singles.accepted_per_second);
        anstream::println!(
            "\nbatches applied, as a share: {} of parsing, {} of fsync, {} of plain rows; single events: {} of parsing\n",
            share(applied, limits.parse_and_discard),
            share(applied, limits.group_fsync),
            share(applied, limits.sqlite_insert),
            share(singles, limits.parse_and_discard_singles),
        );
        let row = |what: &str, found: &Latency| [vec![what.to_owned()], latency(found).to_vec()].concat();
        let half = &self.half_load;
        print_table(
            &["milliseconds", "p50", "p99", "p99.9"],
            &[
                row("batches, closed loop", &self.batches.load.latency),
                row("single events, closed loop", &self.singles.load.latency),
                row(&format!("batches at a constant {:.0} events/s", half.events_per_second), &half.latency),
                row("received to effect in the outbox, at that rate", &half.effect_delay),
            ],
        );
    }
}
