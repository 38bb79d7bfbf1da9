//! `tidewater bench profiles`: what customers take on disk and in memory, and how long a restart takes.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::disk::Disk;
use super::load::{self, Pace};
use super::server::{Resident, Server};
use super::shape::{BATCH, MESSAGES_OF_ARRIVAL, Shape};
use super::{megabytes, tell, workspace};
use crate::cli::output::{Failure, Format, print_table};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Customers that come to be, in steps of 20.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    customers: u64,
    /// Customers that are live while their memory is measured, in steps of 1,000.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    live: u64,
    /// Length of the load that `kill -9` ends.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Connections that send batches.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

/// What a live customer may take, more than it does: none is to be let go while the live are measured.
const LIVE_BYTES: u64 = 64 * 1024;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    cores: usize,
    load: Load,
    disk: Disk,
    restart: Restart,
    memory: Memory,
}

/// How the customers came to be.
#[derive(Debug, Serialize)]
struct Load {
    events: u64,
    /// Until all of it was applied and saved.
    seconds: f64,
}

/// Seconds until the server is ready again.
#[derive(Debug, Serialize)]
struct Restart {
    after_stop: f64,
    after_kill: f64,
    /// Profiles whose last state the journal had alone when the server was killed.
    unsaved_at_kill: f64,
}

#[derive(Debug, Serialize)]
struct Memory {
    /// After the load.
    loaded: Resident,
    /// After a restart.
    idle: Resident,
    live: Live,
}

/// One live customer that nothing happens to: what all waves but the first added, so that nothing counts that all share.
#[derive(Debug, Serialize)]
struct Live {
    customers: f64,
    bytes_each: f64,
    packed_bytes_each: f64,
    beyond_its_data: f64,
}

pub(super) async fn measure(arguments: &Arguments) -> Result<Report, Failure> {
    let sink = crate::http::limit::parse_and_discard()?;
    let (connections, folder) = (usize::from(arguments.connections), tempfile::tempdir()?);
    let live = arguments.live.min(arguments.customers);
    let memory = (live * LIVE_BYTES / (1 << 20)).max(1_024);
    workspace::shop(folder.path(), &format!("http://{sink}/hook"), &format!("{memory} MB"))?;
    tell("customers come to be");
    let (server, _) = Server::ready(folder.path()).await?;
    let begin = Instant::now();
    let requests = arguments.customers * MESSAGES_OF_ARRIVAL / BATCH as u64;
    let sent = load::send(&server.address, Shape::Arrivals, connections, Pace::All(requests), 0).await?;
    server.settled().await?;
    let load = Load { events: sent.events, seconds: begin.elapsed().as_secs_f64() };
    let loaded = server.resident().await?;
    server.stop()?;
    tell("size on disk");
    let disk = Disk::of(folder.path()).await?;
    tell("memory");
    let (server, after_stop) = Server::ready(folder.path()).await?;
    let idle = server.resident().await?;
    let live = live_customers(&server, live, connections).await?;
    tell("kill -9");
    let (unsaved_at_kill, after_kill) = killed(server, folder.path(), connections, arguments.seconds).await?;
    Ok(Report {
        cores: super::cores(),
        load,
        disk,
        restart: Restart { after_stop, after_kill, unsaved_at_kill },
        memory: Memory { loaded, idle, live },
    })
}

/// Waves in which customers become live. While something happens to customers they take more, and what that leaves behind
/// is room for those that follow: so it is to be small beside all of them.
const WAVES: u64 = 10;

/// Makes so many customers live, wave by wave.
async fn live_customers(server: &Server, customers: u64, connections: usize) -> Result<Live, Failure> {
    let each = customers / BATCH as u64 / WAVES;
    load::send(&server.address, Shape::Visits, connections, Pace::All(each), 0).await?;
    let before = server.resident().await?;
    for wave in 1..WAVES {
        load::send(&server.address, Shape::Visits, connections, Pace::All(each), wave * each).await?;
        server.settled().await?;
    }
    let after = server.resident().await?;
    let customers = after.customers_live - before.customers_live;
    if customers <= 0.0 {
        return Err(Failure::new("the server let go of customers while they were measured: choose fewer with --live"));
    }
    let bytes_each = (after.bytes as f64 - before.bytes as f64) / customers;
    let packed_bytes_each = (after.packed_bytes - before.packed_bytes) / customers;
    Ok(Live { customers, bytes_each, packed_bytes_each, beyond_its_data: bytes_each - packed_bytes_each })
}

/// Kills the server at the end of a load. How many profiles it had not saved, and seconds until the next one is ready.
async fn killed(server: Server, folder: &Path, connections: usize, seconds: u64) -> Result<(f64, f64), Failure> {
    let pace = Pace::Closed(Duration::from_secs(seconds));
    load::send(&server.address, Shape::Batch(BATCH), connections, pace, 0).await?;
    let unsaved = server.metric("tidewater_profiles_unsaved").await?;
    server.kill()?;
    let (server, seconds) = Server::ready(folder).await?;
    server.settled().await?;
    Ok((unsaved, seconds))
}

impl super::Report for Report {
    fn print(&self) {
        let Self { load, disk, restart, memory, .. } = self;
        anstream::println!(
            "on {} cores, shared with the load: {} customers from {} events in {:.0} s\n",
            self.cores,
            disk.profiles,
            load.events,
            load.seconds
        );
        disk.print("profile", disk.profiles);
        anstream::println!();
        let row = |what: String, seconds: f64| vec![what, format!("{seconds:.2}")];
        print_table(
            &["until ready", "seconds"],
            &[
                row("after a stop".to_owned(), restart.after_stop),
                row(
                    format!("after kill -9 with {:.0} profiles not saved", restart.unsaved_at_kill),
                    restart.after_kill,
                ),
            ],
        );
        anstream::println!();
        let row = |what: &str, found: &Resident| {
            vec![what.to_owned(), megabytes(found.bytes), format!("{:.0}", found.customers_live)]
        };
        print_table(
            &["resident memory", "MB", "customers live"],
            &[row("after the load", &memory.loaded), row("after a restart", &memory.idle)],
        );
        anstream::println!();
        let live = &memory.live;
        let row = |what: &str, bytes: f64| vec![what.to_owned(), format!("{bytes:.0}")];
        print_table(
            &[&format!("a live idle customer (of {:.0} more)", live.customers), "bytes"],
            &[
                row("resident memory", live.bytes_each),
                row("its state, packed", live.packed_bytes_each),
                row("beyond its data", live.beyond_its_data),
            ],
        );
    }
}
