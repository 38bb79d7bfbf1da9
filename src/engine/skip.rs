//! Poison: what the engine failed on is passed over for good, so that a replay by a mended engine decides as was lived.
//!
//! An entry that is passed over has not come. What others wait for cannot be left undone in the same way, or they would wait
//! for ever: a wake ([`skip_wake`]), the other half of a merge and a deploy ([`pass_over`]).

use std::collections::BTreeMap;

use crate::model::{Deploy, Entry, EntryBody, Moment, Offset, ProfileId, Skipped, Target, Timestamp};
use crate::workspace::Program;

use super::apply::{apply, close, fire, unpark};
use super::backfill::{Unfilled, is_waiting};
use super::erasure::tombstone;
use super::profile::{Awaited, Profile};
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
        if entry.offset <= profile.applied {
            return Transition::default();
        }
        if self.has(profile.id, Skipped::Entry(entry.offset)) {
            return pass_over(profile, program, entry);
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

/// Lets an entry go by that is passed over. Where the profile waits for it, it waits no longer: a merge whose other half
/// cannot be taken in has not brought anything, and of a deploy nothing is taken from the past. An erasure is never passed over:
/// what the engine cannot tell the world of it is left out, and the person is forgotten.
pub fn pass_over(profile: &mut Profile, program: &Program, entry: &Entry) -> Transition {
    let mut out = Transition::default();
    if entry.offset > profile.applied && matches!(entry.body, EntryBody::Erase) {
        *profile = tombstone(profile.id, entry.offset, profile.clock);
        return out;
    }
    if entry.offset <= profile.applied || profile.merged_into.is_some() {
        return out;
    }
    match (&entry.body, profile.awaited) {
        (EntryBody::Absorb { loser, .. }, Some(Awaited { loser: awaited, moment })) if *loser == awaited => {
            profile.awaited = None;
            go_on(profile, program, moment, Cause::Merge, entry.offset, &mut out);
            out.append(fire(profile, program, before(entry.received_at)));
        }
        (EntryBody::Deploy(_), None) if profile.applied.0 > 0 && !is_waiting(profile) => {
            let moment = Moment { at: entry.received_at, offset: entry.offset };
            go_on(profile, program, moment, Cause::Deploy, entry.offset, &mut out);
        }
        _ => {}
    }
    out
}

/// The deploy that a profile waits for its history to take in, as an entry.
#[must_use]
pub fn unfilled_deploy(profile: &Profile, program: &Program) -> Option<Entry> {
    let Unfilled { moment, keys } = profile.unfilled.as_ref()?;
    let deploy = Deploy { version: program.version.clone(), unknown: keys.clone() };
    let (offset, received_at) = (moment.offset, moment.at);
    Some(Entry { offset, received_at, target: Target::Everyone, body: EntryBody::Deploy(deploy) })
}

/// As [`pass_over`], for the deploy that waits for the profile's history.
pub fn pass_over_unfilled(profile: &mut Profile, program: &Program) -> Transition {
    let mut out = Transition::default();
    if let Some(Unfilled { moment, .. }) = profile.unfilled.take() {
        let last = profile.applied;
        go_on(profile, program, moment, Cause::Deploy, last, &mut out);
    }
    out
}

/// Goes on from `moment`, at which the profile began to wait, with what was parked since; `last` is the last entry that came.
fn go_on(profile: &mut Profile, program: &Program, moment: Moment, cause: Cause, last: Offset, out: &mut Transition) {
    profile.applied = moment.offset;
    // The program may be another than the one that these were worked out by.
    profile.slots.0 = None;
    profile.members.forget();
    profile.ends.forget();
    close(Turn::new(profile, program, moment.at, moment, cause), before(moment.at), out);
    unpark(profile, program, out);
    profile.applied = last;
}

fn before(at: Timestamp) -> Timestamp {
    Timestamp(at.0.saturating_sub(1))
}

/// The parked entry by which a step fails that goes on with what was parked; `None` where it fails without any.
#[must_use]
pub fn culprit(profile: &Profile, fails: impl Fn(&mut Profile) -> bool) -> Option<Entry> {
    let fails_with = |count: usize| {
        let mut tried = profile.clone();
        tried.parked.truncate(count);
        fails(&mut tried)
    };
    if fails_with(0) {
        return None;
    }
    // The first so many go well, and so many do not.
    let (mut well, mut ill) = (0, profile.parked.len());
    while well + 1 < ill {
        let middle = usize::midpoint(well, ill);
        if fails_with(middle) { ill = middle } else { well = middle }
    }
    profile.parked.get(ill.checked_sub(1)?).cloned()
}

/// Takes an entry out of those that are parked, as if it had not come.
pub fn unpark_without(profile: &mut Profile, parked: Offset) {
    profile.parked.retain(|entry| entry.offset != parked);
    if profile.applied == parked {
        let begin = profile.awaited.map(|awaited| awaited.moment.offset);
        let begin = begin.or(profile.unfilled.as_ref().map(|unfilled| unfilled.moment.offset));
        profile.applied = profile.parked.last().map(|entry| entry.offset).or(begin).unwrap_or(parked);
    }
}
