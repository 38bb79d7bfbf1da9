//! One customer: a thin actor around the pure engine. It holds the profile (packed, while it rests), answers with what
//! changed, and does nothing else.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::mpsc;

use crate::engine::backfill::{self, Past, Wanted};
use crate::engine::skip::{self, skip_wake};
use crate::engine::transition::Relay;
use crate::engine::{Effect, Engine, Fact, MembershipChange, Profile, Skips, Transition, snapshot};
use crate::model::packed::PackedError;
use crate::model::weight::Weight;
use crate::model::{Entry, Offset, ProfileId, Skipped, Timestamp};
use crate::workspace::Program;

use super::broadcast::Broadcast;
use super::kept::{Kept, Size};

/// What a customer is asked to do under one program.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// Apply these, in order.
    Entries(Vec<Arc<Entry>>),
    /// Take in the broadcasts.
    CatchUp,
    /// Fire all wakes up to here.
    Fire(Timestamp),
    /// Tell the state. Who is busy will be asked for more soon, and keeps it unpacked.
    Save { is_busy: bool },
    /// Keep the state packed: nothing happens.
    Rest,
}

/// What all customers of one batch are asked under.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) engine: Arc<dyn Engine>,
    /// What is passed over.
    pub(super) skips: Arc<Skips>,
    pub(super) program: Arc<Program>,
    /// What the customer may not have seen yet of what concerns everyone.
    pub(super) broadcasts: Arc<Vec<Broadcast>>,
    /// Entry by entry, going back to the state before an entry that cannot be applied: slower, after a panic.
    pub(super) is_careful: bool,
}

/// Where the customers of one batch answer.
pub(super) type Answers = mpsc::UnboundedSender<(ProfileId, Answer)>;

/// One batch for one customer. It answers by itself: a message that is answered by actix costs a channel each.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Work {
    pub(super) profile: ProfileId,
    pub(super) terms: Arc<Terms>,
    /// The customer's past, where it asked for it.
    pub(super) history: Option<Vec<Past>>,
    pub(super) task: Arc<Task>,
    pub(super) answers: Answers,
}

/// What comes of one batch for one customer.
#[derive(Debug)]
pub(super) enum Answer {
    Worked(Worked),
    /// Nothing was done: the customer must know this of its past first. The same batch is to come again, with it.
    Wants(Wanted, Addr<Customer>),
    Panicked(Panicked),
}

/// What a batch changed.
#[derive(Debug, Default)]
pub(super) struct Worked {
    /// The first entry that the state before did not know ([`BY_TIME`] if only time changed it); `None` where nothing
    /// changed.
    pub(super) changed: Option<Offset>,
    /// The state, where it must be saved at once, or where it was asked for.
    pub(super) snapshot: Option<Vec<u8>>,
    pub(super) wake: Option<Timestamp>,
    /// What the customer takes now.
    pub(super) size: Size,
    pub(super) effects: Vec<Effect>,
    pub(super) relays: Vec<Relay>,
    pub(super) told: Told,
    /// What could not be applied, twice, with the reason. Only of a careful batch.
    pub(super) poison: Vec<Poison>,
}

/// About what a change of a membership takes, or a fact: most of it is names.
const CHANGE: usize = 160;

/// What reports tell of a customer. It is saved together with the state that it belongs to, so that a crash in between
/// tells none of it twice.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) memberships: Vec<MembershipChange>,
    pub(super) facts: Vec<Fact>,
    /// Entries whose event counted.
    pub(super) counted: Vec<Arc<Entry>>,
}

impl Told {
    pub(super) fn append(&mut self, later: Self) {
        self.memberships.extend(later.memberships);
        self.facts.extend(later.facts);
        self.counted.extend(later.counted);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.memberships.is_empty() && self.facts.is_empty() && self.counted.is_empty()
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        (self.memberships.len() + self.facts.len()) * CHANGE + self.counted.iter().map(Weight::held).sum::<usize>()
    }
}

/// A change that no entry made: what is saved tells when to do it again.
pub(super) const BY_TIME: Offset = Offset(u64::MAX);

/// Something that the engine could not do.
#[derive(Debug)]
pub(super) struct Poison {
    pub(super) profile: ProfileId,
    pub(super) what: Failed,
    pub(super) reason: String,
}

/// What it was that could not be done.
#[derive(Debug)]
pub(super) enum Failed {
    /// To apply this: it is passed over from now on.
    Entry(Arc<Entry>),
    /// To wake the profile at this instant: it is passed over from now on.
    Wake(Timestamp),
    /// To go on at all, or to take its history in: nothing can be passed over, and the profile stays as it is.
    Profile,
}

impl Failed {
    pub(super) fn skipped(&self) -> Option<Skipped> {
        match self {
            Self::Entry(entry) => Some(Skipped::Entry(entry.offset)),
            Self::Wake(at) => Some(Skipped::Wake(*at)),
            Self::Profile => None,
        }
    }
}

/// The engine panicked: the customer's state cannot be trusted any more, and the customer is to be dropped.
#[derive(Debug)]
pub(super) struct Panicked {
    pub(super) reason: String,
}

