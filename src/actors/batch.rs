//! One batch of a shard: load who is missing, let each customer work, gather what changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::mpsc;

use crate::engine::backfill::Wanted;
use crate::engine::{Profile, snapshot};
use crate::model::{Entry, EntryBody, Offset, ProfileId, Target};
use crate::store::{Backing, StoreError};

use super::customer::{Answer, Answers, Customer, Failed, Known, Poison, Task, Terms, Work, Worked};

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// Entries of the journal that are read at once.
const PAGE: usize = 8_192;

/// A batch under way, beside its shard.
pub(super) struct Batch {
    terms: Arc<Terms>,
    backing: Backing,
    tasks: BTreeMap<ProfileId, Arc<Task>>,
    mode: Mode,
    /// Who is not live, or not to be trusted.
    missing: Vec<ProfileId>,
    /// How many were asked and have not answered, and where they answer.
    asked: usize,
    answers: (Answers, mpsc::UnboundedReceiver<(ProfileId, Answer)>),
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
    /// Who was made live for it.
    pub(super) started: Vec<(ProfileId, Addr<Customer>)>,
    /// In order of their ids.
    pub(super) worked: Vec<(ProfileId, Worked)>,
    /// Customers whose state cannot be trusted any more, and what they were to do.
    pub(super) failed: Vec<(ProfileId, Arc<Task>)>,
    /// What nobody could do, with the reason.
    pub(super) left_out: Vec<Poison>,
}

/// Whom a batch has to start.
enum Loaded {
    Customer(Addr<Customer>),
    Unreadable,
}

const UNREADABLE: &str = "the saved state of the profile cannot be read";
const ENDED: &str = "the customer's actor ended";

