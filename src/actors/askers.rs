//! Those who wait until an actor has nothing to do for now.

use actix::prelude::*;
use tokio::sync::oneshot;

/// Do now what is to be done. Answered when nothing is left that can be done now, with how much was done since the last such
/// question. While the platform stops, nothing new is begun.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub(super) struct Settle;

#[derive(Debug)]
pub(super) struct Askers<T>(Vec<oneshot::Sender<T>>);

impl<T> Default for Askers<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + Default + 'static> Askers<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more waits, for what this returns.
    pub(super) fn add(&mut self) -> ResponseFuture<T> {
        let (reply, answer) = oneshot::channel();
        self.0.push(reply);
        // An actor that has ended has nothing more to do.
        Box::pin(async move { answer.await.unwrap_or_default() })
    }

    pub(super) fn answer(&mut self, what: T) {
        for asker in self.0.drain(..) {
            // Whoever asked may have gone.
            let _ = asker.send(what);
        }
    }
}
