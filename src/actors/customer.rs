//! One customer: a thin actor around the pure engine. It holds the profile, answers with what changed, and does nothing
//! else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::prelude::*;

use crate::engine::backfill::{self, Past, Wanted};
use crate::engine::transition::Relay;
use crate::engine::{self, Effect, Fact, MembershipChange, Profile, Transition, snapshot};
use crate::model::{Entry, EntryBody, Offset, Timestamp};
use crate::workspace::Program;

use super::broadcast::Broadcast;

/// What a customer is asked to do under one program.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// Apply these, in order.
    Entries(Vec<Arc<Entry>>),
    /// Take in the broadcasts.
    CatchUp,
    /// Fire all wakes up to here.
    Fire(Timestamp),
    /// Tell the state.
    Save,
}

/// One batch for one customer.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Answer")]
pub(super) struct Work {
    pub(super) program: Arc<Program>,
    /// What the customer may not have seen yet of what concerns everyone.
    pub(super) broadcasts: Arc<Vec<Broadcast>>,
    /// The customer's past, where it asked for it.
    pub(super) history: Option<Vec<Past>>,
    pub(super) task: Task,
    /// Entry by entry, going back to the state before an entry that cannot be applied: slower, after a panic.
    pub(super) is_careful: bool,
}

/// What comes of one batch for one customer.
#[derive(Debug)]
pub(super) enum Answer {
    Worked(Worked),
    /// Nothing was done: the customer must know this of its past first. The same batch is to come again, with it.
    Wants(Wanted),
    Panicked(Panicked),
}

/// What a batch changed.
#[derive(Debug, Default)]
pub(super) struct Worked {
    /// The first entry that the state before did not know ([`BY_TIME`] if only time changed it); `None` where nothing
    /// changed.
    pub(super) changed: Option<Offset>,
    /// The state, where something was emitted and must be saved with it, or where it was asked for.
    pub(super) snapshot: Option<Vec<u8>>,
    pub(super) wake: Option<Timestamp>,
    pub(super) memberships: Vec<MembershipChange>,
    pub(super) effects: Vec<Effect>,
    pub(super) facts: Vec<Fact>,
    pub(super) relays: Vec<Relay>,
    /// Entries whose event counted.
    pub(super) counted: Vec<Arc<Entry>>,
    /// What could not be applied, twice, with the reason. Only of a careful batch.
    pub(super) poison: Vec<Poison>,
}

/// A change that no entry made: what is saved tells when to do it again.
pub(super) const BY_TIME: Offset = Offset(u64::MAX);

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

    /// What must be known of the past before this can be done.
    fn wants(&self, work: &Work) -> Option<Wanted> {
        let unseen = work.broadcasts.iter().filter(|broadcast| broadcast.entry.offset > self.profile.applied());
        let wanted =
            unseen.filter_map(|Broadcast { entry, program, .. }| backfill::wanted_by(&self.profile, program, entry));
        wanted.chain(backfill::wanted(&self.profile, &work.program)).reduce(Wanted::and)
    }

    fn work(&mut self, work: &Work) -> Result<Worked, Panicked> {
        let mut batch = Batch {
            profile: &mut self.profile,
            history: work.history.as_deref().unwrap_or_default(),
            is_careful: work.is_careful,
            must_save: matches!(work.task, Task::Save),
            done: Worked::default(),
        };
        batch.fill(&work.program)?;
        match &work.task {
            Task::Entries(entries) => {
                for entry in entries {
                    batch.catch_up(&work.broadcasts, entry.offset)?;
                    batch.apply(&work.program, entry)?;
                }
            }
            Task::CatchUp => batch.catch_up(&work.broadcasts, Offset(u64::MAX))?,
            Task::Fire(up_to) => {
                batch.catch_up(&work.broadcasts, Offset(u64::MAX))?;
                batch.fire(&work.program, *up_to)?;
            }
            Task::Save => {}
        }
        let Batch { done: mut worked, must_save, .. } = batch;
        // A wake that cannot be fired would be due for ever.
        let is_stuck = worked.poison.iter().any(|poison| poison.entry.is_none());
        worked.wake = self.profile.wake().filter(|_| !is_stuck);
        if must_save {
            worked.snapshot = Some(snapshot::encode(&self.profile));
        }
        Ok(worked)
    }
}

