//! What takes a shard time: a batch, or a look into the store. One of them is under way at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::prelude::*;
use tokio::time::Instant;

use crate::model::{Offset, ProfileId, Span, Timestamp};
use crate::store::state::SavedProfile;

use super::super::batch::{Batch, Done, Mode, patiently};
use super::super::customer::{Changed, Task};
use super::queue::Portion;
use super::{BATCH, Shard};

/// How far ahead wakes are read into memory, and how many at once.
const LOOKAHEAD: Span = Span::MINUTE.times(10);
const WAKES: u64 = 1_000;

/// A batch to be run.
pub(super) struct Plan {
    pub(super) tasks: BTreeMap<ProfileId, Arc<Task>>,
    pub(super) mode: Mode,
    /// What of the queue is done with it.
    pub(super) portion: Option<Portion>,
}

impl Plan {
    /// All of them are to do the same.
    pub(super) fn of(profiles: Vec<ProfileId>, task: Task) -> Self {
        let task = Arc::new(task);
        Self::of_tasks(profiles.into_iter().map(|profile| (profile, task.clone())).collect())
    }

    pub(super) fn of_tasks(tasks: BTreeMap<ProfileId, Arc<Task>>) -> Self {
        Self { tasks, mode: Mode::Quick, portion: None }
    }
}

impl Shard {
    pub(super) fn work(&mut self, ctx: &mut Context<Self>, plan: Plan) {
        let Plan { tasks, mode, portion } = plan;
        let terms = self.in_force.terms(mode != Mode::Quick);
        let batch = Batch::begin(terms, self.backing.clone(), tasks, mode, |id| self.slots.address(id));
        self.begin(ctx, batch.run(), move |actor, _, done| {
            actor.again.end();
            portion.into_iter().for_each(|portion| actor.queue.worked_on(portion));
            actor.finish(done);
            portion.into_iter().for_each(|portion| actor.board.done_by_shard(portion.amount));
        });
    }

    /// Asks the store for the next profiles of the sweep.
    pub(super) fn list(&mut self, ctx: &mut Context<Self>, after: Option<ProfileId>) {
        let (store, shard) = (self.backing.store.clone(), self.id);
        let list = async move { patiently(|| store.profiles_of_shard(shard, after, BATCH as u64)).await };
        self.begin(ctx, list, |actor, ctx, profiles| match profiles.last() {
            Some(last) => {
                actor.in_force.broadcasts.reached(*last);
                actor.work(ctx, Plan::of(profiles, Task::CatchUp));
            }
            None => {
                actor.in_force.broadcasts.end();
                actor.board.end_sweep();
            }
        });
    }

    /// Asks the store for the wakes of the near future.
    pub(super) fn read_wakes(&mut self, ctx: &mut Context<Self>) {
        let (store, shard) = (self.backing.store.clone(), self.id);
        let after = Some(self.wakes.read_until()).filter(|(at, _)| *at > Timestamp::MIN);
        let until = (self.queue.now() + LOOKAHEAD, ProfileId(u128::MAX));
        self.wakes.reading(until);
        let read = async move { patiently(|| store.wakes(shard, after, until.0, WAKES)).await };
        self.begin(ctx, read, move |actor, _, wakes| {
            let is_all = (wakes.len() as u64) < WAKES;
            let until = wakes.last().filter(|_| !is_all).copied().unwrap_or(until);
            actor.wakes.read(wakes, until);
            actor.tell_wakes();
        });
    }

    /// Begins what takes time. `then` takes what came of it, and the shard goes on.
    fn begin<T: 'static>(
        &mut self,
        ctx: &mut Context<Self>,
        doing: impl Future<Output = T> + 'static,
        then: impl FnOnce(&mut Self, &mut Context<Self>, T) + 'static,
    ) {
        self.is_working = true;
        ctx.spawn(doing.into_actor(self).map(move |came, actor, ctx| {
            actor.is_working = false;
            then(actor, ctx, came);
            actor.next(ctx);
        }));
    }

    /// Takes what came of a batch.
    fn finish(&mut self, done: Done) {
        let (now, next) = (Instant::now(), Offset(self.queue.applied().0 + 1));
        for (profile, address) in done.started {
            self.slots.keep(profile, address, now);
        }
        for (profile, task) in done.failed {
            self.slots.discard(profile);
            self.unsaved.take_back(profile);
            self.again.add(profile, task);
        }
        for poison in done.left_out {
            self.set_aside(poison);
        }
        for (profile, worked) in done.worked {
            self.wakes.set(profile, worked.wake);
            self.slots.touch(profile, worked.size, now);
            if worked.changed != Changed::Not || !worked.told.is_empty() {
                self.unsaved.note(profile, worked.changed.first(next), worked.told, now);
            }
            self.pending.emit(profile, worked.effects, worked.lifted, worked.relays);
            for poison in worked.poison {
                self.set_aside(poison);
            }
            if let Some(snapshot) = worked.snapshot {
                let saved = SavedProfile { id: profile, snapshot, wake: worked.wake };
                self.pending.add(saved, self.unsaved.save(profile));
            } else if !self.unsaved.holds(profile) {
                self.wakes.saved(profile);
            }
        }
        self.tell_wakes();
        self.make_room();
    }
}
