//! One customer: a thin actor around the pure engine. It holds the profile (packed, while it rests), answers with what
//! changed, and does nothing else.

mod at_work;
mod poison;
#[cfg(test)]
mod tests;
mod worked;

use std::collections::BTreeMap;
use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::mpsc;

use crate::engine::backfill::{self, Past, Wanted};
use crate::engine::{Engine, Profile, Skips, snapshot};
use crate::model::packed::PackedError;
use crate::model::{Entry, Offset, ProfileId, Span, Timestamp};
use crate::workspace::Program;

use self::at_work::AtWork;
pub(super) use self::poison::{Failed, Panicked, Poison};
pub(super) use self::worked::{Changed, Told, Worked};
use super::broadcast::Broadcast;
use super::kept::Kept;

/// After how long a wake is tried again that could be neither fired nor passed over.
const STUCK: Span = Span::HOUR;

/// What a customer is asked to do under one program.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// Apply these, in order.
    Entries(Vec<Arc<Entry>>),
    /// Take in the broadcasts.
    CatchUp,
    /// Fire all wakes up to here.
    Fire(Timestamp),
    /// Tell the state. Who is busy will be asked for more soon, and keeps it unpacked.
    Save { is_busy: bool },
    /// Keep the state packed: nothing happens.
    Rest,
}

impl Task {
    /// The first entry of it.
    pub(super) fn first(&self) -> Option<Offset> {
        match self {
            Self::Entries(entries) => entries.first().map(|entry| entry.offset),
            Self::CatchUp | Self::Fire(_) | Self::Save { .. } | Self::Rest => None,
        }
    }
}

impl Task {
    /// The last instant that it tells of.
    fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Entries(entries) => entries.last().map(|entry| entry.received_at),
            Self::Fire(up_to) => Some(*up_to),
            Self::CatchUp | Self::Save { .. } | Self::Rest => None,
        }
    }
}

/// What all customers of one batch are asked under.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) engine: Arc<dyn Engine>,
    /// What is passed over.
    pub(super) skips: Arc<Skips>,
    pub(super) program: Arc<Program>,
    /// What the customer may not have seen yet of what concerns everyone.
    pub(super) broadcasts: Arc<Vec<Broadcast>>,
    /// Entry by entry, going back to the state before an entry that cannot be applied: slower, after a panic.
    pub(super) is_careful: bool,
}

/// Where the customers of one batch answer.
pub(super) type Answers = mpsc::UnboundedSender<(ProfileId, Answer)>;

/// One batch for one customer. It answers by itself: a message that is answered by actix costs a channel each.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Work {
    pub(super) profile: ProfileId,
    pub(super) terms: Arc<Terms>,
    pub(super) known: Known,
    pub(super) task: Arc<Task>,
    pub(super) answers: Answers,
}

/// What a customer is told beside its task.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What came before, of which its saved state knows nothing and nothing is told: it is done first.
    pub(super) missed: Vec<Arc<Entry>>,
    /// The customer's past, where it asked for it.
    pub(super) history: Option<Vec<Past>>,
}

/// What comes of one batch for one customer.
#[derive(Debug)]
pub(super) enum Answer {
    Worked(Worked),
    /// Nothing was done: the customer must know this of its past first. The same batch is to come again, with it.
    Wants(Wanted, Addr<Customer>),
    Panicked(Panicked),
}

pub(super) struct Customer {
    kept: Kept,
    /// What counted since the profile began to wait for a merge or its history. The store may not have it yet when a
    /// deploy that was parked meanwhile asks for the past.
    counted: BTreeMap<Offset, Past>,
}

impl Customer {
    pub(super) fn new(profile: Profile) -> Self {
        Self { kept: Kept::AtWork(Box::new(profile)), counted: BTreeMap::new() }
    }

    fn answer(&mut self, work: &Work, own: Addr<Self>) -> Result<Answer, Panicked> {
        let unreadable = |error: PackedError| Panicked { reason: format!("what was kept at rest: {error}") };
        let mut profile = self.kept.take().map_err(unreadable)?;
        if work.known.history.is_none()
            && let Some(wanted) = wants(&profile, work)
        {
            self.kept = Kept::AtWork(profile);
            return Ok(Answer::Wants(wanted, own));
        }
        let mut worked = self.work(&mut profile, work)?;
        self.kept = match (&*work.task, &worked.snapshot) {
            (Task::Save { is_busy: true }, _) => Kept::AtWork(profile),
            (_, Some(snapshot)) => Kept::AtRest(snapshot.as_slice().into()),
            (Task::Rest, None) => Kept::AtRest(snapshot::encode(&profile).into()),
            _ => Kept::AtWork(profile),
        };
        worked.size = self.kept.size();
        Ok(Answer::Worked(worked))
    }

    fn work(&mut self, profile: &mut Profile, work: &Work) -> Result<Worked, Panicked> {
        let must_save = matches!(*work.task, Task::Save { .. });
        let Known { missed, history } = &work.known;
        let history = history.as_deref().unwrap_or_default();
        let mut at_work = AtWork::new(&work.terms, profile, history, &self.counted, must_save);
        if !missed.is_empty() {
            at_work.perform(&Task::Entries(missed.clone()))?;
        }
        at_work.perform(&work.task)?;
        let (mut worked, must_save) = at_work.done();
        if backfill::is_waiting(profile) {
            let counted = worked.told.counted.iter().filter_map(|entry| Past::of(entry));
            self.counted.extend(counted.map(|past| (past.offset, past)));
        } else {
            self.counted.clear();
        }
        // A wake that can be neither fired nor passed over would be due for ever: another program may do better.
        let is_stuck = worked.poison.iter().any(|poison| matches!(poison.what, Failed::Profile));
        let not_before = work.task.at().filter(|_| is_stuck).map(|at| at + STUCK);
        worked.wake = profile.wake().map(|wake| not_before.map_or(wake, |not_before| wake.max(not_before)));
        worked.snapshot = must_save.then(|| snapshot::encode(profile));
        Ok(worked)
    }
}

/// What must be known of the past before this can be done.
fn wants(profile: &Profile, work: &Work) -> Option<Wanted> {
    let unseen = work.terms.broadcasts.iter().filter(|broadcast| broadcast.entry.offset > profile.applied());
    let wanted = unseen.filter_map(|Broadcast { entry, program, .. }| backfill::wanted_by(profile, program, entry));
    wanted.chain(backfill::wanted(profile, &work.terms.program)).reduce(Wanted::and)
}

impl Actor for Customer {
    type Context = Context<Self>;
}

impl Handler<Work> for Customer {
    type Result = ();

    fn handle(&mut self, work: Work, ctx: &mut Self::Context) {
        let answer = self.answer(&work, ctx.address()).unwrap_or_else(Answer::Panicked);
        // Whoever asked is gone only with the whole shard.
        let _ = work.answers.send((work.profile, answer));
    }
}
