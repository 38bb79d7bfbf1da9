//! One batch of a shard: load who is missing, let each customer work, gather what changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::join_all;

use crate::engine::backfill::{Past, Wanted};
use crate::engine::{Engine, Profile, Skips, snapshot};
use crate::model::{Offset, ProfileId, Target};
use crate::store::{Backing, StoreError};
use crate::workspace::Program;

use super::broadcast::Broadcast;
use super::customer::{Answer, Customer, Failed, Poison, Task, Work, Worked};

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// Entries of the journal that are read at once.
const PAGE: usize = 8_192;

/// What a batch needs to run by itself, beside its shard.
pub(super) struct Batch {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) skips: Arc<Skips>,
    pub(super) program: Arc<Program>,
    pub(super) broadcasts: Arc<Vec<Broadcast>>,
    pub(super) backing: Backing,
    pub(super) tasks: BTreeMap<ProfileId, Task>,
    /// Those of its customers that are live.
    pub(super) customers: HashMap<ProfileId, Addr<Customer>>,
    pub(super) mode: Mode,
}

/// How a batch deals with a customer that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Say so: the batch of that customer is to be done again, carefully.
    Quick,
    /// After a failure, when everything before is saved: customers are made anew from their snapshots and the journal
    /// up to `known`, and what fails twice is left out.
    Careful { after: Offset, known: Offset },
}

/// What came of a batch.
#[derive(Default)]
pub(super) struct Done {
    pub(super) worked: Vec<(ProfileId, Addr<Customer>, Worked)>,
    /// Customers whose state cannot be trusted any more, and what they were to do.
    pub(super) failed: Vec<(ProfileId, Task)>,
    /// What nobody could do, with the reason.
    pub(super) left_out: Vec<Poison>,
}

/// Whom a batch has to start.
enum Loaded {
    Customer(Addr<Customer>),
    Unreadable,
}

const UNREADABLE: &str = "the saved state of the profile cannot be read";

impl Batch {
    /// Loads and works.
    pub(super) async fn run(mut self) -> Done {
        let mut done = Done::default();
        let tasks = std::mem::take(&mut self.tasks);
        let missing: Vec<ProfileId> = tasks.keys().filter(|id| !self.customers.contains_key(id)).copied().collect();
        for (id, loaded) in self.load(&missing).await {
            match loaded {
                Loaded::Customer(address) => drop(self.customers.insert(id, address)),
                Loaded::Unreadable => done.left_out.extend(left_out(id, &tasks[&id], UNREADABLE)),
            }
        }
        let is_careful = self.mode != Mode::Quick;
        let mut works: Vec<(ProfileId, Option<Vec<Past>>)> = tasks.keys().map(|id| (*id, None)).collect();
        while !works.is_empty() {
            let mut wanting = Vec::new();
            for (id, answer, customer) in self.ask(&tasks, works).await {
                match answer {
                    Ok(Answer::Worked(worked)) => done.worked.push((id, customer, worked)),
                    Ok(Answer::Wants(wanted)) => wanting.push((id, wanted)),
                    Ok(Answer::Panicked(panicked)) if is_careful => {
                        done.left_out.extend(left_out(id, &tasks[&id], &panicked.reason));
                    }
                    Err(_) if is_careful => {
                        done.left_out.extend(left_out(id, &tasks[&id], "the customer's actor ended"));
                    }
                    // The reason of a panic may hold what the customer sent: it goes to quarantine, not to the log.
                    Ok(Answer::Panicked(_)) | Err(_) => {
                        tracing::error!(profile = %id, "the engine failed on a batch; trying it entry by entry");
                        done.failed.push((id, tasks[&id].clone()));
                    }
                }
            }
            works = self.with_history(wanting).await;
        }
        done
    }