pub(super) struct Customer {
    kept: Kept,
    /// What counted since the profile began to wait for a merge or its history. The store may not have it yet when a
    /// deploy that was parked meanwhile asks for the past.
    counted: BTreeMap<Offset, Past>,
}

impl Customer {
    /// `counted`: what counted in the profile's saved state or after it and may be missing in the store.
    pub(super) fn new(profile: Profile, counted: Vec<Past>) -> Self {
        let counted = counted.into_iter().map(|past| (past.offset, past)).collect();
        Self { kept: Kept::AtWork(Box::new(profile)), counted }
    }

    fn answer(&mut self, work: &Work, own: Addr<Self>) -> Result<Answer, Panicked> {
        let unreadable = |error: PackedError| Panicked { reason: format!("what was kept at rest: {error}") };
        let mut profile = self.kept.take().map_err(unreadable)?;
        if work.history.is_none()
            && let Some(wanted) = wants(&profile, work)
        {
            self.kept = Kept::AtWork(profile);
            return Ok(Answer::Wants(wanted, own));
        }
        let mut worked = self.work(&mut profile, work)?;
        self.kept = match (&*work.task, &worked.snapshot) {
            (Task::Save { is_busy: true }, _) => Kept::AtWork(profile),
            (_, Some(snapshot)) => Kept::AtRest(snapshot.as_slice().into()),
            (Task::Rest, None) => Kept::AtRest(snapshot::encode(&profile).into()),
            _ => Kept::AtWork(profile),
        };
        worked.size = self.kept.size();
        Ok(Answer::Worked(worked))
    }

    fn work(&mut self, profile: &mut Profile, work: &Work) -> Result<Worked, Panicked> {
        let Terms { engine, skips, program, broadcasts, is_careful } = &*work.terms;
        let mut batch = Batch {
            engine: &**engine,
            skips,
            profile: &mut *profile,
            history: work.history.as_deref().unwrap_or_default(),
            counted: &self.counted,
            is_careful: *is_careful,
            must_save: matches!(*work.task, Task::Save { .. }),
            done: Worked::default(),
        };
        batch.fill(program)?;
        match &*work.task {
            Task::Entries(entries) => {
                for entry in entries {
                    batch.catch_up(broadcasts, entry.offset)?;
                    batch.apply(program, entry)?;
                }
            }
            Task::CatchUp => batch.catch_up(broadcasts, Offset(u64::MAX))?,
            Task::Fire(up_to) => {
                batch.catch_up(broadcasts, Offset(u64::MAX))?;
                batch.fire(program, *up_to)?;
            }
            Task::Save { .. } | Task::Rest => {}
        }
        let Batch { done: mut worked, must_save, .. } = batch;
        if backfill::is_waiting(profile) {
            let counted = worked.told.counted.iter().filter_map(|entry| Past::of(entry));
            self.counted.extend(counted.map(|past| (past.offset, past)));
        } else {
            self.counted.clear();
        }
        // A wake that can be neither fired nor passed over would be due for ever.
        let is_stuck = worked.poison.iter().any(|poison| matches!(poison.what, Failed::Profile));
        worked.wake = profile.wake().filter(|_| !is_stuck);
        worked.snapshot = must_save.then(|| snapshot::encode(profile));
        Ok(worked)
    }
}

/// What must be known of the past before this can be done.
fn wants(profile: &Profile, work: &Work) -> Option<Wanted> {
    let unseen = work.terms.broadcasts.iter().filter(|broadcast| broadcast.entry.offset > profile.applied());
    let wanted = unseen.filter_map(|Broadcast { entry, program, .. }| backfill::wanted_by(profile, program, entry));
    wanted.chain(backfill::wanted(profile, &work.terms.program)).reduce(Wanted::and)
}

impl Worked {
    /// How much the world is to hear.
    fn emitted(&self) -> usize {
        self.effects.len() + self.told.memberships.len() + self.told.facts.len()
    }
}

