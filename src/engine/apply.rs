//! The two doors of the engine: an entry of the journal, and time.

use std::borrow::Cow;

use crate::lang::rules::SegmentIndex;
use crate::model::platform_event::EMAIL_CLICKED;
use crate::model::{Entry, EntryBody, Event, EventKind, Moment, Span, Timestamp, Value};
use crate::workspace::Program;

use super::backfill::Unfilled;
use super::consent::consent_of_event;
use super::profile::{Awaited, Profile};
use super::transition::{Cause, Fact, Relay, Transition};
use super::turn::{Happening, Turn};
use super::wake::next_wake;

/// An event that arrives this long after it happened is late: what it changes says so.
const LATE_AFTER: Span = Span::MINUTE.times(5);

/// Applies an entry of the journal: first the wakes that were due before it, each at its own instant, then the entry.
/// An entry that was applied before, an event whose `message_id` was, and a skip change nothing.
pub fn apply(profile: &mut Profile, program: &Program, entry: &Entry) -> Transition {
    if entry.offset <= profile.applied || matches!(entry.body, EntryBody::Skip(_)) {
        return Transition::default();
    }
    if profile.erased || matches!(entry.body, EntryBody::Erased) {
        profile.applied = entry.offset;
        return Transition::default();
    }
    if let Some(winner) = profile.merged_into
        && !matches!(entry.body, EntryBody::Erase)
    {
        profile.applied = entry.offset;
        return forwarded(entry, winner);
    }
    if profile.awaited.is_some() {
        return wait_for_merge(profile, program, entry);
    }
    if profile.unfilled.is_some() {
        profile.applied = entry.offset;
        profile.parked.push(entry.clone());
        return Transition::default();
    }
    let mut out = fire(profile, program, Timestamp(entry.received_at.0.saturating_sub(1)));
    let is_new = profile.applied.0 == 0;
    let at = match &entry.body {
        EntryBody::Event(event) => event.timestamp.min(entry.received_at),
        EntryBody::Consent(change) => change.at.min(entry.received_at),
        _ => entry.received_at,
    };
    let cause = match &entry.body {
        EntryBody::Event(_) | EntryBody::Consent(_) if at + LATE_AFTER < entry.received_at => Cause::Late,
        EntryBody::Event(_) | EntryBody::Consent(_) | EntryBody::ScheduleFired { .. } => Cause::Event,
        EntryBody::RankRefreshed { .. } => Cause::Time,
        EntryBody::MergeAway { .. } | EntryBody::Absorb { .. } | EntryBody::Expect { .. } => Cause::Merge,
        EntryBody::Deploy(_) | EntryBody::Skip(_) => Cause::Deploy,
        EntryBody::Erase | EntryBody::Erased => Cause::Erasure,
    };
    profile.applied = entry.offset;
    let moment = Moment { at, offset: entry.offset };
    let mut turn = Turn::new(profile, program, entry.received_at, moment, cause);
    if is_new {
        turn.dirty_all();
    }
    match &entry.body {
        EntryBody::Deploy(deploy) if !is_new && !deploy.unknown.is_empty() => {
            turn.profile.unfilled = Some(Unfilled { moment, keys: deploy.unknown.clone() });
        }
        _ => turn.take(entry),
    }
    // What is due at this very instant comes after all entries of this instant, of which there may be more.
    close(turn, Timestamp(entry.received_at.0.saturating_sub(1)), &mut out);
    out
}

/// Fires all wakes up to and including `up_to`, in order, each at its own instant.
pub fn fire(profile: &mut Profile, program: &Program, up_to: Timestamp) -> Transition {
    let mut out = Transition::default();
    while let Some(at) = profile.wake.filter(|at| *at <= up_to && !profile.is_gone()) {
        let moment = Moment { at, offset: profile.applied };
        let mut turn = Turn::new(profile, program, at, moment, Cause::Time);
        turn.end_windows();
        turn.run();
        close(turn, at, &mut out);
    }
    out
}

/// Ends a turn: wakes up to `passed` have been taken into account.
pub(super) fn close(turn: Turn<'_>, passed: Timestamp, out: &mut Transition) {
    let Turn { profile, program, calendar, out: done, .. } = turn;
    profile.clock = profile.clock.max(passed);
    debug_assert_eq!(calendar, profile.calendar(program), "the calendar follows the traits");
    let is_at_rest = profile.is_gone() || profile.awaited.is_some() || profile.unfilled.is_some();
    profile.wake = if is_at_rest { None } else { next_wake(profile, program, calendar) };
    out.append(done);
}

/// Between a merge and the arrival of what the loser held, entries are parked. Then the merge is done as of its own
/// instant, and they follow with theirs, so that everything is decided as if no time had passed in between.
fn wait_for_merge(profile: &mut Profile, program: &Program, entry: &Entry) -> Transition {
    let Some(Awaited { loser: awaited, moment }) = profile.awaited else { return Transition::default() };
    profile.applied = entry.offset;
    let EntryBody::Absorb { loser, snapshot } = &entry.body else {
        profile.parked.push(entry.clone());
        return Transition::default();
    };
    if *loser != awaited {
        profile.parked.push(entry.clone());
        return Transition::default();
    }
    let mut out = Transition::default();
    (profile.awaited, profile.applied) = (None, moment.offset);
    let mut turn = Turn::new(profile, program, moment.at, moment, Cause::Merge);
    turn.absorb(*loser, snapshot);
    turn.run();
    close(turn, Timestamp(moment.at.0.saturating_sub(1)), &mut out);
    unpark(profile, program, &mut out);
    profile.applied = entry.offset;
    out.append(fire(profile, program, Timestamp(entry.received_at.0.saturating_sub(1))));
    out
}