impl Batch {
    /// Has the live customers begin; `live` tells who is.
    pub(super) fn begin<'a>(
        terms: Terms,
        backing: Backing,
        tasks: BTreeMap<ProfileId, Arc<Task>>,
        mode: Mode,
        live: impl Fn(ProfileId) -> Option<&'a Addr<Customer>>,
    ) -> Self {
        let (missing, asked, answers) = (Vec::new(), 0, mpsc::unbounded_channel());
        let mut batch = Self { terms: Arc::new(terms), backing, tasks, mode, missing, asked, answers };
        let ids: Vec<ProfileId> = batch.tasks.keys().copied().collect();
        for id in ids {
            match live(id).filter(|_| mode == Mode::Quick) {
                Some(customer) => batch.ask(id, customer, Known::default()),
                None => batch.missing.push(id),
            }
        }
        batch
    }

    /// Loads who is missing, and gathers all answers.
    pub(super) async fn run(mut self) -> Done {
        let mut done = Done::default();
        let missing = std::mem::take(&mut self.missing);
        for (id, loaded) in self.load(&missing).await {
            match loaded {
                Loaded::Customer(address) => {
                    let missed = self.missed(id).await;
                    self.ask(id, &address, Known { missed, history: None });
                    done.started.push((id, address));
                }
                Loaded::Unreadable => {
                    let task = self.tasks.remove(&id);
                    done.left_out.extend(task.into_iter().flat_map(|task| left_out(id, &task, UNREADABLE)));
                }
            }
        }
        while self.asked > 0 {
            let wanting = self.gather(&mut done).await;
            self.ask_with_history(wanting).await;
        }
        done.worked.sort_unstable_by_key(|(id, _)| *id);
        done
    }

    /// Hands a customer its task. One that has ended does not answer.
    fn ask(&mut self, id: ProfileId, customer: &Addr<Customer>, known: Known) {
        let (terms, task, answers) = (self.terms.clone(), self.tasks[&id].clone(), self.answers.0.clone());
        drop(customer.try_send(Work { profile: id, terms, known, task, answers }));
        self.asked += 1;
    }

    /// Waits for all that were asked. Returns those that want to know more of their past first.
    async fn gather(&mut self, done: &mut Done) -> Vec<(ProfileId, Wanted, Addr<Customer>)> {
        // With the last who can answer the channel ends, so that nobody waits for one who has ended.
        let (_, mut answers) = std::mem::replace(&mut self.answers, mpsc::unbounded_channel());
        let mut wanting = Vec::new();
        while self.asked > 0 {
            let Some((id, answer)) = answers.recv().await else { break };
            self.asked -= 1;
            match answer {
                Answer::Worked(worked) => {
                    self.tasks.remove(&id);
                    done.worked.push((id, worked));
                }
                Answer::Wants(wanted, customer) => wanting.push((id, wanted, customer)),
                Answer::Panicked(panicked) => self.fail(done, id, &panicked.reason),
            }
        }
        if self.asked > 0 {
            let is_wanting = |id: &ProfileId| wanting.iter().any(|(other, ..)| other == id);
            let ended: Vec<ProfileId> = self.tasks.keys().filter(|id| !is_wanting(id)).copied().collect();
            ended.into_iter().for_each(|id| self.fail(done, id, ENDED));
            self.asked = 0;
        }
        wanting
    }

    /// A customer did not do its task.
    fn fail(&mut self, done: &mut Done, id: ProfileId, reason: &str) {
        let Some(task) = self.tasks.remove(&id) else { return };
        if self.mode == Mode::Quick {
            // The reason of a panic may hold what the customer sent: it goes to quarantine, not to the log.
            tracing::error!(profile = %id, "the engine failed on a batch; trying it entry by entry");
            done.failed.push((id, task));
        } else {
            done.left_out.extend(left_out(id, &task, reason));
        }
    }

    /// Asks again, with the pasts that customers want, read together.
    async fn ask_with_history(&mut self, wanting: Vec<(ProfileId, Wanted, Addr<Customer>)>) {
        let Some(wanted) = wanting.iter().map(|(_, wanted, _)| wanted.clone()).reduce(Wanted::and) else { return };
        let ids: Vec<ProfileId> = wanting.iter().map(|(id, ..)| *id).collect();
        let mut pasts = patiently(|| self.backing.store.pasts(&ids, &wanted)).await;
        for (id, _, customer) in wanting {
            let missed = self.missed(id).await;
            self.ask(id, &customer, Known { missed, history: Some(pasts.remove(&id).unwrap_or_default()) });
        }
    }

    /// Starts customers from what is saved of them.
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
                Ok(profile) => (*id, Loaded::Customer(Customer::new(profile).start())),
                Err(error) => {
                    tracing::error!(profile = %id, %error, "a profile cannot be read; its events go to quarantine");
                    (*id, Loaded::Unreadable)
                }
            });
        }
        started
    }

    /// After a failure: what came for a customer since it was saved, before this batch. What it told of that is not in the
    /// store, as it goes there with the state: it is told again. Entries for everyone are left to the broadcasts: those that
    /// are not among them any more were saved.
    async fn missed(&self, profile: ProfileId) -> Vec<Arc<Entry>> {
        let mut missed = Vec::new();
        let Mode::Careful { after, known } = self.mode else { return missed };
        let mut reached = after;
        while reached < known {
            let page = patiently(|| self.backing.journal.read(reached, PAGE)).await;
            let Some(last) = page.last() else { break };
            reached = last.offset;
            let is_own = |entry: &Entry| entry.offset <= known && entry.target == Target::Profile(profile);
            missed.extend(page.into_iter().filter(is_own).map(Arc::new));
        }
        missed
    }
}

fn left_out(profile: ProfileId, task: &Task, reason: &str) -> Vec<Poison> {
    let poison = |what| Poison { profile, what, reason: reason.to_owned() };
    match task {
        // That something was passed over changes nothing, and to pass that over would go on for ever.
        Task::Entries(entries) => {
            let lost = entries.iter().filter(|entry| !matches!(entry.body, EntryBody::Skip(_)));
            lost.map(|entry| poison(Failed::Entry(entry.clone()))).collect()
        }
        Task::CatchUp | Task::Fire(_) | Task::Save { .. } | Task::Rest => vec![poison(Failed::Profile)],
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
