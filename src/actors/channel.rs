//! One actor for each destination of `tidewater.yaml`: takes effects from the outbox after they were committed, has them
//! performed, and reports what became of them.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::FutureExt;

use crate::channels::Outcome;
use crate::channels::breaker::{Breaker, Contact};
use crate::channels::limits::Limiter;
use crate::model::{EffectId, Timestamp};
use crate::store::outbox::{Claim, Claimed, Room};
use crate::store::{Store, StoreError};

use super::askers::{Askers, Settle};
use super::board::Board;
use super::carrier::Carrier;
use super::group::Request;
use super::outcome;
use super::platform::Refused;
use super::sequencer::{Sequencer, Take};

/// How often the clock is looked at for effects that wait for a later try.
const CLOCK: Duration = Duration::from_millis(100);
/// How often the outbox is looked at without being asked.
const PATROL: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(500);

/// Effects may be ready.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Look;

pub(super) struct ChannelActor {
    name: String,
    carrier: Arc<dyn Carrier>,
    store: Arc<dyn Store>,
    board: Arc<Board>,
    sequencer: Addr<Sequencer>,
    /// When a waiting effect becomes ready.
    next: Option<Timestamp>,
    /// The lane that was served last.
    served: Option<String>,
    limiter: Limiter,
    breaker: Breaker,
    /// When limits or the breaker leave room again for what waits.
    held: Option<Timestamp>,
    /// It is not known for which domains the store has effects put aside.
    asks_queues: bool,
    is_claiming: bool,
    /// The outbox is to be looked at again after what is under way.
    again: bool,
    performing: BTreeSet<EffectId>,
    /// Of these, what may have been claimed once more meanwhile: the store is asked when they are over.
    doubtful: BTreeSet<EffectId>,
    /// Effects that nobody carries may be marked as taken: a claim failed and may have taken place all the same, or it met
    /// one that was still being carried. The next claim asks.
    may_be_stranded: bool,
    /// Effects that were stopped at the door and are not reported yet: a claim would find them once more.
    at_the_door: usize,
    dealt_with: usize,
    /// They wait until no effect is ready or under way.
    settlers: Askers<usize>,
}

/// What a claim came back with.
struct Found {
    /// Marked as taken in the store, and carried by this actor when the claim began.
    carried: Vec<EffectId>,
    queues: BTreeSet<String>,
    claim: Claim,
}

impl ChannelActor {
    pub(super) fn new(
        name: String,
        carrier: Arc<dyn Carrier>,
        store: Arc<dyn Store>,
        board: Arc<Board>,
        sequencer: Addr<Sequencer>,
    ) -> Self {
        let limiter = Limiter::new(carrier.limits(), board.now());
        Self {
            name,
            carrier,
            store,
            board,
            sequencer,
            next: None,
            served: None,
            limiter,
            breaker: Breaker::new(),
            held: None,
            asks_queues: true,
            // Until what the last process left is recovered.
            is_claiming: true,
            again: true,
            performing: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            may_be_stranded: false,
            at_the_door: 0,
            dealt_with: 0,
            settlers: Askers::default(),
        }
    }

    /// What a process that died had taken: back to ready, or unknown.
    fn recover(&mut self, ctx: &mut Context<Self>) {
        let (store, sequencer, board, name) =
            (self.store.clone(), self.sequencer.clone(), self.board.clone(), self.name.clone());
        let recover = async move {
            let taken = loop {
                match store.taken(&name).await {
                    Ok(taken) => break taken,
                    Err(error) => tracing::warn!(%error, channel = name, "the outbox cannot be read; trying again"),
                }
                tokio::time::sleep(RETRY).await;
            };
            tell_silence(&*store, &name, None).await;
            for claimed in taken {
                report(&sequencer, || outcome::of_interrupted(&claimed.effect, board.now())).await;
            }
        };
        ctx.spawn(recover.into_actor(self).map(|(), actor, ctx| {
            actor.is_claiming = false;
            actor.claim(ctx);
        }));
    }

