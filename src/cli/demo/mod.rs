//! `tidewater demo`: the whole platform on this machine, with customers, a mail server and endpoints to send to.

mod cdnow;
mod clickstream;
mod outcome;
mod person;
mod play;
mod sample;
mod shop;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use super::output::{Done, Failure, Format, print_json};
use super::serve::{signal, start_logging};

pub(super) use workspace::write_files;

use play::Stage;
use workspace::DemoData;

/// Run a shop end to end on this machine: sample customers, real mail, webhooks, audiences.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidewater demo\n  tidewater demo --once\n  tidewater demo --once --data cdnow\n  \
tidewater demo --keep my-demo     (keeps workspace and database to look around)"
)]
pub(super) struct Arguments {
    /// End with a summary instead of leaving the server up.
    #[arg(long)]
    once: bool,
    /// What is played: a generated shop, the real purchases of a music shop (1997 to 1998), or a synthetic
    /// clickstream (2024).
    #[arg(long, value_enum, default_value_t)]
    data: DemoData,
    /// How many customers; all there are where the data is not generated.
    #[arg(long, value_name = "N")]
    customers: Option<usize>,
    /// Chance in the generated shop, and in who clicks.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Keep workspace and database in this folder, which must be empty or not there.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(arguments: Arguments) -> Done {
    start_logging("warn");
    actix_rt::System::new().block_on(demo(arguments))
}

async fn demo(arguments: Arguments) -> Done {
    let is_human = arguments.format == Format::Human;
    let folder = workspace::Folder::new(arguments.keep.clone())?;
    let sample = arguments.data.sample(arguments.customers, arguments.seed)?;
    let stage = Stage::set(&folder, arguments.data, sample.start).await?;
    if is_human {
        stage.introduce(&sample);
    }
    let played = stage.play(&sample, arguments.seed, is_human).await?;
    let outcome = outcome::gather(&stage, &sample, &played).await?;
    let is_well = outcome.problems.is_empty();
    if is_human {
        outcome.print(&stage, &folder, !arguments.once);
    } else {
        print_json(&outcome)?;
    }
    if !arguments.once {
        signal().await;
    }
    stage.strike().await?;
    match is_well {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::new(format!("the demo did not go as it must: {}", outcome.problems.join("; ")))),
    }
}
