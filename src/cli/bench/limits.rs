//! What this machine can do at best with the same bytes: parts of the work, alone.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cli::output::Failure;
use crate::store::limit::plain_inserts;

use super::shape::Shape;

/// Events of one group commit, as under full load.
const GROUP: u64 = 8_000;

/// Events a second that can be appended to a file, a group at a time, each followed by `fdatasync`.
pub(super) fn group_fsync(folder: &Path, length: Duration) -> Result<f64, Failure> {
    let mut file = File::create(folder.join("fsync"))?;
    let group: String = (0..GROUP / 100).map(|number| Shape::Batch(100).body(number)).collect();
    let (begin, mut events) = (Instant::now(), 0);
    while begin.elapsed() < length {
        file.write_all(group.as_bytes())?;
        file.sync_data()?;
        events += GROUP;
    }
    Ok(events as f64 / begin.elapsed().as_secs_f64())
}

/// Events a second that SQLite takes as rows, a group in a transaction, as durable as our own.
pub(super) async fn sqlite_inserts(folder: &Path, length: Duration) -> Result<f64, Failure> {
    let rows: Vec<String> = (0..GROUP).map(|number| Shape::Single.body(number)).collect();
    let url = format!("sqlite://{}", folder.join("plain.db").display());
    let (begin, mut events) = (Instant::now(), 0);
    let mut plain = plain_inserts(&url).await?;
    while begin.elapsed() < length {
        plain.insert(&rows).await?;
        events += GROUP;
    }
    Ok(events as f64 / begin.elapsed().as_secs_f64())
}
