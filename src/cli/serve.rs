//! `tidewater serve`: the platform on a workspace.

use std::io::IsTerminal as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::actors::{Clock, Placement, Platform, StartWith, WAITING_LIMIT};
use crate::engine::Sound;
use crate::store::home::{Hold, Home};
use crate::store::{Database, StoreError, lease};
use crate::workspace::{Config, Program};

use crate::finding::Severity;

use super::check::{checked, print_findings, summary};
use super::output::{Done, Failure, Format, database_url};

/// Run the platform on a workspace.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidewater serve\n  tidewater serve --workspace my-shop --listen 127.0.0.1:9000\n  \
RUST_LOG=debug tidewater serve\n\nStop it with Ctrl-C (or SIGTERM): it takes nothing more, finishes what it has, and \
saves."
)]
pub(super) struct Arguments {
    /// Folder of the workspace.
    #[arg(long, default_value = ".", value_name = "DIR")]
    workspace: PathBuf,
    /// Another address than `tidewater.yaml` names; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Another database than `tidewater.yaml` names.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(arguments: Arguments) -> Done {
    start_logging("warn,tidewater=info");
    super::panics::tell_without_texts();
    let checked = checked(&arguments.workspace)?;
    let loaded = &checked.loaded;
    let (Some(program), Some(mut config), false) =
        (loaded.program.clone(), loaded.config.clone(), checked.report.has_errors())
    else {
        print_findings(&checked, Severity::Error);
        return Err(Failure::new(format!("the server does not start: {}", summary(&checked))));
    };
    if let Some(listen) = &arguments.listen {
        // Links in mail lead to where we listen, unless the file says where customers reach us.
        if config.public_url == format!("http://{}", config.listen) {
            config.public_url = format!("http://{listen}");
        }
        config.listen.clone_from(listen);
    }
    let url = arguments.database.clone().unwrap_or_else(|| database_url(&config, &arguments.workspace));
    let work = serve(program, config, url, arguments.format);
    actix_rt::System::new().block_on(work)
}

/// Logs go to standard error; `RUST_LOG` says how much in place of `usual`, and `LOG_FORMAT=json` in which form.
pub(super) fn start_logging(usual: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let logging = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let is_json = std::env::var("LOG_FORMAT").is_ok_and(|format| format == "json");
    // A second start of logging in one process changes nothing.
    let _ = if is_json { logging.json().try_init() } else { logging.try_init() };
}

async fn serve(program: Arc<Program>, mut config: Config, url: String, format: Format) -> Done {
    let listener = TcpListener::bind(&config.listen)
        .map_err(|error| Failure::new(format!("cannot listen on {}: {error}", config.listen)))?;
    let address = listener.local_addr()?;
    if config.public_url.ends_with(":0") {
        config.public_url = format!("http://{address}");
    }
    let _lock = crate::store::open::lock(&url)?;
    let holder = format!("process {} at http://{address}", std::process::id());
    let store = Database::open_to_own(&url, &holder).await?;
    let mut lease = actix_rt::spawn(hold(store.clone()));
    store.bring_up_to_date().await?;
    if let Some(Hold { since, reason }) = store.come_home(Clock::system().now()).await? {
        tracing::warn!(%since, reason, "nothing is sent: say `tidewater outbox resume` when that is meant");
    }
    let home = actix_rt::spawn(stay_home(store.clone()));
    let with = StartWith {
        program,
        waiting_limit: WAITING_LIMIT,
        config: Arc::new(config),
        backing: store.clone().into(),
        clock: Clock::system(),
        placement: Placement::Threads,
        engine: Arc::new(Sound),
    };
    let platform = tokio::select! {
        platform = Platform::start(with) => platform?,
        lost = &mut lease => return Err(lost?.into()),
    };
    let server = crate::http::serve(platform.clone(), store.clone(), listener)?;
    let doors = server.handle();
    match format {
        Format::Human => anstream::println!("listening on http://{address}"),
        Format::Json => anstream::println!("{}", json!({"listening": format!("http://{address}")})),
    }
    let lost = Arc::new(OnceLock::new());
    let tell = lost.clone();
    let closing = actix_rt::spawn(async move {
        tokio::select! {
            () = signal() => {
                tracing::info!("stopping: taking nothing more, finishing what is under way");
                doors.stop(true).await;
            }
            Ok(lost) = lease => {
                // Told before the doors close, for the work goes on from there.
                drop(tell.set(lost));
                doors.stop(false).await;
            }
        }
    });
    server.await?;
    closing.abort();
    if let Some(lost) = lost.get() {
        // Nothing that is under way here can be saved, and what was accepted is in the journal.
        platform.abort().await;
        return Err(Failure::new(lost.to_string()));
    }
    platform.stop().await;
    home.abort();
    if let Err(error) = store.stay_home(&mut Home::default()).await {
        tracing::warn!(%error, "how far the database has come could not be noted");
    }
    if let Err(error) = store.disown().await {
        tracing::warn!(%error, "the lease of the database was not given back: the next server waits until it expires");
    }
    store.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Renews the server's hold on its database. Returns when that is lost.
async fn hold(store: Database) -> StoreError {
    loop {
        tokio::time::sleep(lease::RENEWAL).await;
        match store.renew().await {
            Ok(()) => {}
            Err(lost @ StoreError::Superseded) => return lost,
            // Without the database nothing is written either.
            Err(error) => tracing::warn!(%error, "the lease of the database could not be renewed; trying again"),
        }
    }
}

/// Notes now and then how far the database has come.
async fn stay_home(store: Database) {
    let mut home = Home::default();
    loop {
        tokio::time::sleep(lease::RENEWAL).await;
        if let Err(error) = store.stay_home(&mut home).await {
            tracing::warn!(%error, "how far the database has come could not be noted; trying again");
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
pub(super) async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
