//! `tidewater segment`: sizes, members, and why a customer is in one.

use std::process::ExitCode;

use serde_json::json;

use crate::engine::explain::{Explained, explain_segment};
use crate::lang::rules::SegmentIndex;
use crate::model::Timestamp;

use super::output::{DatabaseArguments, Done, Failure, Format, block_on, print_json, print_table};

/// Look at segments.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// All segments with members, and how many.
    #[command(after_help = "Example:\n  tidewater segment list --format json")]
    List {
        #[command(flatten)]
        database: DatabaseArguments,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Who is in a segment, since when.
    #[command(
        after_help = "Examples:\n  tidewater segment members vip\n  tidewater segment members vip --limit 10000 --format json"
    )]
    Members {
        /// Name of the segment.
        segment: String,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u64,
        #[command(flatten)]
        database: DatabaseArguments,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Why a customer is in a segment, or is not: the truth of each part of its rule.
    #[command(
        after_help = "Examples:\n  tidewater segment explain vip user_id:ada\n  tidewater segment explain vip ada \
--format json"
    )]
    Explain {
        /// Name of the segment.
        segment: String,
        /// A bare user id, `user_id:ada`, `anonymous_id:…`, or a profile's id, as it is or as `profile:…`.
        who: String,
        #[command(flatten)]
        database: DatabaseArguments,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

pub(super) fn run(command: Command) -> Done {
    block_on(async {
        match command {
            Command::List { database, format } => list(&database, format).await,
            Command::Members { segment, limit, database, format } => members(&segment, limit, &database, format).await,
            Command::Explain { segment, who, database, format } => explain(&segment, &who, &database, format).await,
        }
    })
}

async fn explain(segment: &str, who: &str, database: &DatabaseArguments, format: Format) -> Done {
    let store = database.open().await?;
    let id = super::profile::find(&store, who).await?;
    let (profile, program) = super::profile::load(&store, id).await?;
    let names = || program.rules.segments.iter().map(|segment| segment.name.as_str());
    let Some(index) = names().position(|name| name == segment) else {
        let near = crate::finding::did_you_mean(segment, names());
        let help = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(Failure::new(format!("no segment is called `{segment}`{help}")));
    };
    let now = Timestamp(chrono::Utc::now().timestamp_millis());
    let explained = explain_segment(&profile, &program, SegmentIndex(index as u32), now);
    match format {
        Format::Json => {
            let members: Option<String> =
                profile.memberships().find(|(name, _)| *name == segment).map(|(_, since)| since.to_string());
            print_json(&json!({"segment": segment, "profile": id, "in_since": members, "rule": explained}))?;
        }
        Format::Human => {
            let word = if explained.holds { "in" } else { "not in" };
            anstream::println!("{who} is {word} {segment}");
            draw(&explained, 1);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One line a part, indented by how deep it stands.
fn draw(part: &Explained, depth: usize) {
    let mark = if part.holds { "yes" } else { "no " };
    let found = part.found.as_ref().map(|found| format!("   ({found})")).unwrap_or_default();
    anstream::println!("{}{mark}  {}{found}", "  ".repeat(depth), part.asked);
    for inner in &part.parts {
        draw(inner, depth + 1);
    }
}

async fn list(database: &DatabaseArguments, format: Format) -> Done {
    let sizes = database.open().await?.segment_sizes().await?;
    match format {
        Format::Json => print_json(&sizes)?,
        Format::Human => {
            let rows: Vec<Vec<String>> =
                sizes.into_iter().map(|size| vec![size.segment, size.members.to_string()]).collect();
            print_table(&["segment", "members"], &rows);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn members(segment: &str, limit: u64, database: &DatabaseArguments, format: Format) -> Done {
    let store = database.open().await?;
    let members = store.segment_members(segment, None, limit).await?;
    if members.is_empty() && format == Format::Human {
        let known: Vec<String> = store.segment_sizes().await?.into_iter().map(|size| size.segment).collect();
        let near = crate::finding::did_you_mean(segment, known.iter().map(String::as_str));
        if let Some(near) = near.filter(|near| *near != segment) {
            return Err(Failure::new(format!("nobody is in a segment `{segment}`; did you mean `{near}`?")));
        }
    }
    match format {
        Format::Json => {
            let list: Vec<_> = members
                .iter()
                .map(|member| {
                    let identifiers: serde_json::Map<String, serde_json::Value> = member
                        .identifiers
                        .iter()
                        .map(|identifier| (identifier.kind.clone(), json!(identifier.value)))
                        .collect();
                    json!({"profile": member.profile, "identifiers": identifiers, "since": member.since.to_string()})
                })
                .collect();
            print_json(&list)?;
        }
        Format::Human => {
            let rows: Vec<Vec<String>> = members
                .iter()
                .map(|member| {
                    let names: Vec<String> = member
                        .identifiers
                        .iter()
                        .map(|identifier| format!("{}:{}", identifier.kind, identifier.value))
                        .collect();
                    vec![member.profile.to_string(), member.since.to_string(), names.join(" ")]
                })
                .collect();
            print_table(&["profile", "since", "known as"], &rows);
        }
    }
    Ok(ExitCode::SUCCESS)
}
