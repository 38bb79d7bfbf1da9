//! The words of the platform as types: ids, values, events, time, consent and limits. No I/O, no clock, no chance.

pub mod audience_hash;
pub mod consent;
pub mod entry;
pub mod event;
pub mod id;
pub mod limit;
pub mod packed;
pub mod platform_event;
pub mod sorted;
pub mod text;
pub mod time;
pub mod value;
pub mod weight;

pub use consent::{ConsentChange, ConsentKey, ConsentSource, ConsentState};
pub use entry::{Deploy, Entry, EntryBody, Skipped, Snapshot, Target};
pub use event::{Event, EventKind};
pub use id::{EffectId, MessageId, Offset, ProfileId, RunId, ShardId};
pub use sorted::SortedMap;
pub use time::{Moment, Span, Timestamp};
pub use value::Value;
