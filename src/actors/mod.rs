//! The only actix room: thin actors around the pure engine, and the only clock.
//!
//! ```text
//! doors ──▶ sequencer ──▶ 256 shards ──▶ customers
//!              ▲  ▲            │ one commit a batch
//!    outcomes  │  └─ relays ◀── state writer ──▶ channels ──▶ the world
//!              └──────────────────────────────────┘
//! ```

mod askers;
mod batch;
mod board;
mod broadcast;
mod carrier;
mod channel;
pub mod clock;
mod customer;
mod gauges;
mod group;
mod identity;
mod kept;
mod memory;
mod outcome;
mod pending;
pub mod platform;
mod rank;
mod recovery;
mod relay;
mod schedules;
mod sequencer;
mod shard;
mod slot;
mod spare;
mod state_writer;
mod threads;
mod unsaved;
mod wakes;
mod words;

pub use board::WAITING_LIMIT;
pub use carrier::{Carrier, Performing};
pub use clock::Clock;
pub use gauges::Reading;
pub use group::Retry;
pub use memory::MemoryReading;
pub use platform::{Accepted, Platform, Refused, StartError, StartWith};
pub use recovery::Deployed;
pub use threads::Placement;
