//! One batch of a shard: load who is missing, let each customer work, gather what changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::mpsc;

use crate::engine::backfill::{Past, Wanted};
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
    /// Why it cannot be read.
    Unreadable(String),
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
                    if self.ask_informed(&mut done, id, &address, None).await {
                        done.started.push((id, address));
                    }
                }
                Loaded::Unreadable(why) => {
                    tracing::error!(profile = %id, error = why, "a profile cannot be read; its events go to quarantine");
                    let (task, reason) = (self.tasks.remove(&id), format!("{UNREADABLE}: {why}"));
                    done.left_out.extend(task.into_iter().flat_map(|task| left_out(id, &task, &reason)));
                }
            }
        }
        while self.asked > 0 {
            let wanting = self.gather(&mut done).await;
            self.ask_with_history(&mut done, wanting).await;
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

    /// Hands a customer its task, after a failure with what it missed. False where that cannot be read: then it fails.
    async fn ask_informed(
        &mut self,
        done: &mut Done,
        id: ProfileId,
        customer: &Addr<Customer>,
        history: Option<Vec<Past>>,
    ) -> bool {
        match self.missed(id).await {
            Ok(missed) => {
                self.ask(id, customer, Known { missed, history });
                true
            }
            Err(error) => {
                self.fail(done, id, &format!("what came before cannot be read: {error}"));
                false
            }
        }
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

    /// Asks again, with the pasts that customers want, read together; where one of them is damaged, each by itself.
    async fn ask_with_history(&mut self, done: &mut Done, wanting: Vec<(ProfileId, Wanted, Addr<Customer>)>) {
        let Some(wanted) = wanting.iter().map(|(_, wanted, _)| wanted.clone()).reduce(Wanted::and) else { return };
        let ids: Vec<ProfileId> = wanting.iter().map(|(id, ..)| *id).collect();
        match until_told(|| self.backing.store.pasts(&ids, &wanted)).await {
            Ok(mut pasts) => {
                for (id, _, customer) in wanting {
                    let history = pasts.remove(&id).unwrap_or_default();
                    self.ask_informed(done, id, &customer, Some(history)).await;
                }
            }
            Err(error) if wanting.len() == 1 => {
                tracing::error!(profile = %ids[0], %error, "what a profile did before cannot be read");
                self.fail(done, ids[0], &format!("its past cannot be read: {error}"));
            }
            Err(_) => {
                for one in wanting {
                    Box::pin(self.ask_with_history(done, vec![one])).await;
                }
            }
        }
    }

    /// Starts customers from what is saved of them.
    async fn load(&self, ids: &[ProfileId]) -> Vec<(ProfileId, Loaded)> {
        if ids.is_empty() {
            return Vec::new();
        }
        let saved = match until_told(|| self.backing.store.load_profiles(ids)).await {
            Ok(saved) => saved,
            Err(error) if ids.len() == 1 => return vec![(ids[0], Loaded::Unreadable(error.to_string()))],
            Err(_) => {
                let mut each = Vec::with_capacity(ids.len());
                for id in ids {
                    each.extend(Box::pin(self.load(std::slice::from_ref(id))).await);
                }
                return each;
            }
        };
        let mut snapshots: HashMap<ProfileId, Vec<u8>> = saved.into_iter().map(|row| (row.id, row.snapshot)).collect();
        let mut started = Vec::with_capacity(ids.len());
        for id in ids {
            let profile = match snapshots.remove(id) {
                None => Ok(Profile::new(*id)),
                Some(snapshot) => snapshot::decode(&snapshot),
            };
            let loaded = match profile {
                Ok(profile) => Loaded::Customer(Customer::new(profile).start()),
                Err(error) => Loaded::Unreadable(error.to_string()),
            };
            started.push((*id, loaded));
        }
        started
    }

    /// After a failure: what came for a customer since it was saved, before this batch. What it told of that is not in the
    /// store, as it goes there with the state: it is told again. Entries for everyone are left to the broadcasts: those that
    /// are not among them any more were saved.
    async fn missed(&self, profile: ProfileId) -> Result<Vec<Arc<Entry>>, StoreError> {
        let mut missed = Vec::new();
        let Mode::Careful { after, known } = self.mode else { return Ok(missed) };
        let mut reached = after;
        while reached < known {
            let page = until_told(|| self.backing.journal.read(reached, PAGE)).await?;
            let Some(last) = page.last() else { break };
            reached = last.offset;
            let is_own = |entry: &Entry| entry.offset <= known && entry.target == Target::Profile(profile);
            missed.extend(page.into_iter().filter(is_own).map(Arc::new));
        }
        Ok(missed)
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
/// waiting entries tells the sources. Somebody may still mend what is damaged.
pub(super) async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(read: impl Fn() -> F) -> T {
    loop {
        match until_told(&read).await {
            Ok(found) => return found,
            Err(error) => tracing::error!(%error, "the store cannot read what a shard needs; trying again"),
        }
        tokio::time::sleep(LONGEST_RETRY).await;
    }
}

/// Reads from the store, again and again until it answers, or says what will never be otherwise.
async fn until_told<T, F: Future<Output = Result<T, StoreError>>>(read: impl Fn() -> F) -> Result<T, StoreError> {
    let mut delay = FIRST_RETRY;
    loop {
        match read().await {
            Err(error) if !error.is_permanent() => {
                tracing::error!(%error, "the store does not answer; trying again");
            }
            told => return told,
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(LONGEST_RETRY);
    }
}
