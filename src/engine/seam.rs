//! The seam between the engine and the customers: where a test puts a fault that we do not know yet.

use std::fmt::Debug;

use crate::model::{Entry, Timestamp};
use crate::workspace::Program;

use super::backfill::{self, Past};
use super::profile::Profile;
use super::transition::Transition;

/// What decides for the customers of a platform. A fault is a panic in one of these.
pub trait Engine: Debug + Send + Sync {
    /// See [`super::apply`].
    fn apply(&self, profile: &mut Profile, program: &Program, entry: &Entry) -> Transition {
        super::apply(profile, program, entry)
    }

    /// See [`super::fire`].
    fn fire(&self, profile: &mut Profile, program: &Program, up_to: Timestamp) -> Transition {
        super::fire(profile, program, up_to)
    }

    /// See [`backfill::fill`].
    fn fill(&self, profile: &mut Profile, program: &Program, history: &[Past]) -> Transition {
        backfill::fill(profile, program, history)
    }
}

/// The engine as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sound;

impl Engine for Sound {}