    fn claim(&mut self, ctx: &mut Context<Self>) {
        let room = self.carrier.at_once().max(1).saturating_sub(self.performing.len());
        if self.is_claiming || self.at_the_door > 0 || room == 0 {
            self.again = true;
            return;
        }
        self.again = false;
        if self.board.is_stopping() {
            self.answer();
            return;
        }
        let now = self.board.now();
        let effects = room.min(self.limiter.room(now)).min(self.breaker.room(now));
        self.held = self.next_room(now);
        if effects == 0 {
            self.answer();
            return;
        }
        self.is_claiming = true;
        let (store, name) = (self.store.clone(), self.name.clone());
        let (asks_queues, served, domains) = (self.asks_queues, self.served.clone(), self.limiter.domains(now));
        let room = Room { effects, served, domains };
        // Taken as asked now: what comes into doubt while this claim is under way is the next one's.
        let asks_stranded = std::mem::take(&mut self.may_be_stranded);
        let (sequencer, performing) = (self.sequencer.clone(), self.performing.clone());
        let claim = async move {
            let taken = if asks_stranded { store.taken(&name).await? } else { Vec::new() };
            let (carried, stranded): (Vec<_>, Vec<_>) =
                taken.into_iter().partition(|claimed| performing.contains(&claimed.effect.id));
            for claimed in stranded {
                report(&sequencer, || outcome::of_lost_claim(&claimed.effect, now)).await;
            }
            let queues = if asks_queues { store.queues(&name).await? } else { BTreeSet::new() };
            let carried = carried.into_iter().map(|claimed| claimed.effect.id).collect();
            Ok(Found { carried, queues, claim: store.claim(&name, now, &room).await? })
        };
        ctx.spawn(claim.into_actor(self).map(|claim, actor, ctx| {
            actor.is_claiming = false;
            actor.claimed(claim, ctx);
        }));
    }

    /// When there is room again for what waits for it. The breaker speaks first: while it is open, limits do not matter.
    fn next_room(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.breaker.is_holding() { self.breaker.opens_at() } else { self.limiter.next(now) }
    }

    fn claimed(&mut self, found: Result<Found, StoreError>, ctx: &mut Context<Self>) {
        let Found { carried, queues, claim } = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, channel = self.name, "the outbox cannot be read; trying again");
                self.again = true;
                (self.may_be_stranded, self.asks_queues) = (true, true);
                ctx.run_later(RETRY, |actor, ctx| actor.claim(ctx));
                return;
            }
        };
        carried.into_iter().for_each(|effect| self.doubt(effect));
        self.next = claim.next;
        self.served = claim.served;
        // What was found before the claim is to be looked at by the next one.
        self.again |= !queues.is_empty();
        self.asks_queues = false;
        self.limiter.drained(&claim.drained);
        self.limiter.put_aside(queues);
        // There may be more than there was room for.
        self.again |= !claim.taken.is_empty() || !claim.suppressed.is_empty() || !claim.expired.is_empty();
        self.again |= !claim.aside.is_empty() || !claim.damaged.is_empty();
        self.limiter.put_aside(claim.aside);
        let now = self.board.now();
        // A claim that found nothing leaves nothing to hold.
        self.held = self.next_room(now).filter(|at| self.again || *at > now);
        let suppressed = claim.suppressed.into_iter().map(|effect| (outcome::suppressed(&effect, now), effect.id));
        let expired = claim.expired.into_iter().map(|effect| (outcome::expired(&effect, now), effect.id));
        let damaged = claim.damaged.into_iter().map(|(effect, why)| {
            tracing::error!(effect = %effect.id, channel = self.name, error = why, "an effect cannot be read");
            (outcome::damaged(&effect, &why, now), effect.id)
        });
        let stopped: Vec<_> = suppressed.chain(expired).chain(damaged).collect();
        for claimed in claim.taken {
            self.perform(claimed, ctx);
        }
        for (request, effect) in stopped {
            tracing::info!(%effect, channel = self.name, "stopped at the door");
            self.turn_away(request, ctx);
        }
        self.go_on(ctx);
    }

    fn perform(&mut self, claimed: Claimed, ctx: &mut Context<Self>) {
        let Claimed { effect, attempts } = claimed;
        let id = effect.id;
        if !self.performing.insert(id) {
            // Its outcome, which the store has already, is being told, and it is ready once more.
            self.doubt(id);
            return;
        }
        let domain = effect.body.domain();
        self.limiter.began(domain.as_deref(), self.board.now());
        self.breaker = self.breaker.began();
        let (carrier, program) = (self.carrier.clone(), self.board.in_force());
        let (sequencer, board, name) = (self.sequencer.clone(), self.board.clone(), self.name.clone());
        let perform = async move {
            let attempt = carrier.perform(effect.clone(), attempts, program);
            let outcome = AssertUnwindSafe(attempt)
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Outcome::Unknown { reason: "the channel failed in the middle of it".to_owned() });
            tracing::info!(effect = %effect.id, channel = name, attempts, outcome = word(&outcome), "performed");
            let now = board.now();
            report(&sequencer, || outcome::of_try(&effect, outcome.clone(), attempts, now)).await;
            outcome.contact()
        };
        ctx.spawn(perform.into_actor(self).map(move |contact, actor, ctx| {
            actor.performing.remove(&id);
            if actor.doubtful.remove(&id) {
                actor.doubt(id);
            }
            actor.limiter.ended(domain.as_deref());
            actor.heard(contact, ctx);
            actor.dealt_with += 1;
            actor.go_on(ctx);
        }));
    }

    /// An effect is marked as taken in the store, and it is not known whether for the try that is under way or for one that
    /// nobody makes: that is seen when the try is over.
    fn doubt(&mut self, effect: EffectId) {
        if self.performing.contains(&effect) {
            self.doubtful.insert(effect);
        } else {
            (self.may_be_stranded, self.again) = (true, true);
        }
    }

    /// A try ended: the far side answered, or did not.
    fn heard(&mut self, contact: Contact, ctx: &mut Context<Self>) {
        let (before, now) = (self.breaker, self.board.now());
        self.breaker = before.ended(contact, now);
        match (before.is_holding(), self.breaker.opens_at()) {
            (false, Some(until)) => {
                tracing::warn!(channel = self.name, %until, "the far side does not answer; effects wait");
            }
            (true, Some(until)) => tracing::info!(channel = self.name, %until, "the far side does not answer yet"),
            (true, None) if !self.breaker.is_holding() => {
                tracing::info!(channel = self.name, "the far side answers again");
                self.again = true;
            }
            _ => {}
        }
        let until = self.breaker.opens_at();
        let answers_again = before.is_holding() && !self.breaker.is_holding();
        if answers_again || (until.is_some() && until != before.opens_at()) {
            let (store, name) = (self.store.clone(), self.name.clone());
            ctx.spawn(async move { tell_silence(&*store, &name, until).await }.into_actor(self));
        }
        self.board.gauges.holding(&self.name, self.breaker.is_holding());
        self.held = self.next_room(now);
    }

    fn turn_away(&mut self, request: Request, ctx: &mut Context<Self>) {
        self.at_the_door += 1;
        let sequencer = self.sequencer.clone();
        let tell = async move { report(&sequencer, || request.clone()).await };
        ctx.spawn(tell.into_actor(self).map(|(), actor, ctx| {
            actor.at_the_door -= 1;
            actor.dealt_with += 1;
            actor.go_on(ctx);
        }));
    }

    /// After something ended: looks for more, or says that there is nothing.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        if self.again || self.is_next_due() {
            self.claim(ctx);
        } else {
            self.answer();
        }
    }

    fn is_next_due(&self) -> bool {
        let next = self.next.into_iter().chain(self.held).min();
        next.is_some_and(|next| next <= self.board.now())
    }

    fn answer(&mut self) {
        if self.performing.is_empty() && self.at_the_door == 0 && !self.is_claiming && !self.settlers.is_empty() {
            let dealt_with = std::mem::take(&mut self.dealt_with);
            self.settlers.answer(dealt_with);
        }
    }
}

