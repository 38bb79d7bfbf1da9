//! One batch of a shard, from loading to commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::join_all;

use crate::engine::{Profile, snapshot};
use crate::model::event::PLATFORM_SOURCE;
use crate::model::{EntryBody, ProfileId, ShardId, Timestamp};
use crate::store::journal::Quarantined;
use crate::store::state::ShardCommit;
use crate::store::{Store, StoreError};
use crate::workspace::Program;

use super::customer::{Customer, Poison, Task, Work, Worked};
use super::state_writer::{Save, StateWriter};

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// Profiles that are listed at once.
const PAGE: u64 = 10_000;

/// What a batch needs to run by itself, beside its shard.
pub(super) struct Batch {
    pub(super) program: Arc<Program>,
    pub(super) store: Arc<dyn Store>,
    pub(super) tasks: BTreeMap<ProfileId, Task>,
    /// Those of its customers that are live.
    pub(super) customers: HashMap<ProfileId, Addr<Customer>>,
    /// Where what changes is gathered.
    pub(super) commit: ShardCommit,
}

/// How a batch is saved.
pub(super) struct Saver {
    pub(super) writer: Addr<StateWriter>,
    /// The shard's offset moves with it, so that it is saved even if nothing else changed.
    pub(super) is_forward: bool,
}

/// What the shard has to remember of a batch that is durable.
pub(super) struct Done {
    pub(super) customers: HashMap<ProfileId, Addr<Customer>>,
    /// Customers whose state cannot be trusted: dropped before `customers` are kept.
    pub(super) discarded: Vec<ProfileId>,
    pub(super) wakes: Vec<(ProfileId, Option<Timestamp>)>,
}

impl Batch {
    /// Loads, works, commits. Returns when everything is durable.
    pub(super) async fn run(mut self, saver: Saver) -> Done {
        let unreadable = self.load_missing().await;
        let tasks = std::mem::take(&mut self.tasks);
        let works: Vec<_> = tasks
            .iter()
            .filter_map(|(profile, task)| {
                let customer = self.customers.get(profile)?.clone();
                let work = Work { program: self.program.clone(), task: task.clone(), is_careful: false };
                Some(async move { (*profile, customer.send(work).await) })
            })
            .collect();
        let mut discarded: Vec<ProfileId> = unreadable;
        for profile in &discarded {
            let reason = "the saved state of the profile cannot be read";
            self.leave_out(*profile, &tasks[profile], reason);
        }
        for (profile, answer) in join_all(works).await {
            match answer {
                Ok(Ok(worked)) => self.gather(profile, worked),
                // The reason of a panic may hold what the customer sent: it goes to quarantine, not to the log.
                Ok(Err(_)) | Err(_) => {
                    tracing::error!(%profile, "the engine failed on a batch; trying it entry by entry");
                    self.customers.remove(&profile);
                    discarded.push(profile);
                    self.work_carefully(profile, &tasks[&profile]).await;
                }
            }
        }
        let wakes = self.commit.profiles.iter().map(|saved| (saved.id, saved.wake)).collect();
        if saver.is_forward || !self.commit.profiles.is_empty() || !self.commit.poison.is_empty() {
            save(&saver.writer, self.commit).await;
        }
        Done { customers: self.customers, discarded, wakes }
    }

    /// Starts the customers that are not live. Returns those whose snapshot cannot be read.
    async fn load_missing(&mut self) -> Vec<ProfileId> {
        let missing: Vec<ProfileId> =
            self.tasks.keys().filter(|profile| !self.customers.contains_key(profile)).copied().collect();
        if missing.is_empty() {
            return missing;
        }
        let saved = patiently(|| self.store.load_profiles(&missing)).await;
        let mut loaded: HashMap<ProfileId, Profile> = HashMap::new();
        let mut unreadable = Vec::new();
        for row in saved {
            match snapshot::decode(&row.snapshot) {
                Ok(profile) => drop(loaded.insert(row.id, profile)),
                Err(error) => {
                    tracing::error!(profile = %row.id, %error, "a profile cannot be read; its events go to quarantine");
                    unreadable.push(row.id);
                }
            }
        }
        for id in missing.into_iter().filter(|id| !unreadable.contains(id)) {
            let profile = loaded.remove(&id).unwrap_or_else(|| Profile::new(id));
            self.customers.insert(id, Customer::new(profile).start());
        }
        unreadable
    }

