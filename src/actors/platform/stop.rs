//! How a platform comes to rest, and ends.

use std::sync::PoisonError;
use std::time::Duration;

use futures_util::future::join_all;

use super::super::askers::Settle;
use super::super::recovery;
use super::super::sequencer::{Checkpoint, Pulse};
use super::super::shard::Flush;
use super::super::threads::Halt;
use super::Platform;

/// How long a stop waits for what is under way.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// How long actors may take to let go of what they hold.
const HALT_WITHIN: Duration = Duration::from_secs(5);

impl Platform {
    /// Waits until everything that was accepted is applied, wakes and schedules due by now are fired, and no effect is
    /// ready or being performed. Effects that wait for a later try do not count.
    pub async fn settle(&self) {
        while !self.inner.board.is_stopping() {
            if self.settle_once().await == 0 && !self.inner.board.is_any_due(self.inner.board.now()) {
                return;
            }
        }
    }

    /// Goes once round all who may have something to do. Returns how much that was.
    async fn settle_once(&self) -> usize {
        let inner = &self.inner;
        let commits = inner.board.gauges.commits();
        let mut found = inner.schedules.send(Settle).await.unwrap_or(0);
        let _ = inner.sequencer.send(Pulse).await;
        found += inner.board.waiting();
        recovery::until(|| inner.board.waiting() == 0).await;
        found += inner.relay.send(Settle).await.unwrap_or(0);
        for channel in inner.channels.values() {
            found += channel.send(Settle).await.unwrap_or(0);
        }
        recovery::until(|| inner.board.sweeps() == 0).await;
        self.flush().await;
        // What was saved only now the channels have not seen.
        let saved = inner.board.gauges.commits() - commits;
        found + saved as usize + inner.board.waiting() + inner.board.sweeps()
    }

    /// Waits until the state of everyone who changed is saved.
    async fn flush(&self) {
        // A shard that has ended has nothing more to save.
        join_all(self.inner.shards.iter().map(|shard| shard.send(Flush))).await;
    }

    /// Takes nothing more, lets what was accepted be applied and saved, and ends the actors. What does not end in time is
    /// in the journal and the outbox, and taken up by the next start.
    pub async fn stop(&self) {
        let inner = &self.inner;
        inner.board.stop();
        let drain = async {
            for channel in inner.channels.values() {
                let _ = channel.send(Settle).await;
            }
            let _ = inner.sequencer.send(Pulse).await;
            recovery::until(|| inner.board.waiting() == 0).await;
            let _ = inner.sequencer.send(Checkpoint).await;
            recovery::until(|| inner.board.waiting() == 0).await;
            self.flush().await;
        };
        if tokio::time::timeout(STOP_WITHIN, drain).await.is_err() {
            tracing::warn!("stopping with work left; the next start takes it up");
        }
        self.abort().await;
    }

    /// Ends all actors at once, without saving: what a crash does. What was accepted is in the journal.
    pub async fn abort(&self) {
        self.inner.board.stop();
        if tokio::time::timeout(HALT_WITHIN, self.halt()).await.is_err() {
            tracing::warn!("an actor does not end; ending its thread");
        }
        let arbiters = std::mem::take(&mut *self.inner.arbiters.lock().unwrap_or_else(PoisonError::into_inner));
        for arbiter in &arbiters {
            arbiter.stop();
        }
        let join = move || arbiters.into_iter().for_each(|arbiter| drop(arbiter.join()));
        // A thread that panicked has ended as well.
        let _ = actix_rt::task::spawn_blocking(join).await;
    }

    async fn halt(&self) {
        let inner = &self.inner;
        // Whoever has ended already has nothing to let go of.
        let _ = inner.sequencer.send(Halt).await;
        let _ = inner.schedules.send(Halt).await;
        let _ = inner.relay.send(Halt).await;
        join_all(inner.channels.values().map(|channel| channel.send(Halt))).await;
        join_all(inner.shards.iter().map(|shard| shard.send(Halt))).await;
        let _ = inner.writer.send(Halt).await;
    }
}