    /// Has customers work, all at once.
    async fn ask(
        &self,
        tasks: &BTreeMap<ProfileId, Task>,
        works: Vec<(ProfileId, Option<Vec<Past>>)>,
    ) -> Vec<(ProfileId, Result<Answer, MailboxError>, Addr<Customer>)> {
        let is_careful = self.mode != Mode::Quick;
        let asked = works.into_iter().filter_map(|(id, history)| {
            let customer = self.customers.get(&id)?.clone();
            let (program, broadcasts) = (self.program.clone(), self.broadcasts.clone());
            let (engine, skips, task) = (self.engine.clone(), self.skips.clone(), tasks[&id].clone());
            let work = Work { engine, skips, program, broadcasts, history, task, is_careful };
            Some(async move { (id, customer.send(work).await, customer) })
        });
        join_all(asked).await
    }

    /// The pasts that customers want, read together.
    async fn with_history(&self, wanting: Vec<(ProfileId, Wanted)>) -> Vec<(ProfileId, Option<Vec<Past>>)> {
        let Some(wanted) = wanting.iter().map(|(_, wanted)| wanted.clone()).reduce(Wanted::and) else {
            return Vec::new();
        };
        let ids: Vec<ProfileId> = wanting.iter().map(|(id, _)| *id).collect();
        let mut pasts = patiently(|| self.backing.store.pasts(&ids, &wanted)).await;
        ids.into_iter().map(|id| (id, Some(pasts.remove(&id).unwrap_or_default()))).collect()
    }

    /// Starts customers from what is saved of them, and after a failure from what the journal holds since.
    async fn load(&self, ids: &[ProfileId]) -> Vec<(ProfileId, Loaded)> {
        if ids.is_empty() {
            return Vec::new();
        }
        let saved = patiently(|| self.backing.store.load_profiles(ids)).await;
        let mut snapshots: HashMap<ProfileId, Vec<u8>> = saved.into_iter().map(|row| (row.id, row.snapshot)).collect();
        let mut started = Vec::with_capacity(ids.len());
        for id in ids {
            let profile = match snapshots.remove(id) {
                None => Ok(Profile::new(*id)),
                Some(snapshot) => snapshot::decode(&snapshot),
            };
            started.push(match profile {
                Ok(profile) => {
                    let (profile, counted) = self.brought_up(profile).await;
                    (*id, Loaded::Customer(Customer::new(profile, counted).start()))
                }
                Err(error) => {
                    tracing::error!(profile = %id, %error, "a profile cannot be read; its events go to quarantine");
                    (*id, Loaded::Unreadable)
                }
            });
        }
        started
    }

    /// After a failure: the state that the customer had before this batch, and what counted on the way there. All that
    /// came of it is saved or waits to be saved; what failed before is passed over.
    async fn brought_up(&self, mut profile: Profile) -> (Profile, Vec<Past>) {
        let mut counted = Vec::new();
        let Mode::Careful { after, known } = self.mode else { return (profile, counted) };
        let mut reached = after;
        while reached < known {
            let page = patiently(|| self.backing.journal.read(reached, PAGE)).await;
            let Some(last) = page.last() else { break };
            reached = last.offset;
            // Entries for everyone are left to the broadcasts: those that are not among them any more were saved.
            let own = Target::Profile(profile.id());
            for entry in page.iter().filter(|entry| entry.offset <= known && entry.target == own) {
                counted.extend(super::customer::apply_again(&mut profile, &self.program, &self.skips, entry));
            }
        }
        (profile, counted)
    }
}

fn left_out(profile: ProfileId, task: &Task, reason: &str) -> Vec<Poison> {
    let poison = |what| Poison { profile, what, reason: reason.to_owned() };
    match task {
        Task::Entries(entries) => entries.iter().map(|entry| poison(Failed::Entry(entry.clone()))).collect(),
        Task::CatchUp | Task::Fire(_) | Task::Save => vec![poison(Failed::Profile)],
    }
}

/// Reads from the store, again and again until it answers: without the answer a shard cannot go on, and the bound on
/// waiting entries tells the sources.
pub(super) async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(read: impl Fn() -> F) -> T {
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
