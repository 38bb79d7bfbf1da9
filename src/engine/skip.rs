//! Poison: what the engine failed on is passed over for good, so that a replay by a mended engine decides as was lived.
//!
//! An entry that is passed over has not come. A wake cannot be left undone in the same way, or it would be due for ever:
//! see [`skip_wake`].

use std::collections::BTreeMap;

use crate::model::{Entry, EntryBody, Moment, Offset, ProfileId, Skipped, Target, Timestamp};
use crate::workspace::Program;

use super::apply::{apply, close, fire};
use super::profile::Profile;
use super::transition::{Cause, Fact, Transition};
use super::turn::Turn;

/// One thing that a profile passes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    pub profile: ProfileId,
    pub skipped: Skipped,
    /// A replay that begins after this entry does not meet it any more.
    pub place: Offset,
}

impl Skip {
    /// Unique among all skips.
    #[must_use]
    pub fn id(&self) -> String {
        match self.skipped {
            Skipped::Entry(offset) => format!("entry-{}-{}", offset.0, self.profile),
            Skipped::Wake(at) => format!("wake-{}-{}", at.0, self.profile),
        }
    }
}

/// All that a replay has to pass over. It must be known before the replay comes to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skips(BTreeMap<(ProfileId, Skipped), Offset>);

impl FromIterator<Skip> for Skips {
    fn from_iter<T: IntoIterator<Item = Skip>>(skips: T) -> Self {
        Self(skips.into_iter().map(|skip| ((skip.profile, skip.skipped), skip.place)).collect())
    }
}

impl Skips {
    /// Those that a journal tells of, all of it.
    #[must_use]
    pub fn of_journal(entries: &[Entry]) -> Self {
        let told = entries.iter().filter_map(|entry| match (entry.target, &entry.body) {
            (Target::Profile(profile), EntryBody::Skip(skipped)) => {
                Some(Skip { profile, skipped: *skipped, place: entry.offset })
            }
            _ => None,
        });
        told.collect()
    }

    /// All of them, by profile.
    pub fn iter(&self) -> impl Iterator<Item = Skip> {
        self.0.iter().map(|((profile, skipped), place)| Skip { profile: *profile, skipped: *skipped, place: *place })
    }

    pub fn add(&mut self, skip: Skip) {
        self.0.insert((skip.profile, skip.skipped), skip.place);
    }

    /// Lets go of what a replay that begins after this entry does not meet.
    pub fn forget(&mut self, after: Offset) {
        self.0.retain(|_, place| *place > after);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn has(&self, profile: ProfileId, skipped: Skipped) -> bool {
        self.0.contains_key(&(profile, skipped))
    }

    /// Whether the profile passes over any wake.
    #[must_use]
    pub fn has_wakes(&self, profile: ProfileId) -> bool {
        let wakes = (profile, Skipped::Wake(Timestamp::MIN))..=(profile, Skipped::Wake(Timestamp::MAX));
        self.0.range(wakes).next().is_some()
    }

    /// [`super::apply`], for a replay.
    pub fn apply(&self, profile: &mut Profile, program: &Program, entry: &Entry) -> Transition {
        if entry.offset <= profile.applied || self.has(profile.id, Skipped::Entry(entry.offset)) {
            return Transition::default();
        }
        let mut out = self.fire(profile, program, Timestamp(entry.received_at.0.saturating_sub(1)));
        out.append(apply(profile, program, entry));
        out
    }

    /// [`super::fire`], for a replay.
    pub fn fire(&self, profile: &mut Profile, program: &Program, up_to: Timestamp) -> Transition {
        if !self.has_wakes(profile.id) {
            return fire(profile, program, up_to);
        }
        let mut out = Transition::default();
        while let Some(at) = profile.wake.filter(|at| *at <= up_to) {
            out.append(match self.has(profile.id, Skipped::Wake(at)) {
                true => skip_wake(profile, program, at),
                false => fire(profile, program, at),
            });
        }
        out
    }
}

/// Lets the instant `at`, at which the profile has a wake, pass without looking at what it changes. Runs that were due
/// end, for they would be due again; segments that a window's end would have changed stay as they are until something
/// else touches them.
pub fn skip_wake(profile: &mut Profile, program: &Program, at: Timestamp) -> Transition {
    let mut out = Transition::default();
    let (due, waiting) = std::mem::take(&mut profile.runs).into_iter().partition(|run| run.wake <= at);
    profile.runs = waiting;
    let due: Vec<super::profile::Run> = due;
    let ended = due.into_iter().map(|run| Fact::RunEnded {
        run: run.id,
        journey: run.journey,
        at,
        reason: "failed".to_owned(),
    });
    out.facts.extend(ended);
    let moment = Moment { at, offset: profile.applied };
    close(Turn::new(profile, program, at, moment, Cause::Time), at, &mut out);
    out
}
