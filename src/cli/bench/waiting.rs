//! `tidewater bench waiting`: what runs of journeys that wait for a far day take of memory (nothing) and disk.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::disk::{self, Disk};
use super::load::{self, Pace};
use super::server::{Resident, Server};
use super::shape::{BATCH, Shape};
use super::{megabytes, tell, workspace};
use crate::analytics::journey_report;
use crate::cli::output::{Failure, Format, print_table};
use crate::model::limit::RUNS_AT_ONCE;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Runs that wait for 30 days, in steps of 100.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..=1_000_000_000))]
    runs: u64,
    /// Runs of one customer, one for each order.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=RUNS_AT_ONCE as u64))]
    each: u64,
    /// Customers with a run more, which is due within minutes, in steps of 100.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    soon: u64,
    /// Connections that send batches.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    #[arg(long, value_enum, default_value_t)]
    pub(super) format: Format,
}

/// What live customers may take: they are met once, so there is no use in keeping them.
const MEMORY: &str = "256 MB";

#[derive(Debug, Serialize)]
pub(super) struct Report {
    cores: usize,
    /// That wait, as the journey's report counts them.
    runs: i64,
    /// Until all of them were started and saved.
    seconds: f64,
    disk: Disk,
    /// Until the server is ready with all of them.
    restart_seconds: f64,
    memory: Memory,
}

#[derive(Debug, Serialize)]
struct Memory {
    /// A server that knows nobody.
    empty: Resident,
    /// When the last run had begun to wait.
    loaded: Resident,
    /// After a restart.
    far: Resident,
    /// After a restart, with some that are due within minutes.
    soon: Resident,
}

pub(super) async fn measure(arguments: &Arguments) -> Result<Report, Failure> {
    let sink = crate::http::limit::parse_and_discard()?;
    let (connections, folder) = (usize::from(arguments.connections), tempfile::tempdir()?);
    workspace::waiting(folder.path(), &format!("http://{sink}/hook"), MEMORY)?;
    let (server, _) = Server::ready(folder.path()).await?;
    let empty = server.resident().await?;
    tell("runs begin to wait");
    let begin = Instant::now();
    let shape = Shape::Orders { each: arguments.each };
    load::send(&server.address, shape, connections, requests(arguments.runs), 0).await?;
    server.settled().await?;
    let seconds = begin.elapsed().as_secs_f64();
    let loaded = server.resident().await?;
    server.stop()?;
    tell("size on disk");
    let (disk, runs) = (Disk::of(folder.path()).await?, waiting(folder.path()).await?);
    tell("memory");
    let (server, restart_seconds) = Server::ready(folder.path()).await?;
    let far = server.resident().await?;
    load::send(&server.address, Shape::Soon, connections, requests(arguments.soon), 0).await?;
    server.settled().await?;
    server.stop()?;
    let (server, _) = Server::ready(folder.path()).await?;
    let soon = server.resident().await?;
    let memory = Memory { empty, loaded, far, soon };
    Ok(Report { cores: super::cores(), runs, seconds, disk, restart_seconds, memory })
}

fn requests(messages: u64) -> Pace {
    Pace::All(messages / BATCH as u64)
}

/// Runs of the patient journey that wait.
async fn waiting(folder: &Path) -> Result<i64, Failure> {
    let database = disk::open(folder).await?;
    let report = journey_report(&database, workspace::PATIENT).await?;
    database.close().await;
    Ok(report.waiting)
}

impl super::Report for Report {
    fn print(&self) {
        let Self { disk, memory, .. } = self;
        anstream::println!(
            "on {} cores, shared with the load: {} runs of {} customers wait for 30 days; {:.0} s to start them, {:.2} s \
             from a restart to ready\n",
            self.cores,
            self.runs,
            disk.profiles,
            self.seconds,
            self.restart_seconds
        );
        disk.print("run", self.runs.unsigned_abs());
        anstream::println!();
        let row = |what: &str, found: &Resident| {
            let numbers = [found.customers_live, found.wakes].map(|number| format!("{number:.0}"));
            [vec![what.to_owned(), megabytes(found.bytes)], numbers.to_vec()].concat()
        };
        print_table(
            &["resident memory", "MB", "customers live", "wakes in memory"],
            &[
                row("a server that knows nobody", &memory.empty),
                row("when the last run had begun to wait", &memory.loaded),
                row("after a restart", &memory.far),
                row("after a restart, some due within minutes", &memory.soon),
            ],
        );
    }
}
