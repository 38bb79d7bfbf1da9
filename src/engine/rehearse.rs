//! What a deploy would do to a profile, without doing it.

use std::collections::BTreeSet;

use crate::model::{Deploy, Entry, EntryBody, Offset, Target, Timestamp};
use crate::workspace::Program;

use super::backfill::{self, Past, Wanted};
use super::transition::Transition;
use super::{Profile, apply, fire};

/// A deploy that is only tried.
#[derive(Debug, Clone, Copy)]
pub struct Rehearsal<'a> {
    pub before: &'a Program,
    pub after: &'a Program,
    /// Keys of what `after` keeps of the past and `before` did not.
    pub unknown: &'a [u64],
    pub now: Timestamp,
}

/// What it would do to one profile.
#[derive(Debug, Clone)]
pub struct Rehearsed {
    pub before: BTreeSet<String>,
    pub after: BTreeSet<String>,
    /// What the deploy itself would set going.
    pub transition: Transition,
}

impl Rehearsal<'_> {
    /// What of their histories the profiles have to be asked for; `None` where nothing.
    #[must_use]
    pub fn wanted(&self) -> Option<Wanted> {
        let everything_so_far = Offset(u64::MAX);
        (!self.unknown.is_empty()).then(|| Wanted::of(self.after, self.unknown, everything_so_far))
    }

    /// Tries it on a profile. `None` for one that is not there any more, or waits for a merge.
    #[must_use]
    pub fn try_on(&self, profile: &Profile, history: &[Past]) -> Option<Rehearsed> {
        if profile.is_gone() || profile.awaited.is_some() {
            return None;
        }
        let mut tried = profile.clone();
        let now = self.now.max(Timestamp(tried.clock.0 + 1));
        fire(&mut tried, self.before, Timestamp(now.0 - 1));
        let before = memberships(&tried);
        let last = history.iter().map(|past| past.offset).fold(tried.applied, Offset::max);
        let entry = Entry {
            offset: Offset(last.0 + 1),
            received_at: now,
            target: Target::Everyone,
            body: EntryBody::Deploy(Deploy { version: self.after.version.clone(), unknown: self.unknown.to_vec() }),
        };
        let mut transition = apply(&mut tried, self.after, &entry);
        while backfill::is_unfilled(&tried) {
            transition.append(backfill::fill(&mut tried, self.after, history));
        }
        Some(Rehearsed { before, after: memberships(&tried), transition })
    }
}

fn memberships(profile: &Profile) -> BTreeSet<String> {
    profile.memberships.keys().cloned().collect()
}
