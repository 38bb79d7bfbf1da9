//! What a channel actor needs of a channel: to carry one effect into the world and say what became of it.

use std::pin::Pin;
use std::sync::Arc;

use crate::engine::Effect;
use crate::model::Span;
use crate::workspace::Program;

/// What became of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The far side took it.
    Sent { detail: Option<String> },
    /// It will never be taken.
    Failed { reason: String },
    /// It was not taken, and may be later.
    RetryAt { after: Span, reason: String },
    /// The far side fell silent after it had everything.
    Unknown { reason: String },
}

/// A try under way.
pub type Performing = Pin<Box<dyn Future<Output = Outcome>>>;

/// Carries the effects of one destination.
pub trait Carrier: Send + Sync {
    /// How many effects may be under way at once.
    fn at_once(&self) -> usize;

    /// Tries once; `attempts` tells how often it was tried before.
    fn perform(self: Arc<Self>, effect: Effect, attempts: u32, program: Arc<Program>) -> Performing;
}
