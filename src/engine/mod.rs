//! The pure heart: `apply` and `fire` turn a profile, a program and an entry into a [`Transition`]. No I/O, no clock,
//! no chance. Live running, recovery, scenario tests and simulation call the same functions.

pub mod transition;

pub use transition::{Effect, EffectBody, Fact, MembershipChange, StepOutcome, Transition};