/// Notes for those who look from outside how the far side is doing. Where that cannot be noted nothing else is wrong.
async fn tell_silence(store: &dyn Store, channel: &str, until: Option<Timestamp>) {
    if let Err(error) = store.note_silence(channel, until).await {
        tracing::warn!(%error, channel, "that a far side does not answer, or does again, could not be noted");
    }
}

/// Tells the journal, and again until it is durable: an outcome must not be lost.
async fn report(sequencer: &Addr<Sequencer>, request: impl Fn() -> Request) {
    loop {
        match sequencer.send(Take(request())).await {
            Ok(Ok(_)) => return,
            // The store keeps it as it is. A restart asks the far side, or says that it is not known.
            Ok(Err(refused @ Refused::Unwritable)) => {
                tracing::error!(%refused, "an outcome can never be recorded");
                return;
            }
            Ok(Err(refused)) => tracing::warn!(%refused, "an outcome cannot be recorded yet; trying again"),
            // The sequencer ends only with the process.
            Err(_) => std::future::pending::<()>().await,
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Sent { .. } => "sent",
        Outcome::Failed { .. } => "failed",
        Outcome::RetryAt { .. } => "retry",
        Outcome::Unknown { .. } => "unknown",
    }
}

impl Actor for ChannelActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.recover(ctx);
        ctx.run_interval(CLOCK, |actor, ctx| {
            if actor.is_next_due() && !actor.is_claiming {
                actor.claim(ctx);
            }
        });
        ctx.run_interval(PATROL, |actor, ctx| actor.claim(ctx));
    }
}

impl Handler<Look> for ChannelActor {
    type Result = ();

    fn handle(&mut self, _: Look, ctx: &mut Self::Context) {
        self.claim(ctx);
    }
}

impl Handler<Settle> for ChannelActor {
    type Result = ResponseFuture<usize>;

    fn handle(&mut self, _: Settle, ctx: &mut Self::Context) -> Self::Result {
        let answer = self.settlers.add();
        self.claim(ctx);
        answer
    }
}
