//! Ranks are worked out over everyone, from what was committed last.

use crate::engine::{rank_value, snapshot, threshold};
use crate::journey::graph::Schedule;
use crate::lang::rules::{Rank, RankIndex, Refreshed};
use crate::model::limit::SHARDS;
use crate::model::{EntryBody, ShardId, Timestamp};
use crate::store::{Store, StoreError};
use crate::workspace::Program;

/// Profiles that are read at once.
const PAGE: u64 = 500;

/// When a rank is refreshed, on the workspace's wall clock.
pub(super) fn schedule(rank: &Rank, program: &Program) -> Option<Schedule> {
    let expression = match rank.refreshed {
        Refreshed::Hourly => "0 * * * *".to_owned(),
        Refreshed::Daily { minute } => format!("{} {} * * *", minute % 60, minute / 60),
        Refreshed::Weekly { minute } => {
            // Cron counts from Sunday, we count from Monday.
            let day = (program.rules.week_starts + 1) % 7;
            format!("{} {} * * {day}", minute % 60, minute / 60)
        }
    };
    Schedule::parse(&expression, program.time_zone).ok()
}

/// The entry that says from what value on someone has the rank.
pub(super) async fn work_out(
    store: &dyn Store,
    program: &Program,
    index: RankIndex,
    now: Timestamp,
) -> Result<EntryBody, StoreError> {
    let rank = &program.rules.ranks[index.at()];
    let mut values = Vec::new();
    for shard in 0..SHARDS {
        let mut after = None;
        loop {
            let page = store.profiles_of_shard(ShardId(shard), after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            for saved in store.load_profiles(&page).await? {
                match snapshot::decode(&saved.snapshot) {
                    Ok(profile) => values.extend(rank_value(&profile, program, rank, now)),
                    Err(error) => tracing::warn!(%error, "a profile cannot be read, and is left out of a rank"),
                }
            }
        }
    }
    Ok(EntryBody::RankRefreshed { rank: rank.key, threshold: threshold(values, rank.standing) })
}
