//! One actor for each destination of `tidewater.yaml`: takes effects from the outbox after they were committed, has them
//! performed, and reports what became of them.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::FutureExt;
use tokio::sync::oneshot;

use crate::channels::Outcome;
use crate::model::{EffectId, Timestamp};
use crate::store::outbox::{Claim, Claimed, Room};
use crate::store::{Store, StoreError};

use super::board::Board;
use super::carrier::Carrier;
use super::group::Request;
use super::outcome;
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

/// Answered when no effect is ready or under way; the number that was dealt with since the last such question. While the
/// platform stops, nothing new is begun.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub(super) struct Settle;

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
    is_claiming: bool,
    /// The outbox is to be looked at again after what is under way.
    again: bool,
    performing: BTreeSet<EffectId>,
    /// A claim failed, and may have taken place all the same: effects that nobody carries may be marked as taken.
    has_lost_claim: bool,
    /// Effects that were stopped at the door and are not reported yet: a claim would find them once more.
    at_the_door: usize,
    dealt_with: usize,
    settlers: Vec<oneshot::Sender<usize>>,
}

impl ChannelActor {
    pub(super) fn new(
        name: String,
        carrier: Arc<dyn Carrier>,
        store: Arc<dyn Store>,
        board: Arc<Board>,
        sequencer: Addr<Sequencer>,
    ) -> Self {
        Self {
            name,
            carrier,
            store,
            board,
            sequencer,
            next: None,
            served: None,
            // Until what the last process left is recovered.
            is_claiming: true,
            again: true,
            performing: BTreeSet::new(),
            has_lost_claim: false,
            at_the_door: 0,
            dealt_with: 0,
            settlers: Vec::new(),
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
        self.is_claiming = true;
        let (store, name, now) = (self.store.clone(), self.name.clone(), self.board.now());
        let room = Room { effects: room, served: self.served.clone(), domains: None };
        let lost = self.has_lost_claim.then(|| (self.sequencer.clone(), self.performing.clone()));
        let claim = async move {
            if let Some((sequencer, performing)) = lost {
                for claimed in store.taken(&name).await? {
                    if !performing.contains(&claimed.effect.id) {
                        report(&sequencer, || outcome::of_lost_claim(&claimed.effect, now)).await;
                    }
                }
            }
            store.claim(&name, now, &room).await
        };
        ctx.spawn(claim.into_actor(self).map(|claim, actor, ctx| {
            actor.is_claiming = false;
            actor.claimed(claim, ctx);
        }));
    }

    fn claimed(&mut self, claim: Result<Claim, StoreError>, ctx: &mut Context<Self>) {
        let claim = match claim {
            Ok(claim) => claim,
            Err(error) => {
                tracing::warn!(%error, channel = self.name, "the outbox cannot be read; trying again");
                self.again = true;
                self.has_lost_claim = true;
                ctx.run_later(RETRY, |actor, ctx| actor.claim(ctx));
                return;
            }
        };
        self.has_lost_claim = false;
        self.next = claim.next;
        self.served = claim.served;
        // There may be more than there was room for.
        self.again |= !claim.taken.is_empty() || !claim.suppressed.is_empty() || !claim.expired.is_empty();
        let now = self.board.now();
        let suppressed = claim.suppressed.into_iter().map(|effect| (outcome::suppressed(&effect, now), effect.id));
        let expired = claim.expired.into_iter().map(|effect| (outcome::expired(&effect, now), effect.id));
        let stopped: Vec<_> = suppressed.chain(expired).collect();
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
        self.performing.insert(id);
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
        };
        ctx.spawn(perform.into_actor(self).map(move |(), actor, ctx| {
            actor.performing.remove(&id);
            actor.dealt_with += 1;
            actor.go_on(ctx);
        }));
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
        if self.again || (self.performing.is_empty() && self.is_next_due()) {
            self.claim(ctx);
        } else {
            self.answer();
        }
    }

    fn is_next_due(&self) -> bool {
        self.next.is_some_and(|next| next <= self.board.now())
    }

    fn answer(&mut self) {
        if self.performing.is_empty() && self.at_the_door == 0 && !self.is_claiming && !self.settlers.is_empty() {
            let dealt_with = std::mem::take(&mut self.dealt_with);
            for settler in self.settlers.drain(..) {
                // Whoever asked may have gone.
                let _ = settler.send(dealt_with);
            }
        }
    }
}

/// Tells the journal, and again until it is durable: an outcome must not be lost.
async fn report(sequencer: &Addr<Sequencer>, request: impl Fn() -> Request) {
    loop {
        match sequencer.send(Take(request())).await {
            Ok(Ok(_)) => return,
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
        let (reply, answer) = oneshot::channel();
        self.settlers.push(reply);
        self.claim(ctx);
        Box::pin(async move { answer.await.unwrap_or(0) })
    }
}
