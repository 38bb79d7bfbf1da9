//! When time alone changes something next.

use crate::lang::rules::{RecallIndex, RecallKeep, SegmentIndex};
use crate::lang::sequence::deadline;
use crate::lang::window::{Calendar, When};
use crate::model::{Span, Timestamp, Value};
use crate::workspace::Program;

use super::aggregates::{Instant, oldest};
use super::ends::{Ends, Source};
use super::profile::Profile;
use super::turn::Turn;

/// The next instant after `profile.clock` at which, by the customer's calendar, a window ends or a run has waited long enough.
pub(super) fn next_wake(profile: &mut Profile, program: &Program, calendar: Calendar) -> Option<Timestamp> {
    let ends = known_ends(profile, program, calendar);
    let window = ends.earliest().filter(|end| *end < Timestamp::MAX);
    debug_assert_eq!(
        ends.earliest(),
        all_ends(profile, program, calendar).earliest(),
        "what is kept of ends is what they are"
    );
    let after = ends.after;
    profile.ends.know(ends);
    // A run whose time has come already (a wait of nothing) is due at once.
    let run = profile.runs.iter().map(|run| run.wake.max(Timestamp(after.0 + 1))).min();
    window.into_iter().chain(run.filter(|wake| *wake < Timestamp::MAX)).min()
}

/// The ends after `profile.clock`: of what was known before, what was touched or has ended since is looked at again.
fn known_ends(profile: &mut Profile, program: &Program, calendar: Calendar) -> Ends {
    let after = profile.clock;
    let (known, touched) = profile.ends.take();
    let Some(mut ends) = known.filter(|known| known.calendar == calendar && known.after <= after) else {
        return all_ends(profile, program, calendar);
    };
    let ended: Vec<Source> = if ends.after < after { ends.up_to(after).collect() } else { Vec::new() };
    ends.after = after;
    for source in touched.into_iter().chain(ended) {
        ends.set(source, end_of(profile, program, source, calendar, after));
    }
    ends
}

fn all_ends(profile: &Profile, program: &Program, calendar: Calendar) -> Ends {
    let after = profile.clock;
    let mut ends = Ends::none(calendar, after);
    for source in sources(profile, program) {
        ends.set(source, end_of(profile, program, source, calendar, after));
    }
    ends
}

/// Everything that the profile holds and the program asks about.
fn sources<'a>(profile: &'a Profile, program: &'a Program) -> impl Iterator<Item = Source> + 'a {
    let readers = &program.rules.readers;
    let trails = profile.trails.keys().filter_map(|key| readers.trail_of_key.get(key).copied().map(Source::Trail));
    let aggregates = profile.aggregates.keys();
    let aggregates = aggregates.filter_map(|key| readers.aggregate_of_key.get(key).copied().map(Source::Aggregate));
    let recalls = profile.recalls.keys().filter_map(|key| readers.recall_of_key.get(key).copied().map(Source::Recall));
    let held = profile.held.keys().filter_map(|key| readers.hold_of_key.get(key).copied().map(Source::Hold));
    trails.chain(aggregates).chain(recalls).chain(held).chain([Source::Dates])
}

/// The first end of a source after `after`.
fn end_of(
    profile: &Profile,
    program: &Program,
    source: Source,
    calendar: Calendar,
    after: Timestamp,
) -> Option<Timestamp> {
    let mut first = None;
    each_end(profile, program, source, (calendar, after), |at, _| {
        first = Some(first.map_or(at, |known: Timestamp| known.min(at)));
    });
    first
}

impl Turn<'_> {
    /// Marks the segments that time alone may have changed since the profile's clock, and lets go of what has left its
    /// window for good.
    pub(super) fn end_windows(&mut self) {
        let program = self.program;
        let ends = known_ends(self.profile, program, self.calendar);
        let mut touched = Vec::new();
        for source in ends.up_to(self.now) {
            each_end(self.profile, program, source, (ends.calendar, ends.after), |at, segments| {
                if at <= self.now {
                    touched.extend_from_slice(segments);
                }
            });
        }
        self.profile.ends.know(ends);
        for segment in touched {
            self.dirty(segment);
        }
        self.let_go();
    }

    fn let_go(&mut self) {
        let (program, now, calendar) = (self.program, self.now, self.calendar);
        let readers = &program.rules.readers;
        for (key, state) in &mut self.profile.aggregates {
            let Some(index) = readers.aggregate_of_key.get(key) else { continue };
            if let Some(window) = program.rules.aggregates[index.at()].window {
                state.let_go(window, Instant { now, calendar });
            }
        }
        for (key, events) in &mut self.profile.recalls {
            let Some(index) = readers.recall_of_key.get(key) else { continue };
            if let RecallKeep::Window(window) = program.rules.recalls[index.at()].keep {
                // Someone who moves to another time zone may bring a day back.
                let is_kept = |at| window.end(at, calendar) + Span::DAY.times(2) > now;
                let kept = events.partition_point(|event| is_kept(event.moment.at));
                if kept < events.len() {
                    events.truncate(kept);
                    // A deadline of what is gone may have been still to come.
                    self.profile.ends.touch(Source::Recall(*index));
                }
            }
        }
    }
}

