//! What the engine fails on: a panic is caught, and what fails again on the state before it is left out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::engine::{Profile, Transition, skip};
use crate::model::{Entry, ProfileId, Skipped, Timestamp};

use super::AtWork;

/// Something that the engine could not do.
#[derive(Debug)]
pub(in crate::actors) struct Poison {
    pub(in crate::actors) profile: ProfileId,
    pub(in crate::actors) what: Failed,
    pub(in crate::actors) reason: String,
}

/// What it was that could not be done.
#[derive(Debug)]
pub(in crate::actors) enum Failed {
    /// To apply this: it is passed over from now on.
    Entry(Arc<Entry>),
    /// To wake the profile at this instant: it is passed over from now on.
    Wake(Timestamp),
    /// To go on at all, or to take its history in: nothing can be passed over, and the profile stays as it is.
    Profile,
}

impl Failed {
    pub(in crate::actors) fn skipped(&self) -> Option<Skipped> {
        match self {
            Self::Entry(entry) => Some(Skipped::Entry(entry.offset)),
            Self::Wake(at) => Some(Skipped::Wake(*at)),
            Self::Profile => None,
        }
    }
}

/// The engine panicked: the customer's state cannot be trusted any more, and the customer is to be dropped.
#[derive(Debug)]
pub(in crate::actors) struct Panicked {
    pub(in crate::actors) reason: String,
}

impl AtWork<'_> {
    /// Runs one step of the engine. In a careful batch a step that panics is tried once more on the state before it, then
    /// without each parked entry by which it fails, and then left out.
    pub(super) fn attempt(
        &mut self,
        step: impl Fn(&mut Profile) -> Transition,
        what: impl Fn() -> Failed,
    ) -> Result<Option<Transition>, Panicked> {
        if !self.terms.is_careful {
            return guarded(self.profile, &step).map(Some);
        }
        loop {
            let clean = self.profile.clone();
            let first = guarded(self.profile, &step);
            let Err(_) = first else { return first.map(Some) };
            self.profile.clone_from(&clean);
            let reason = match guarded(self.profile, &step) {
                Ok(transition) => return Ok(Some(transition)),
                Err(Panicked { reason }) => reason,
            };
            *self.profile = clean;
            self.must_save = true;
            let culprit = skip::culprit(self.profile, |profile| guarded(profile, &step).is_err());
            let is_over = culprit.is_none();
            let what = match culprit {
                Some(parked) => {
                    skip::unpark_without(self.profile, parked.offset);
                    Failed::Entry(Arc::new(parked))
                }
                None => what(),
            };
            self.done.poison.push(Poison { profile: self.profile.id(), what, reason });
            if is_over {
                return Ok(None);
            }
        }
    }
}

fn guarded(profile: &mut Profile, step: &impl Fn(&mut Profile) -> Transition) -> Result<Transition, Panicked> {
    catch_unwind(AssertUnwindSafe(|| step(profile))).map_err(|panic| Panicked { reason: reason_of(panic.as_ref()) })
}

fn reason_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "an unknown reason".to_owned())
}
