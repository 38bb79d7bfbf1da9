//! `tidewater outbox`: what waits, failed or is unknown, and what is to become of it.

use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;

use crate::actors::Clock;
use crate::engine::scenario::named;
use crate::lang::duration::parse_span;
use crate::model::{EffectId, Span};
use crate::store::Database;
use crate::store::dead_letters::{DROPPABLE, RETRIABLE, Selection};
use crate::store::home::{Drop, Hold};
use crate::store::outbox::{OutboxItem, OutboxStatus, Waits};

use super::output::{DatabaseArguments, Done, Failure, Format, block_on, print_json, print_table};

/// Look at effects between decision and outcome; send again what failed, drop what shall not leave.
#[derive(Debug, clap::Subcommand)]
pub(super) enum OutboxCommand {
    /// The newest effects, with what became of them.
    #[command(
        after_help = "Examples:\n  tidewater outbox list --limit 20\n  tidewater outbox list --status failed --to crm"
    )]
    List {
        #[command(flatten)]
        which: Which,
        /// Only those in this state; may be given several times.
        #[arg(long, value_parser = status_words())]
        status: Vec<OutboxStatus>,
        #[arg(long, default_value_t = 50)]
        limit: u64,
        #[command(flatten)]
        database: DatabaseArguments,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Send again what failed, fell silent or was dropped.
    #[command(
        after_help = "A message whose outcome is unknown may have arrived: sending it again may double it.\n\nExamples:\n  \
tidewater outbox retry 0f3c…\n  tidewater outbox retry --to crm --yes"
    )]
    Retry(Change),
    /// Take effects out of the way: they do not leave any more.
    #[command(after_help = "Example:\n  tidewater outbox drop --journey cart-recovery --yes")]
    Drop(Change),
    /// Send nothing from now on, until `outbox resume`.
    #[command(
        after_help = "A copy of a database sends nothing by itself until somebody says so. This is for one that cannot be known \
as a copy, such as a snapshot of a whole disk: say it before the server starts on it.\n\nExample:\n  tidewater outbox hold"
    )]
    Hold {
        #[command(flatten)]
        database: DatabaseArguments,
    },
    /// Send again: this database is the one that is meant to.
    #[command(
        after_help = "What the original sent since the copy was made waits in the copy, and would be sent once more.\n\nExamples:\n  \
tidewater outbox resume\n  tidewater outbox resume --drop-waiting --yes\n  tidewater outbox resume --drop-older-than '2 hours' --yes"
    )]
    Resume(Resume),
}

