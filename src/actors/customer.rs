//! One customer: a thin actor around the pure engine. It holds the profile, answers with what changed, and does nothing
//! else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::prelude::*;

use crate::engine::transition::Relay;
use crate::engine::{self, Effect, Fact, MembershipChange, Profile, Transition, snapshot};
use crate::model::{Entry, EntryBody, Offset, Timestamp};
use crate::store::state::SavedProfile;
use crate::workspace::Program;

/// What a customer is asked to do under one program.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// Apply these, in order.
    Entries(Vec<Arc<Entry>>),
    /// A new program: time up to the entry belongs to the program before.
    Deploy { before: Arc<Program>, entry: Arc<Entry> },
    /// Fire all wakes up to here.
    Fire(Timestamp),
}

/// One batch for one customer.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Worked, Panicked>")]
pub(super) struct Work {
    pub(super) program: Arc<Program>,
    pub(super) task: Task,
    /// Entry by entry, going back to the state before an entry that cannot be applied: slower, after a panic.
    pub(super) is_careful: bool,
}

/// What a batch changed.
#[derive(Debug)]
pub(super) struct Worked {
    /// The state to save; `None` where nothing was applied that was not applied before.
    pub(super) saved: Option<SavedProfile>,
    pub(super) memberships: Vec<MembershipChange>,
    pub(super) effects: Vec<Effect>,
    pub(super) facts: Vec<Fact>,
    pub(super) relays: Vec<Relay>,
    /// Entries whose event counted.
    pub(super) history: Vec<Arc<Entry>>,
    /// What could not be applied, twice, with the reason. Only of a careful batch.
    pub(super) poison: Vec<Poison>,
}

/// Something that the engine could not apply.
#[derive(Debug)]
pub(super) struct Poison {
    pub(super) offset: Offset,
    /// `None`: a wake.
    pub(super) entry: Option<Arc<Entry>>,
    pub(super) reason: String,
}

/// The engine panicked: the customer's state cannot be trusted any more, and the customer is to be dropped.
#[derive(Debug)]
pub(super) struct Panicked {
    pub(super) reason: String,
}

pub(super) struct Customer {
    profile: Profile,
}

impl Customer {
    pub(super) fn new(profile: Profile) -> Self {
        Self { profile }
    }

    fn work(&mut self, work: &Work) -> Result<Worked, Panicked> {
        let before = (self.profile.applied(), self.profile.wake());
        let mut batch = Batch { profile: &mut self.profile, is_careful: work.is_careful, done: Worked::empty() };
        match &work.task {
            Task::Entries(entries) => {
                for entry in entries {
                    batch.apply(&work.program, entry)?;
                }
            }
            Task::Deploy { before, entry } => {
                // A repeat after a crash: what was fired since belongs to the new program.
                if batch.profile.applied() < entry.offset {
                    batch.fire(before, Timestamp(entry.received_at.0 - 1))?;
                }
                batch.apply(&work.program, entry)?;
            }
            Task::Fire(up_to) => batch.fire(&work.program, *up_to)?,
        }
        let has_poison = !batch.done.poison.is_empty();
        let mut done = batch.done;
        if has_poison || before != (self.profile.applied(), self.profile.wake()) {
            // A wake that cannot be fired would be due for ever.
            let is_stuck = done.poison.iter().any(|poison| poison.entry.is_none());
            let wake = self.profile.wake().filter(|_| !is_stuck);
            done.saved = Some(SavedProfile { id: self.profile.id(), snapshot: snapshot::encode(&self.profile), wake });
        }
        Ok(done)
    }
}

impl Worked {
    fn empty() -> Self {
        Self {
            saved: None,
            memberships: Vec::new(),
            effects: Vec::new(),
            facts: Vec::new(),
            relays: Vec::new(),
            history: Vec::new(),
            poison: Vec::new(),
        }
    }
}

struct Batch<'a> {
    profile: &'a mut Profile,
    is_careful: bool,
    done: Worked,
}

impl Batch<'_> {
    fn apply(&mut self, program: &Program, entry: &Arc<Entry>) -> Result<(), Panicked> {
        let step = |profile: &mut Profile| {
            #[cfg(test)]
            tests::trip(entry);
            engine::apply(profile, program, entry)
        };
        let Some(transition) = self.attempt(step, entry.offset, Some(entry))? else { return Ok(()) };
        if transition.recorded && matches!(entry.body, EntryBody::Event(_)) {
            self.done.history.push(entry.clone());
        }
        self.note(transition);
        Ok(())
    }

    fn fire(&mut self, program: &Program, up_to: Timestamp) -> Result<(), Panicked> {
        let at = self.profile.applied();
        if let Some(transition) = self.attempt(|profile| engine::fire(profile, program, up_to), at, None)? {
            self.note(transition);
        }
        Ok(())
    }

    /// Runs one step of the engine. In a careful batch a step that panics is tried once more on the state before it,
    /// and then left out.
    fn attempt(
        &mut self,
        step: impl Fn(&mut Profile) -> Transition,
        offset: Offset,
        entry: Option<&Arc<Entry>>,
    ) -> Result<Option<Transition>, Panicked> {
        if !self.is_careful {
            return guarded(self.profile, &step).map(Some);
        }
        let clean = self.profile.clone();
        let first = guarded(self.profile, &step);
        let Err(_) = first else { return first.map(Some) };
        self.profile.clone_from(&clean);
        match guarded(self.profile, &step) {
            Ok(transition) => Ok(Some(transition)),
            Err(Panicked { reason }) => {
                *self.profile = clean;
                self.done.poison.push(Poison { offset, entry: entry.cloned(), reason });
                Ok(None)
            }
        }
    }

    fn note(&mut self, transition: Transition) {
        self.done.memberships.extend(transition.memberships);
        self.done.effects.extend(transition.effects);
        self.done.facts.extend(transition.facts);
        self.done.relays.extend(transition.relays);
    }
}

fn guarded(profile: &mut Profile, step: &impl Fn(&mut Profile) -> Transition) -> Result<Transition, Panicked> {
    catch_unwind(AssertUnwindSafe(|| step(profile))).map_err(|panic| Panicked { reason: reason_of(panic.as_ref()) })
}

fn reason_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "an unknown reason".to_owned())
}

impl Actor for Customer {
    type Context = Context<Self>;
}

impl Handler<Work> for Customer {
    type Result = Result<Worked, Panicked>;

    fn handle(&mut self, work: Work, _: &mut Self::Context) -> Self::Result {
        self.work(&work)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The name of an event on which the engine panics in unit tests: the only way to see what becomes of a fault that
    /// we do not know yet.
    pub(in crate::actors) const TRIPPING: &str = "Trip The Engine";

    pub(super) fn trip(entry: &Entry) {
        if let EntryBody::Event(event) = &entry.body {
            assert!(event.name != TRIPPING, "the engine tripped");
        }
    }
}