struct Batch<'a> {
    engine: &'a dyn Engine,
    skips: &'a Skips,
    profile: &'a mut Profile,
    history: &'a [Past],
    counted: &'a BTreeMap<Offset, Past>,
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
            let before = (self.profile.ranks.len(), self.profile.runs.len(), self.done.emitted());
            self.apply(program, entry)?;
            // Nobody could tell a single profile of it again: its next replay may begin after the broadcast.
            self.must_save |= before != (self.profile.ranks.len(), self.profile.runs.len(), self.done.emitted());
        }
        Ok(())
    }

    fn apply(&mut self, program: &Program, entry: &Arc<Entry>) -> Result<(), Panicked> {
        let before = self.profile.applied();
        if entry.offset <= before {
            return Ok(());
        }
        if self.skips.has(self.profile.id(), Skipped::Entry(entry.offset)) {
            return self.pass_over(program, entry);
        }
        if self.looks_at_each_wake() {
            self.fire(program, Timestamp(entry.received_at.0 - 1))?;
        }
        let engine = self.engine;
        let step = |profile: &mut Profile| engine.apply(profile, program, entry);
        let Some(transition) = self.attempt(step, || Failed::Entry(entry.clone()))? else {
            return self.pass_over(program, entry);
        };
        if self.profile.applied() > before {
            self.changed(entry.offset);
        }
        if transition.recorded && entry.body.event().is_some() {
            self.done.told.counted.push(entry.clone());
        }
        self.note(transition);
        self.fill(program)
    }

    /// Lets an entry go by; what waits for it waits no longer.
    fn pass_over(&mut self, program: &Program, entry: &Arc<Entry>) -> Result<(), Panicked> {
        let before = self.profile.applied();
        let step = |profile: &mut Profile| skip::pass_over(profile, program, entry);
        let Some(transition) = self.attempt(step, || Failed::Profile)? else { return Ok(()) };
        if self.profile.applied() > before {
            self.must_save = true;
            self.changed(entry.offset);
        }
        self.note(transition);
        self.fill(program)
    }

    /// Goes on where a deploy waits for the past; what was parked meanwhile may hold another.
    fn fill(&mut self, program: &Program) -> Result<(), Panicked> {
        while backfill::is_unfilled(self.profile) {
            // What was parked counted just now, and the store may not have it yet.
            let mut history = self.counted.clone();
            let counted = self.done.told.counted.iter().filter_map(|entry| Past::of(entry));
            history.extend(counted.chain(self.history.iter().cloned()).map(|past| (past.offset, past)));
            let history: Vec<Past> = history.into_values().collect();
            let (engine, at) = (self.engine, self.profile.applied());
            let Some(deploy) = skip::unfilled_deploy(self.profile, program).map(Arc::new) else { break };
            let step = |profile: &mut Profile| engine.fill(profile, program, &history);
            let passed = match self.attempt(step, || Failed::Entry(deploy.clone()))? {
                Some(transition) => Some(transition),
                None => self.attempt(|profile| skip::pass_over_unfilled(profile, program), || Failed::Profile)?,
            };
            let Some(transition) = passed else { break };
            self.must_save = true;
            self.changed(at);
            self.note(transition);
        }
        Ok(())
    }

    fn fire(&mut self, program: &Program, up_to: Timestamp) -> Result<(), Panicked> {
        let engine = self.engine;
        while let Some(at) = self.profile.wake().filter(|at| *at <= up_to) {
            let is_skipped = self.skips.has(self.profile.id(), Skipped::Wake(at));
            let until = if self.looks_at_each_wake() { at } else { up_to };
            let fire = |profile: &mut Profile| engine.fire(profile, program, until);
            let fired = if is_skipped { None } else { self.attempt(fire, || Failed::Wake(at))? };
            let passed = match fired {
                Some(transition) => Some(transition),
                None => self.attempt(|profile| skip_wake(profile, program, at), || Failed::Profile)?,
            };
            let Some(transition) = passed else { break };
            self.changed(BY_TIME);
            self.note(transition);
        }
        Ok(())
    }

    /// Whether wakes are fired one by one, so that one of them can be passed over.
    fn looks_at_each_wake(&self) -> bool {
        self.is_careful || self.skips.has_wakes(self.profile.id())
    }

    fn changed(&mut self, by: Offset) {
        self.done.changed = Some(self.done.changed.map_or(by, |first| first.min(by)));
    }

    /// Runs one step of the engine. In a careful batch a step that panics is tried once more on the state before it, then
    /// without each parked entry by which it fails, and then left out.
    fn attempt(
        &mut self,
        step: impl Fn(&mut Profile) -> Transition,
        what: impl Fn() -> Failed,
    ) -> Result<Option<Transition>, Panicked> {
        if !self.is_careful {
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

    fn note(&mut self, transition: Transition) {
        // A relay is carried out once and then forgotten: decided again, it would be carried out again. An effect has its
        // place in the outbox for good.
        self.must_save |= !transition.relays.is_empty();
        let Transition { memberships, effects, facts, relays, recorded: _, released } = transition;
        self.done.effects.extend(effects);
        self.done.relays.extend(relays);
        self.done.told.append(Told { memberships, facts, counted: released.into_iter().map(Arc::new).collect() });
    }
}

/// Applies an entry that was applied before, and of which all is told. Returns what of it counts.
pub(super) fn apply_again(profile: &mut Profile, program: &Program, skips: &Skips, entry: &Entry) -> Vec<Past> {
    let (clean, before) = (profile.clone(), profile.applied());
    let Ok(transition) = guarded(profile, &|profile: &mut Profile| skips.apply(profile, program, entry)) else {
        *profile = clean;
        return Vec::new();
    };
    let own = (transition.recorded && profile.applied() > before).then_some(entry);
    transition.released.iter().chain(own).filter_map(Past::of).collect()
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
    type Result = ();

    fn handle(&mut self, work: Work, ctx: &mut Self::Context) {
        let answer = self.answer(&work, ctx.address()).unwrap_or_else(Answer::Panicked);
        // Whoever asked is gone only with the whole shard.
        let _ = work.answers.send((work.profile, answer));
    }
}
