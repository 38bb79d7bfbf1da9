//! Carries entries that follow from transitions (a merge's other half, forwarded events) into the journal, once each.
//!
//! It always reads from the store what is to be carried, and the append that carries it deletes the row: after a failed
//! append whose commit took place after all, the row is gone and nothing is carried twice.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;

use crate::store::Store;

use super::askers::{Askers, Settle};
use super::group::Request;
use super::sequencer::{Sequencer, Take};

const AT_ONCE: usize = 256;
const RETRY: Duration = Duration::from_millis(500);
/// How often it looks without being asked.
const PATROL: Duration = Duration::from_secs(5);

/// Something may be there to be carried.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Look;

pub(super) struct RelayActor {
    store: Arc<dyn Store>,
    sequencer: Addr<Sequencer>,
    is_busy: bool,
    again: bool,
    carried: usize,
    /// They wait until there is nothing to be carried.
    settlers: Askers<usize>,
}

impl RelayActor {
    pub(super) fn new(store: Arc<dyn Store>, sequencer: Addr<Sequencer>) -> Self {
        Self { store, sequencer, is_busy: false, again: false, carried: 0, settlers: Askers::default() }
    }

    fn begin(&mut self, ctx: &mut Context<Self>) {
        if self.is_busy {
            self.again = true;
            return;
        }
        self.is_busy = true;
        self.again = false;
        let (store, sequencer) = (self.store.clone(), self.sequencer.clone());
        let carry = async move { carry(&*store, &sequencer).await };
        ctx.spawn(carry.into_actor(self).map(|carried, actor, ctx| {
            actor.is_busy = false;
            match carried {
                Some(carried) => {
                    actor.carried += carried;
                    if carried > 0 || actor.again {
                        actor.begin(ctx);
                    } else {
                        actor.settlers.answer(std::mem::take(&mut actor.carried));
                    }
                }
                None => {
                    ctx.run_later(RETRY, |actor, ctx| actor.begin(ctx));
                }
            }
        }));
    }
}

/// Carries what is there now. `None`: it did not work out and is to be tried again.
async fn carry(store: &dyn Store, sequencer: &Addr<Sequencer>) -> Option<usize> {
    let relays = match store.pending_relays(AT_ONCE).await {
        Ok(relays) => relays,
        Err(error) => {
            tracing::warn!(%error, "relays cannot be read; trying again");
            return None;
        }
    };
    let count = relays.len();
    if count == 0 {
        return Some(0);
    }
    match sequencer.send(Take(Request::Relays(relays))).await {
        Ok(Ok(_)) => Some(count),
        Ok(Err(_)) | Err(_) => None,
    }
}

impl Actor for RelayActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.begin(ctx);
        ctx.run_interval(PATROL, |actor, ctx| actor.begin(ctx));
    }
}

impl Handler<Look> for RelayActor {
    type Result = ();

    fn handle(&mut self, _: Look, ctx: &mut Self::Context) {
        self.begin(ctx);
    }
}

impl Handler<Settle> for RelayActor {
    type Result = ResponseFuture<usize>;

    fn handle(&mut self, _: Settle, ctx: &mut Self::Context) -> Self::Result {
        let answer = self.settlers.add();
        self.begin(ctx);
        answer
    }
}
