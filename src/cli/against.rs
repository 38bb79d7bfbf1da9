//! What data tells of a workspace, for `tidewater lint --against`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::analytics::seen::{AtMost, answers};
use crate::lint::against::{Answers, Questions, as_deployed, counted, findings};
use crate::lint::report_with_data;
use crate::store::{Database, open};
use crate::workspace::load::{Loaded, compile};

use super::check::Checked;
use super::output::{Failure, block_on, database_url};

/// Adds what the data of a database tells; `None` is the workspace's own. Says on standard error how much was looked
/// at.
pub(super) fn hold_against(checked: Checked, database: Option<&str>, folder: &Path) -> Result<Checked, Failure> {
    let url = match database {
        Some(url) if url.contains(':') => url.to_owned(),
        Some(other) => {
            let message = format!("`{other}` is no address of a database");
            return Err(Failure::new(format!("{message}; for a folder, write `tidewater lint {other} --against`")));
        }
        None => own_database(&checked.loaded, folder)?,
    };
    let Checked { loaded, report } = checked;
    let Some(program) = loaded.program.clone() else {
        anstream::eprintln!("the workspace has errors, so it was not held against data\n");
        return Ok(Checked { loaded, report });
    };
    let questions = Questions::of(&program, &loaded.sources);
    let answers = block_on(async {
        let store = Database::open_to_look(&url).await?;
        let deployed = deployed(&store, &loaded).await?;
        let answers = answers(&store, &questions, deployed, AtMost::default()).await?;
        store.close().await;
        Ok(answers)
    })?;
    anstream::eprintln!("{}\n", told(&answers, program.rules.segments.len(), &url));
    let report = report_with_data(&loaded, findings(&questions, &answers));
    Ok(Checked { loaded, report })
}

fn own_database(loaded: &Loaded, folder: &Path) -> Result<String, Failure> {
    let config = loaded.config.as_ref().ok_or_else(|| {
        Failure::new("`tidewater.yaml` is missing or has errors; `--against URL` names the database without it")
    })?;
    Ok(database_url(config, folder))
}

/// The segments that are in force as they are written here.
async fn deployed(store: &Database, here: &Loaded) -> Result<BTreeSet<String>, Failure> {
    let Some((_, sources)) = store.active_program().await? else { return Ok(BTreeSet::new()) };
    let there = compile(sources, &|_| None);
    let (Some(ours), Some(theirs)) = (&here.program, &there.program) else { return Ok(BTreeSet::new()) };
    Ok(as_deployed((ours, &here.sources), (theirs, &there.sources)))
}

fn told(answers: &Answers, segments: usize, url: &str) -> String {
    let looked_at = &answers.looked_at;
    let events = match looked_at.all_events {
        true => counted(looked_at.events),
        false => format!("the newest {}", counted(looked_at.events)),
    };
    let profiles = counted(looked_at.profiles);
    let database = open::without_password(url);
    let mut told = format!("looked into {events} events and {profiles} profiles of {database}");
    let others = segments - answers.deployed.len();
    if others > 0 {
        told.push_str(&format!(
            "; {others} of {segments} segments are not in force as they are written here, so nothing is said of their \
             sizes"
        ));
    }
    told
}
