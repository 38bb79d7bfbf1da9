//! The only actix room: thin actors around the pure engine, and the only clock.

pub mod clock;
pub mod platform;

pub use clock::Clock;
pub use platform::{Accepted, Platform, Refused, StartError, StartWith};
