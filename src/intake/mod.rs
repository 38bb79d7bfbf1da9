//! Intake: bytes from a source to events that are valid and clean, with a word on everything else.
//!
//! In order: [`Request::read`] decodes the body as far as it must to know who is calling; [`Intake::take`] decodes each
//! event by itself, checks it against the limits and the tracking plan, cleans its traits, and says what was accepted,
//! what was refused and why. No clock and no chance: the time of arrival and fresh message ids come in by [`Arrival`].

mod again;
pub mod clean;
mod decode;
mod field;
mod mend;
mod plan;
mod refusal;
mod request;
mod take;
mod times;
mod traits;
mod values;

pub use again::{Again, POISON, UNWANTED, unwanted};
pub use mend::Mend;
pub use refusal::{BadRequest, Refusal};
pub use request::{Call, Request};
pub use take::{Arrival, Intake, Taken};

#[cfg(test)]
mod tests;
