//! When a shard saves: effects at once, states together, later; and from where a replay would begin.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::time::Instant;

use crate::model::{Offset, ProfileId};
use crate::store::state::ShardCommit;

use super::super::customer::Task;
use super::super::pending::STATES;
use super::super::state_writer::Save;
use super::working::Plan;
use super::{BATCH, Shard};

/// While there is much to do, a state is saved so long after it changed: most will have changed again by then.
const SAVE_AFTER: Duration = Duration::from_secs(8);

/// A customer to whom something happened in this time is expected to be asked again soon.
const BUSY: Duration = Duration::from_secs(4);

/// A customer that is saved and to whom nothing happened for so long is not busy any more.
const REST_AFTER: Duration = Duration::from_secs(8);

impl Shard {
    /// From where a replay must begin so that it finds everything that is not saved.
    pub(super) fn replay_after(&self) -> Offset {
        let (applied, broadcasts) = (self.queue.applied(), &self.in_force.broadcasts);
        let unseen = [self.again.oldest(), broadcasts.oldest(), self.unsaved.oldest()].into_iter().flatten().min();
        unseen.map_or(applied, |first| Offset(first.0 - 1).min(applied))
    }

    /// Hands what is pending to the writer, one commit at a time; effects do not wait for the states before them.
    pub(super) fn save(&mut self, ctx: &mut Context<Self>) {
        if self.pending.is_saving() {
            self.emit(ctx);
            return;
        }
        let offset = self.replay_after();
        let is_asked = self.is_checkpoint_due || !self.flushers.is_empty();
        if self.pending.is_empty() && !(is_asked && self.pending.is_behind(offset)) {
            self.answer_flushers();
            return;
        }
        self.is_checkpoint_due = false;
        let commit = self.pending.take(offset, self.queue.now());
        let saved: Vec<ProfileId> = commit.profiles.iter().map(|saved| saved.id).collect();
        ctx.spawn(self.write(commit).into_actor(self).map(move |(), actor, ctx| {
            actor.pending.saved();
            actor.saved(saved);
            actor.next(ctx);
        }));
    }

    /// Hands effects to the writer beside the commit that is under way. The writer takes what comes to it in order, and
    /// effects first: no state that knows of them is saved before them.
    fn emit(&mut self, ctx: &mut Context<Self>) {
        let Some(commit) = self.pending.take_effects() else { return };
        ctx.spawn(self.write(commit).into_actor(self).map(|(), actor, ctx| {
            actor.pending.emitted();
            actor.next(ctx);
        }));
    }

    fn write(&self, commit: ShardCommit) -> impl Future<Output = ()> + use<> {
        let writer = self.writer.clone();
        async move {
            if writer.send(Save(commit)).await.is_err() {
                // The writer ends only with the process. What was not saved is decided again from the journal.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The store has these. What was emitted again meanwhile is on its way again.
    fn saved(&mut self, mut profiles: Vec<ProfileId>) {
        profiles.retain(|profile| !self.pending.has(*profile));
        self.unsaved.saved(&profiles);
        for profile in profiles {
            if !self.unsaved.holds(profile) {
                self.wakes.saved(profile);
            }
        }
    }

    /// Somebody waits for everything to be saved, and nothing else is left to do.
    pub(super) fn is_flush_due(&self) -> bool {
        let is_there_room = !self.is_pending_full() && !self.pending.has_enough_states();
        !self.flushers.is_empty() && self.unsaved.len() > 0 && is_there_room && self.again.is_empty()
    }

    /// Whether the store has everything, each event that counted included.
    pub(super) fn is_all_saved(&self) -> bool {
        self.unsaved.len() == 0 && self.pending.is_all_saved()
    }

    pub(super) fn save_all(&mut self) {
        self.to_save = self.unsaved.oldest_of(usize::MAX).into();
    }

    /// Asks the next ones of those that are to be saved for their states.
    pub(super) fn states(&mut self) -> Plan {
        let count = self.to_save.len().min(STATES);
        let may_wait = !self.queue.is_quiet() && !self.holding.share.is_full(self.held());
        let since = Instant::now().checked_sub(BUSY).filter(|_| may_wait);
        let [busy, resting] = [true, false].map(|is_busy| Arc::new(Task::Save { is_busy }));
        let slots = &self.slots;
        let task = |profile| {
            let is_busy = since.is_some_and(|since| slots.is_busy_since(profile, since));
            if is_busy { busy.clone() } else { resting.clone() }
        };
        Plan::of_tasks(self.to_save.drain(..count).map(|profile| (profile, task(profile))).collect())
    }

    fn answer_flushers(&mut self) {
        if self.is_working || self.pending.is_emitting() || !self.again.is_empty() || self.unsaved.len() > 0 {
            return;
        }
        self.flushers.answer(());
    }

    /// What is done now and then.
    pub(super) fn round(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        if self.to_save.is_empty() {
            let is_much = self.holding.share.is_much_unsaved(self.held());
            let is_urgent = self.queue.is_quiet() || self.unsaved.len() == 1 || is_much;
            if is_urgent {
                self.save_all();
            } else if let Some(before) = now.checked_sub(SAVE_AFTER) {
                self.to_save.extend(self.unsaved.since(before));
            }
        }
        self.queue.look();
        // Whoever is at work just now is not known to have changed before the batch is done.
        if !self.is_working {
            let unsaved = &self.unsaved;
            self.slots.sweep(now, |profile| unsaved.holds(profile));
            self.make_room();
        }
        let unsaved = &self.unsaved;
        self.to_rest = now
            .checked_sub(REST_AFTER)
            .map_or_else(Vec::new, |before| self.slots.at_work_since(before, |profile| unsaved.holds(profile), BATCH));
        self.next(ctx);
    }
}