/// For each thing of a source that time alone can change: the first instant after `after` at which it may, and who
/// reads it.
fn each_end<'a>(
    profile: &Profile,
    program: &'a Program,
    source: Source,
    (calendar, after): (Calendar, Timestamp),
    mut visit: impl FnMut(Timestamp, &'a [SegmentIndex]),
) {
    let (rules, readers) = (&program.rules, &program.rules.readers);
    match source {
        Source::Trail(index) => {
            let Some(moments) = profile.trails.get(&rules.trails[index.at()].key) else { return };
            for (at_least, window) in &readers.windows_of_trail[index.at()] {
                let nth = moments.get(at_least.saturating_sub(1) as usize);
                if let Some(end) = nth.map(|nth| window.end(nth.at, calendar)).filter(|end| *end > after) {
                    visit(end, &readers.segments_of_trail[index.at()]);
                }
            }
        }
        Source::Aggregate(index) => {
            let aggregate = &rules.aggregates[index.at()];
            let (Some(state), Some(window)) = (profile.aggregates.get(&aggregate.key), aggregate.window) else {
                return;
            };
            if let Some(end) = state.next_end(window, after, calendar) {
                visit(end, &readers.segments_of_aggregate[index.at()]);
            }
        }
        Source::Recall(index) => each_end_of_recall(profile, program, index, calendar, after, |end| {
            visit(end, &readers.segments_of_recall[index.at()]);
        }),
        Source::Hold(index) => {
            let Some(since) = profile.held.get(&rules.holds[index.at()].key) else { return };
            for window in &readers.windows_of_hold[index.at()] {
                let end = window.end(*since, calendar);
                if end > after {
                    visit(end, &readers.segments_of_hold[index.at()]);
                }
            }
        }
        Source::Dates => each_border_of_dates(profile, program, calendar, after, visit),
    }
}

/// When a recalled event leaves its window, or a `then did not` has waited long enough.
fn each_end_of_recall(
    profile: &Profile,
    program: &Program,
    index: RecallIndex,
    calendar: Calendar,
    after: Timestamp,
    mut visit: impl FnMut(Timestamp),
) {
    let rules = &program.rules;
    let Some(events) = profile.recalls.get(&rules.recalls[index.at()].key) else { return };
    for window in &rules.readers.windows_of_recall[index.at()] {
        oldest(events, |event| window.end(event.moment.at, calendar), after).into_iter().for_each(&mut visit);
    }
    for sequence in &rules.readers.sequences_of_recall[index.at()] {
        for pair in rules.sequences[sequence.at()].steps.windows(2) {
            let [before, step] = pair else { continue };
            if step.negated && before.recall == index {
                oldest(events, |event| deadline(step, event.moment), after).into_iter().for_each(&mut visit);
            }
        }
    }
}

/// When a date that the profile holds comes near, arrives or passes.
fn each_border_of_dates<'a>(
    profile: &Profile,
    program: &'a Program,
    calendar: Calendar,
    after: Timestamp,
    mut visit: impl FnMut(Timestamp, &'a [SegmentIndex]),
) {
    let rules = &program.rules;
    for (subject, dates) in &rules.readers.dates_of_trait {
        let name = &rules.traits[subject.at()].name;
        let Some(date) = Value::lookup(&profile.traits, name).and_then(When::of) else { continue };
        for index in dates {
            let question = &rules.dates[index.at()];
            let intervals = question.test.intervals(date, question.is_anniversary, after, calendar);
            let borders = intervals.flat_map(|(from, to)| [from, to]).filter(|border| *border > after);
            if let Some(next) = borders.min() {
                visit(next, &rules.readers.segments_of_date[index.at()]);
            }
        }
    }
}