/// Applies what was parked, up to the next merge whose other half has not come, or deploy that asks for history.
pub(super) fn unpark(profile: &mut Profile, program: &Program, out: &mut Transition) {
    let parked = std::mem::take(&mut profile.parked);
    for entry in parked {
        // A parked `Absorb` follows its `Expect`, and is met by it here.
        let transition = apply(profile, program, &entry);
        if transition.recorded {
            out.released.push(entry);
        }
        out.append(transition);
    }
    out.recorded = false;
}

/// What comes for a profile that was merged away goes on to the winner; what is for everyone reaches that one anyway.
fn forwarded(entry: &Entry, winner: crate::model::ProfileId) -> Transition {
    let is_for_everyone =
        matches!(entry.body, EntryBody::ScheduleFired { .. } | EntryBody::RankRefreshed { .. } | EntryBody::Deploy(_));
    let relays = if is_for_everyone { Vec::new() } else { vec![Relay::forward(entry, winner)] };
    Transition { relays, ..Transition::default() }
}

impl<'a> Turn<'a> {
    fn take(&mut self, entry: &'a Entry) {
        match &entry.body {
            EntryBody::Event(event) => {
                // A repeat is nothing: not even a reason to look at what waits.
                if !self.take_event(event) {
                    return;
                }
            }
            EntryBody::Consent(change) => {
                if !self.take_consent(change) {
                    return;
                }
            }
            EntryBody::MergeAway { winner } => return self.hand_over(*winner),
            EntryBody::Absorb { loser, snapshot } => self.absorb(*loser, snapshot),
            EntryBody::Expect { loser } => {
                self.profile.awaited = Some(Awaited { loser: *loser, moment: self.moment });
                return;
            }
            EntryBody::ScheduleFired { journey, .. } => {
                self.settle_segments();
                self.start_by_schedule(journey);
            }
            EntryBody::RankRefreshed { rank, threshold } => self.take_rank(*rank, *threshold),
            EntryBody::Deploy(_) => self.take_up_program(),
            EntryBody::Erase => return self.erase(),
            EntryBody::Skip(_) | EntryBody::Erased => return,
        }
        self.run();
    }

    /// Looks at everything with the eyes of a program that is new.
    pub(super) fn take_up_program(&mut self) {
        self.profile.slots.0 = None;
        self.profile.members.forget();
        self.profile.ends.forget();
        self.leave_removed_segments();
        self.settle_holds();
        self.dirty_all();
        self.mirror_all();
        self.settle_segments();
        self.start_existing();
    }

    /// False where the message was taken before.
    fn take_event(&mut self, event: &'a Event) -> bool {
        let said = consent_of_event(&event.name, &event.properties);
        if !self.profile.seen.is_first(&event.message_id, self.now) {
            said.into_iter().for_each(|(key, _)| self.lift(key));
            return false;
        }
        self.out.recorded = true;
        if let Some(user_id) = &event.user_id {
            self.set_user_id(user_id);
        }
        match event.kind {
            EventKind::Identify => self.take_traits(&event.traits),
            EventKind::Group => {
                self.profile.account.clone_from(&event.traits);
                if let Some(group_id) = &event.group_id {
                    self.profile.account.insert("group_id".to_owned(), Value::from(group_id.as_str()));
                }
                let program = self.program;
                for segment in &program.rules.readers.segments_of_account {
                    self.dirty(*segment);
                }
            }
            _ => {}
        }
        if let Some((key, state)) = said {
            self.note_consent(key, state);
        }
        if event.kind == EventKind::Platform {
            self.note_audience_outcome(&event.name, &event.properties);
        }
        self.out.facts.extend(clicked(event, self.now));
        self.happen(Happening {
            name: &event.name,
            properties: Cow::Borrowed(&event.properties),
            moment: self.moment,
            is_activity: event.is_activity(),
            segment: None,
        });
        true
    }

    fn set_user_id(&mut self, user_id: &str) {
        if self.profile.user_id.as_deref() == Some(user_id) {
            return;
        }
        self.profile.user_id = Some(user_id.to_owned());
        let program = self.program;
        for segment in &program.rules.readers.segments_of_user_id {
            self.dirty(*segment);
        }
    }
}

/// What a click tells of the step that sent the message.
fn clicked(event: &Event, at: Timestamp) -> Option<Fact> {
    if event.kind != EventKind::Platform || event.name != EMAIL_CLICKED {
        return None;
    }
    let of = |name: &str| event.properties.get(name).and_then(Value::as_text).map(str::to_owned);
    let (run, journey, step, effect) = (of("run_id")?, of("journey")?, of("step")?, of("effect_id")?);
    Some(Fact::Clicked { run, journey, step, effect, at })
}

/// Whether each segment's membership is what its condition says at the profile's clock. For asserts and tests.
#[must_use]
pub fn memberships_agree(profile: &Profile, program: &Program) -> bool {
    (0..program.rules.segments.len()).all(|index| {
        let view = super::view::ProfileView::new(profile, program, profile.clock);
        let segment = &program.rules.segments[SegmentIndex(index as u32).at()];
        crate::lang::eval::holds(&segment.condition, &view) == profile.memberships.contains_key(&segment.name)
    })
}
