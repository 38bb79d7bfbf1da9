//! The tables, one a file.

pub mod deny;
pub mod deploy;
pub mod erased_identifier;
pub mod erased_profile;
pub mod erasure;
pub mod event_tally;
pub mod history;
pub mod identity;
pub mod journal_block;
pub mod journey_run;
pub mod journey_step;
pub mod lease;
pub mod membership;
pub mod merged_profile;
pub mod outbox;
pub mod profile;
pub mod program;
pub mod quarantine;
pub mod relay;
pub mod schedule_fired;
pub mod segment_day;
pub mod setting;
pub mod shard_offset;
pub mod skip;