#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    /// Drop what had been waiting when it was held.
    #[arg(long, conflicts_with = "drop_older_than")]
    drop_waiting: bool,
    /// Drop what was decided longer ago, such as `2 hours`.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    drop_older_than: Option<Span>,
    /// Do it. Without it, the command only tells what would be sent.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    database: DatabaseArguments,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn span(text: &str) -> Result<Span, String> {
    parse_span(text).ok_or_else(|| "write it like `2 hours` or `3 days`".to_owned())
}

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Ids of effects; all that the options select where none is given.
    #[arg(value_name = "EFFECT")]
    effects: Vec<EffectId>,
    /// Only those for this channel of `tidewater.yaml`.
    #[arg(long = "to", value_name = "CHANNEL")]
    destination: Option<String>,
    /// Only those of this journey.
    #[arg(long)]
    journey: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Change {
    #[command(flatten)]
    which: Which,
    /// Do it. Without it, the command only tells how many there are, unless ids were given.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    database: DatabaseArguments,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The words of the states, for `--status`.
fn status_words() -> impl TypedValueParser<Value = OutboxStatus> {
    let words = PossibleValuesParser::new(OutboxStatus::ALL.map(OutboxStatus::as_str));
    words.try_map(|word| OutboxStatus::find(&word).ok_or("it is no state of an effect"))
}

impl Which {
    fn selection(self, statuses: Vec<OutboxStatus>) -> Selection {
        let Self { effects, destination, journey } = self;
        Selection { effects, statuses, destination, journey, ..Selection::default() }
    }
}

pub(super) fn run(command: OutboxCommand) -> Done {
    match command {
        OutboxCommand::List { which, status, limit, database, format } => {
            let selection = which.selection(status);
            block_on(list(selection, limit, database, format))
        }
        OutboxCommand::Retry(change) => block_on(retry(change)),
        OutboxCommand::Drop(change) => block_on(drop_them(change)),
        OutboxCommand::Hold { database } => block_on(hold(database)),
        OutboxCommand::Resume(resume) => block_on(resume_sending(resume)),
    }
}

async fn list(selection: Selection, limit: u64, database: DatabaseArguments, format: Format) -> Done {
    let database = database.open().await?;
    if let Some(Hold { since, reason }) = database.sending_hold().await? {
        anstream::eprintln!("nothing is sent since {since}: {reason}; `tidewater outbox resume` sends again\n");
    }
    for (channel, until) in database.silences().await? {
        anstream::eprintln!(
            "the far side of {channel} does not answer: its effects wait, and one is sent to see at {until}\n"
        );
    }
    let items = database.outbox_of(&selection, limit).await?;
    match format {
        Format::Json => print_json(&items)?,
        Format::Human => {
            let rows: Vec<Vec<String>> = items
                .iter()
                .map(|item| {
                    vec![
                        item.effect.id.to_string(),
                        item.effect.decided_at.to_string(),
                        item.status.as_str().to_owned(),
                        item.attempts.to_string(),
                        named(&item.effect),
                        why(item),
                    ]
                })
                .collect();
            print_table(&["effect", "decided", "status", "tries", "what", "why"], &rows);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What was said last, and what it waits for.
fn why(item: &OutboxItem) -> String {
    let waits = item.waits.as_ref().map(|waits| match waits {
        Waits::Until(at) => format!("tried again at {at}"),
        Waits::Limit(domain) => format!("waits for the limits of {domain}"),
    });
    waits.into_iter().chain(item.detail.clone()).collect::<Vec<_>>().join(": ")
}

async fn retry(change: Change) -> Done {
    let (database, yes, format) = (change.database.open().await?, change.must_do(), change.format);
    let selection = change.which.selection(RETRIABLE.to_vec());
    if !yes {
        return would(&database, &selection, "sent again", format).await;
    }
    let count = database.retry_effects(&selection, Clock::system().now()).await?;
    told(count, "to be sent again", format)
}

async fn drop_them(change: Change) -> Done {
    let (database, yes, format) = (change.database.open().await?, change.must_do(), change.format);
    let selection = change.which.selection(DROPPABLE.to_vec());
    if !yes {
        return would(&database, &selection, "dropped", format).await;
    }
    let count = database.drop_effects(&selection, Clock::system().now()).await?;
    told(count, "dropped", format)
}

impl Change {
    /// Whoever names effects means them.
    fn must_do(&self) -> bool {
        self.yes || !self.which.effects.is_empty()
    }
}

async fn hold(database: DatabaseArguments) -> Done {
    let hold = Hold { since: Clock::system().now(), reason: "somebody said so".to_owned() };
    database.open().await?.hold_sending(&hold).await?;
    anstream::println!("nothing is sent until `tidewater outbox resume`");
    Ok(ExitCode::SUCCESS)
}

async fn resume_sending(resume: Resume) -> Done {
    let Resume { drop_waiting, drop_older_than, yes, database, format } = resume;
    let (database, now) = (database.open().await?, Clock::system().now());
    let Some(held) = database.sending_hold().await? else {
        return Err(Failure::new("nothing is held: what is ready is sent"));
    };
    let waiting = match drop_older_than {
        Some(span) => Drop::DecidedBefore(now - span),
        None if drop_waiting => Drop::DecidedBefore(held.since),
        None => Drop::Nothing,
    };
    if !yes {
        return would_resume(&database, &held, waiting, format).await;
    }
    let dropped = database.resume_sending(waiting, now).await?.unwrap_or_default();
    match format {
        Format::Json => print_json(&json!({"resumed": true, "dropped": dropped}))?,
        Format::Human => anstream::println!("{dropped} dropped; what is ready is sent from now on"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Without `--yes`: what waits, and what would become of it.
async fn would_resume(database: &Database, held: &Hold, waiting: Drop, format: Format) -> Done {
    let ready = Selection { statuses: vec![OutboxStatus::Ready], ..Selection::default() };
    let items = database.outbox_of(&ready, u64::from(u32::MAX)).await?;
    let goes = |item: &&OutboxItem| matches!(waiting, Drop::DecidedBefore(at) if item.effect.decided_at < at);
    let dropped = items.iter().filter(goes).count();
    let sent = items.len() - dropped;
    let before = items.iter().filter(|item| item.effect.decided_at < held.since).count();
    match format {
        Format::Json => print_json(&json!({"held": held, "would_send": sent, "would_drop": dropped}))?,
        Format::Human => anstream::println!(
            "held since {}: {}\n{} wait, {before} of them from before; {sent} would be sent and {dropped} dropped; say --yes to \
             do it (--drop-waiting drops those from before)",
            held.since,
            held.reason,
            items.len()
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// Without `--yes`: how many it would be.
async fn would(database: &Database, selection: &Selection, what: &str, format: Format) -> Done {
    let count = database.outbox_of(selection, u64::from(u32::MAX)).await?.len();
    match format {
        Format::Json => print_json(&json!({"would_change": count}))?,
        Format::Human => anstream::println!("{count} would be {what}; say --yes to do it"),
    }
    Ok(ExitCode::SUCCESS)
}

fn told(count: u64, what: &str, format: Format) -> Done {
    if count == 0 {
        return Err(Failure::new(
            "nothing was changed: no such effect, or it is under way, was sent, or its time is over",
        ));
    }
    match format {
        Format::Json => print_json(&json!({"changed": count}))?,
        Format::Human => anstream::println!("{count} {what}"),
    }
    Ok(ExitCode::SUCCESS)
}