struct Batch<'a> {
    profile: &'a mut Profile,
    history: &'a [Past],
    is_careful: bool,
    must_save: bool,
    done: Worked,
}

impl Batch<'_> {
    /// Takes in the broadcasts before `offset` that this profile was there for and has not seen.
    fn catch_up(&mut self, broadcasts: &[Broadcast], offset: Offset) -> Result<(), Panicked> {
        for Broadcast { entry, program, before } in broadcasts {
            let is_known = self.profile.applied().0 > 0;
            if !is_known || entry.offset <= self.profile.applied() || entry.offset >= offset {
                continue;
            }
            if let Some(before) = before {
                self.fire(before, Timestamp(entry.received_at.0 - 1))?;
                // What follows is decided by another program: a replay must not have to know both.
                self.must_save = true;
            }
            let ranks = self.profile.ranks.len();
            self.apply(program, entry)?;
            // Nobody could tell a single profile of it again: its next replay may begin after the broadcast.
            self.must_save |= self.profile.ranks.len() != ranks;
        }
        Ok(())
    }

    fn apply(&mut self, program: &Program, entry: &Arc<Entry>) -> Result<(), Panicked> {
        let step = |profile: &mut Profile| {
            #[cfg(test)]
            tests::trip(entry);
            engine::apply(profile, program, entry)
        };
        let before = self.profile.applied();
        let Some(transition) = self.attempt(step, entry.offset, Some(entry))? else { return Ok(()) };
        if self.profile.applied() > before {
            self.changed(entry.offset);
        }
        if transition.recorded && matches!(entry.body, EntryBody::Event(_)) {
            self.done.counted.push(entry.clone());
        }
        self.note(transition);
        self.fill(program)
    }

    /// Goes on where a deploy waits for the past; what was parked meanwhile may hold another.
    fn fill(&mut self, program: &Program) -> Result<(), Panicked> {
        while backfill::is_unfilled(self.profile) {
            // What was parked counts only now, and the store does not have it yet.
            let counted = self.done.counted.iter().filter_map(|entry| Past::of(entry));
            let history: Vec<Past> = self.history.iter().cloned().chain(counted).collect();
            let step = |profile: &mut Profile| backfill::fill(profile, program, &history);
            let at = self.profile.applied();
            let Some(transition) = self.attempt(step, at, None)? else { break };
            self.must_save = true;
            self.changed(at);
            self.note(transition);
        }
        Ok(())
    }

    fn fire(&mut self, program: &Program, up_to: Timestamp) -> Result<(), Panicked> {
        let (at, wake) = (self.profile.applied(), self.profile.wake());
        if let Some(transition) = self.attempt(|profile| engine::fire(profile, program, up_to), at, None)? {
            if self.profile.wake() != wake {
                self.changed(BY_TIME);
            }
            self.note(transition);
        }
        Ok(())
    }

    fn changed(&mut self, by: Offset) {
        self.done.changed = Some(self.done.changed.map_or(by, |first| first.min(by)));
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
                self.must_save = true;
                self.done.poison.push(Poison { offset, entry: entry.cloned(), reason });
                Ok(None)
            }
        }
    }

    fn note(&mut self, transition: Transition) {
        self.must_save |= transition.emits();
        self.done.counted.extend(transition.released.into_iter().map(Arc::new));
        self.done.memberships.extend(transition.memberships);
        self.done.effects.extend(transition.effects);
        self.done.facts.extend(transition.facts);
        self.done.relays.extend(transition.relays);
    }
}

/// Applies an entry that was applied before and emitted nothing, or failed and was left out.
pub(super) fn apply_again(profile: &mut Profile, program: &Program, entry: &Entry) {
    let clean = profile.clone();
    let step = |profile: &mut Profile| {
        #[cfg(test)]
        tests::trip(entry);
        engine::apply(profile, program, entry)
    };
    if guarded(profile, &step).is_err() {
        *profile = clean;
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
    type Result = MessageResult<Work>;

    fn handle(&mut self, work: Work, _: &mut Self::Context) -> Self::Result {
        if work.history.is_none()
            && let Some(wanted) = self.wants(&work)
        {
            return MessageResult(Answer::Wants(wanted));
        }
        MessageResult(self.work(&work).map_or_else(Answer::Panicked, Answer::Worked))
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
