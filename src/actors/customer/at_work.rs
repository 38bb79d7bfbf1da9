//! One batch for one customer: its profile at work, step by step of the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::backfill::{self, Past};
use crate::engine::skip::{self, skip_wake};
use crate::engine::{Profile, Transition};
use crate::model::{Entry, Offset, Skipped, Timestamp};
use crate::workspace::Program;

use super::super::broadcast::Broadcast;
use super::worked::Changed;
use super::{Failed, Panicked, Task, Terms, Told, Worked};

pub(super) struct AtWork<'a> {
    pub(super) terms: &'a Terms,
    pub(super) profile: &'a mut Profile,
    /// The customer's past, where it asked for it, and what of it the store may not have.
    history: &'a [Past],
    counted: &'a BTreeMap<Offset, Past>,
    pub(super) must_save: bool,
    pub(super) done: Worked,
}

impl<'a> AtWork<'a> {
    pub(super) fn new(
        terms: &'a Terms,
        profile: &'a mut Profile,
        history: &'a [Past],
        counted: &'a BTreeMap<Offset, Past>,
        must_save: bool,
    ) -> Self {
        Self { terms, profile, history, counted, must_save, done: Worked::default() }
    }

    /// Does a task, all of it.
    pub(super) fn perform(&mut self, task: &Task) -> Result<(), Panicked> {
        let Terms { program, broadcasts, .. } = self.terms;
        self.fill(program)?;
        match task {
            Task::Entries(entries) => {
                for entry in entries {
                    self.catch_up(broadcasts, entry.offset)?;
                    self.apply(program, entry)?;
                }
            }
            Task::CatchUp => self.catch_up(broadcasts, Offset(u64::MAX))?,
            Task::Fire(up_to) => {
                self.catch_up(broadcasts, Offset(u64::MAX))?;
                self.fire(program, *up_to)?;
            }
            Task::Save { .. } | Task::Rest => {}
        }
        Ok(())
    }

    /// What came of it, and whether the state must be saved.
    pub(super) fn done(self) -> (Worked, bool) {
        (self.done, self.must_save)
    }

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
        if self.terms.skips.has(self.profile.id(), Skipped::Entry(entry.offset)) {
            return self.pass_over(program, entry);
        }
        if self.looks_at_each_wake() {
            self.fire(program, Timestamp(entry.received_at.0 - 1))?;
        }
        let engine = &self.terms.engine;
        let step = |profile: &mut Profile| engine.apply(profile, program, entry);
        let Some(transition) = self.attempt(step, || Failed::Entry(entry.clone()))? else {
            return self.pass_over(program, entry);
        };
        let by = self.by(entry, before);
        if transition.recorded && entry.body.event().is_some() {
            self.done.told.counted.push(entry.clone());
        }
        self.note(by, transition);
        self.fill(program)
    }

    /// Lets an entry go by; what waits for it waits no longer.
    fn pass_over(&mut self, program: &Program, entry: &Arc<Entry>) -> Result<(), Panicked> {
        let before = self.profile.applied();
        let step = |profile: &mut Profile| skip::pass_over(profile, program, entry);
        let Some(transition) = self.attempt(step, || Failed::Profile)? else { return Ok(()) };
        let by = self.by(entry, before);
        self.must_save |= by != Changed::Not;
        self.note(by, transition);
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
            let (engine, at) = (&self.terms.engine, self.profile.applied());
            let Some(deploy) = skip::unfilled_deploy(self.profile, program).map(Arc::new) else { break };
            let step = |profile: &mut Profile| engine.fill(profile, program, &history);
            let passed = match self.attempt(step, || Failed::Entry(deploy.clone()))? {
                Some(transition) => Some(transition),
                None => self.attempt(|profile| skip::pass_over_unfilled(profile, program), || Failed::Profile)?,
            };
            let Some(transition) = passed else { break };
            self.must_save = true;
            self.note(Changed::ByEntry(at), transition);
        }
        Ok(())
    }

    fn fire(&mut self, program: &Program, up_to: Timestamp) -> Result<(), Panicked> {
        let Terms { engine, skips, .. } = self.terms;
        while let Some(at) = self.profile.wake().filter(|at| *at <= up_to) {
            let is_skipped = skips.has(self.profile.id(), Skipped::Wake(at));
            let until = if self.looks_at_each_wake() { at } else { up_to };
            let fire = |profile: &mut Profile| engine.fire(profile, program, until);
            let fired = if is_skipped { None } else { self.attempt(fire, || Failed::Wake(at))? };
            let passed = match fired {
                Some(transition) => Some(transition),
                None => self.attempt(|profile| skip_wake(profile, program, at), || Failed::Profile)?,
            };
            let Some(transition) = passed else { break };
            self.note(Changed::ByTime, transition);
        }
        Ok(())
    }

    /// Whether wakes are fired one by one, so that one of them can be passed over.
    fn looks_at_each_wake(&self) -> bool {
        self.terms.is_careful || self.terms.skips.has_wakes(self.profile.id())
    }

    /// What an entry changed, of a profile that had taken in entries up to `before`.
    fn by(&self, entry: &Entry, before: Offset) -> Changed {
        if self.profile.applied() > before { Changed::ByEntry(entry.offset) } else { Changed::Not }
    }

    fn note(&mut self, by: Changed, transition: Transition) {
        self.done.changed = self.done.changed.min(by);
        // A relay is carried out once and then forgotten: decided again, it would be carried out again. An effect has its
        // place in the outbox for good.
        self.must_save |= !transition.relays.is_empty();
        let Transition { memberships, effects, lifted, facts, relays, recorded: _, released } = transition;
        self.done.effects.extend(effects);
        self.done.lifted.extend(lifted);
        self.done.relays.extend(relays);
        self.done.told.append(Told { memberships, facts, counted: released.into_iter().map(Arc::new).collect() });
    }
}