    /// After a panic: a new customer from the last snapshot, one entry at a time; what fails twice is left out.
    async fn work_carefully(&mut self, profile: ProfileId, task: &Task) {
        self.tasks.insert(profile, task.clone());
        let unreadable = self.load_missing().await;
        self.tasks.clear();
        let Some(customer) = self.customers.get(&profile).filter(|_| unreadable.is_empty()).cloned() else {
            return self.leave_out(profile, task, "the saved state of the profile cannot be read");
        };
        let work = Work { program: self.program.clone(), task: task.clone(), is_careful: true };
        match customer.send(work).await {
            Ok(Ok(worked)) => self.gather(profile, worked),
            Ok(Err(panicked)) => {
                self.customers.remove(&profile);
                self.leave_out(profile, task, &panicked.reason);
            }
            Err(_) => {
                self.customers.remove(&profile);
                self.leave_out(profile, task, "the customer's actor ended");
            }
        }
    }

    fn gather(&mut self, profile: ProfileId, worked: Worked) {
        let commit = &mut self.commit;
        commit.profiles.extend(worked.saved);
        commit.memberships.extend(worked.memberships.into_iter().map(|change| (profile, change)));
        commit.effects.extend(worked.effects);
        commit.facts.extend(worked.facts.into_iter().map(|fact| (profile, fact)));
        commit.history.extend(worked.history.into_iter().map(|entry| (profile, Arc::unwrap_or_clone(entry))));
        commit.relays.extend(worked.relays);
        for poison in worked.poison {
            self.quarantine(poison);
        }
    }

    fn leave_out(&mut self, profile: ProfileId, task: &Task, reason: &str) {
        let offset = self.commit.offset;
        let mut left_out = |entry| self.quarantine(Poison { offset, entry, reason: reason.to_owned() });
        match task {
            Task::Entries(entries) => entries.iter().for_each(|entry| left_out(Some(entry.clone()))),
            Task::Deploy { entry, .. } => left_out(Some(entry.clone())),
            Task::Fire(_) => {
                tracing::error!(%profile, "a wake could not be fired");
                left_out(None);
            }
        }
    }

    fn quarantine(&mut self, poison: Poison) {
        let Poison { offset, entry, reason } = poison;
        let offset = entry.as_ref().map_or(offset, |entry| entry.offset);
        tracing::error!(offset = offset.0, "an entry could not be applied; it is in quarantine");
        let source = entry.as_ref().and_then(|entry| match &entry.body {
            EntryBody::Event(event) => Some(event.source.clone()),
            _ => None,
        });
        let payload = entry.as_ref().and_then(|entry| serde_json::to_string(&**entry).ok());
        let row = Quarantined {
            source: source.unwrap_or_else(|| PLATFORM_SOURCE.to_owned()),
            received_at: entry.as_ref().map_or(Timestamp(0), |entry| entry.received_at),
            code: "poison".to_owned(),
            reason: format!("the engine could not apply it: {reason}"),
            payload: payload.unwrap_or_default(),
        };
        self.commit.poison.push((offset, row));
    }
}

async fn save(writer: &Addr<StateWriter>, commit: ShardCommit) {
    if writer.send(Save(commit)).await.is_err() {
        // The writer ends only with the process. What was not saved is decided again from the journal.
        std::future::pending::<()>().await;
    }
}

/// All profiles of a shard. Everyone live is among them: a profile is saved before the next batch begins.
pub(super) async fn profiles_of_shard(store: &dyn Store, shard: ShardId) -> Vec<ProfileId> {
    let mut all = Vec::new();
    loop {
        let page = patiently(|| store.profiles_of_shard(shard, all.last().copied(), PAGE)).await;
        let is_end = (page.len() as u64) < PAGE;
        all.extend(page);
        if is_end {
            return all;
        }
    }
}

/// Reads from the store, again and again until it answers: without the answer a shard cannot go on, and the bound on
/// waiting entries tells the sources.
async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(read: impl Fn() -> F) -> T {
    let mut delay = FIRST_RETRY;
    loop {
        match read().await {
            Ok(found) => return found,
            Err(error) => tracing::error!(%error, "the store does not answer; trying again"),
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(LONGEST_RETRY);
    }
}
