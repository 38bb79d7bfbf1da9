//! The pure heart: [`apply`] and [`fire`] turn a profile, a program and an entry into a [`Transition`]. No I/O, no
//! clock, no chance. Live running, recovery, scenario tests and simulation call the same functions.

mod aggregates;
mod apply;
mod audience_outcomes;
mod audiences;
pub mod backfill;
mod consent;
mod ends;
mod erasure;
pub mod explain;
mod known;
mod memberships;
mod merge;
mod observe;
mod profile;
mod rank;
pub mod rehearse;
mod runs;
pub mod scenario;
mod seam;
mod seen;
pub mod skip;
pub mod snapshot;
pub mod timeline;
mod traits;
pub mod transition;
mod turn;
mod view;
mod wake;
mod weight;

pub use apply::{apply, fire, memberships_agree};
pub use consent::{consent_of_event, is_suppressed, purpose_allows, topic_allows};
pub use erasure::{is_forgotten, tombstone};
pub use profile::{Profile, Run};
pub use rank::{rank_value, threshold};
pub use seam::{Engine, Sound};
pub use skip::Skips;
pub use transition::{Effect, EffectBody, Fact, MembershipChange, StepOutcome, Transition};
