//! Journeys that begin by a schedule, and ranks that are refreshed by one: appends an entry each time one comes up.
//!
//! What was fired is kept with the journal, in the same transaction. After a downtime the latest missed time is made up
//! for once; a journey that is seen for the first time starts from now, a rank is worked out at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use crate::journey::graph::{Enter, Schedule};
use crate::lang::rules::RankIndex;
use crate::model::{EntryBody, Timestamp};
use crate::store::Backing;
use crate::workspace::Program;

use super::askers::{Askers, Settle};
use super::board::Board;
use super::group::Request;
use super::rank;
use super::sequencer::{Sequencer, Take};

/// How often the clock is looked at.
const CLOCK: Duration = Duration::from_millis(200);
/// Missed times that are passed over one by one at most, before the rest is let go.
const MISSED: usize = 100_000;

struct Plan {
    schedule: Schedule,
    next: Option<Timestamp>,
    work: Work,
}

/// What is to be done when a schedule comes up.
#[derive(Clone)]
enum Work {
    Journey(String),
    Rank(RankIndex),
}

pub(super) struct SchedulesActor {
    backing: Backing,
    board: Arc<Board>,
    sequencer: Addr<Sequencer>,
    program: Arc<Program>,
    /// By name: a journey's, or `rank` and its key. Empty until it is known what was fired before.
    plans: Option<BTreeMap<String, Plan>>,
    is_busy: bool,
    fired: usize,
    /// They wait until nothing is due.
    settlers: Askers<usize>,
}

impl SchedulesActor {
    pub(super) fn new(backing: Backing, board: Arc<Board>, sequencer: Addr<Sequencer>) -> Self {
        let program = board.in_force();
        Self { backing, board, sequencer, program, plans: None, is_busy: false, fired: 0, settlers: Askers::default() }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.is_busy {
            return;
        }
        let program = self.board.in_force();
        if !Arc::ptr_eq(&program, &self.program) {
            (self.program, self.plans) = (program, None);
        }
        let Some(plans) = &self.plans else {
            self.plan(ctx);
            return;
        };
        let now = self.board.now();
        let due = plans.iter().find_map(|(name, plan)| {
            let at = latest_missed(&plan.schedule, plan.next.filter(|next| *next <= now)?, now);
            Some((name.clone(), plan.work.clone(), at))
        });
        match due {
            Some((name, work, at)) if !self.board.is_stopping() => self.fire(name, work, at, ctx),
            _ => self.settlers.answer(std::mem::take(&mut self.fired)),
        }
    }

    /// Asks the store what was fired, and works out what comes next.
    fn plan(&mut self, ctx: &mut Context<Self>) {
        self.is_busy = true;
        let journal = self.backing.journal.clone();
        let ask = async move { journal.schedules_fired().await };
        ctx.spawn(ask.into_actor(self).map(|fired, actor, ctx| {
            actor.is_busy = false;
            match fired {
                Ok(fired) => {
                    let last: BTreeMap<String, Timestamp> = fired.into_iter().collect();
                    actor.plans = Some(plans(&actor.program, &last, actor.board.now()));
                    actor.look(ctx);
                }
                // The clock's interval asks again.
                Err(error) => tracing::warn!(%error, "the schedules' last times cannot be read; trying again"),
            }
        }));
    }

    fn fire(&mut self, name: String, work: Work, at: Timestamp, ctx: &mut Context<Self>) {
        self.is_busy = true;
        tracing::info!(schedule = name, %at, "a schedule comes up");
        let (store, program, sequencer) =
            (self.backing.store.clone(), Arc::clone(&self.program), self.sequencer.clone());
        let (schedule, now) = (name.clone(), self.board.now());
        let append = async move {
            let body = match work {
                Work::Journey(journey) => EntryBody::ScheduleFired { journey, at },
                Work::Rank(index) => match rank::work_out(&*store, &program, index, now).await {
                    Ok(body) => body,
                    Err(error) => {
                        tracing::warn!(%error, "a rank cannot be worked out; trying again");
                        return false;
                    }
                },
            };
            matches!(sequencer.send(Take(Request::ScheduleFired { schedule, at, body })).await, Ok(Ok(_)))
        };
        ctx.spawn(append.into_actor(self).map(move |is_durable, actor, ctx| {
            actor.is_busy = false;
            if is_durable {
                actor.fired += 1;
                if let Some(plan) = actor.plans.as_mut().and_then(|plans| plans.get_mut(&name)) {
                    plan.next = plan.schedule.next_after(at);
                }
                actor.look(ctx);
            } else {
                // It may have become durable all the same: ask the store before trying again.
                actor.plans = None;
            }
        }));
    }
}

fn plans(program: &Program, last: &BTreeMap<String, Timestamp>, now: Timestamp) -> BTreeMap<String, Plan> {
    let scheduled = program.journeys.iter().filter_map(|journey| match &journey.enter {
        Enter::Schedule { schedule, .. } => Some((journey.name.clone(), schedule.clone())),
        _ => None,
    });
    let journeys = scheduled.map(|(journey, schedule)| {
        let next = schedule.next_after(last.get(&journey).copied().unwrap_or(now));
        (journey.clone(), Plan { schedule, next, work: Work::Journey(journey) })
    });
    let ranks = program.rules.ranks.iter().enumerate().filter_map(|(index, rank)| {
        let name = format!("rank {:016x}", rank.key);
        let schedule = rank::schedule(rank, program)?;
        // Nobody has a rank before it is worked out: the first time is now.
        let next = last.get(&name).map_or(Some(now), |last| schedule.next_after(*last));
        Some((name, Plan { schedule, next, work: Work::Rank(RankIndex(index as u32)) }))
    });
    journeys.chain(ranks).collect()
}

/// Of the times from `next` up to `now`, the last.
fn latest_missed(schedule: &Schedule, next: Timestamp, now: Timestamp) -> Timestamp {
    let times = std::iter::successors(Some(next), |at| schedule.next_after(*at).filter(|at| *at <= now));
    times.take(MISSED).last().unwrap_or(next)
}

impl Actor for SchedulesActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look(ctx);
        ctx.run_interval(CLOCK, |actor, ctx| actor.look(ctx));
    }
}

impl Handler<Settle> for SchedulesActor {
    type Result = ResponseFuture<usize>;

    fn handle(&mut self, _: Settle, ctx: &mut Self::Context) -> Self::Result {
        let answer = self.settlers.add();
        self.look(ctx);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn after_a_downtime_only_the_latest_time_is_made_up_for() {
        let schedule = Schedule::parse("0 9 * * *", chrono_tz::UTC).unwrap();
        let missed = latest_missed(&schedule, at("2026-03-01T09:00:00Z"), at("2026-03-05T08:00:00Z"));
        assert_eq!(missed, at("2026-03-04T09:00:00Z"));
    }
}
