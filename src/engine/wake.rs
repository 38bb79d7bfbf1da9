//! When time alone changes something next.

use crate::lang::rules::{RecallIndex, RecallKeep, SegmentIndex};
use crate::lang::sequence::deadline;
use crate::lang::window::{Calendar, When};
use crate::model::{Span, Timestamp, Value};
use crate::workspace::Program;

use super::aggregates::{Instant, oldest};
use super::profile::Profile;
use super::turn::Turn;

/// The next instant after `profile.clock` at which a window ends or a run has waited long enough.
pub(super) fn next_wake(profile: &Profile, program: &Program) -> Option<Timestamp> {
    let after = profile.clock;
    let mut next: Option<Timestamp> = None;
    let mut consider = |at: Timestamp| {
        if at > after && at < Timestamp::MAX && next.is_none_or(|earliest| at < earliest) {
            next = Some(at);
        }
    };
    each_end(profile, program, after, |at, _| consider(at));
    for run in &profile.runs {
        // A run whose time has come already (a wait of nothing) is due at once.
        consider(run.wake.max(Timestamp(after.0 + 1)));
    }
    next
}

impl Turn<'_> {
    /// Marks the segments that time alone may have changed since the profile's clock, and lets go of what has left its
    /// window for good.
    pub(super) fn end_windows(&mut self) {
        let program = self.program;
        let mut touched = Vec::new();
        each_end(self.profile, program, self.profile.clock, |at, segments| {
            if at <= self.now {
                touched.extend_from_slice(segments);
            }
        });
        for segment in touched {
            self.dirty(segment);
        }
        self.let_go();
    }

    fn let_go(&mut self) {
        let (program, now) = (self.program, self.now);
        let calendar = self.profile.calendar(program);
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
                events.truncate(events.partition_point(|event| is_kept(event.moment.at)));
            }
        }
    }
}

/// For each thing that time alone can change: the first instant after `after` at which it may, and who reads it.
fn each_end<'a>(
    profile: &Profile,
    program: &'a Program,
    after: Timestamp,
    mut visit: impl FnMut(Timestamp, &'a [SegmentIndex]),
) {
    let calendar = profile.calendar(program);
    let readers = &program.rules.readers;
    for (key, moments) in &profile.trails {
        let Some(index) = readers.trail_of_key.get(key) else { continue };
        for (at_least, window) in &readers.windows_of_trail[index.at()] {
            if let Some(nth) = moments.get(at_least.saturating_sub(1) as usize) {
                let end = window.end(nth.at, calendar);
                if end > after {
                    visit(end, &readers.segments_of_trail[index.at()]);
                }
            }
        }
    }
    for (key, state) in &profile.aggregates {
        let Some(index) = readers.aggregate_of_key.get(key) else { continue };
        let Some(window) = program.rules.aggregates[index.at()].window else { continue };
        if let Some(end) = state.next_end(window, after, calendar) {
            visit(end, &readers.segments_of_aggregate[index.at()]);
        }
    }
    for key in profile.recalls.keys() {
        let Some(index) = readers.recall_of_key.get(key) else { continue };
        each_end_of_recall(profile, program, *index, calendar, after, |end| {
            visit(end, &readers.segments_of_recall[index.at()]);
        });
    }
    for (key, since) in &profile.held {
        let Some(index) = readers.hold_of_key.get(key) else { continue };
        for window in &readers.windows_of_hold[index.at()] {
            let end = window.end(*since, calendar);
            if end > after {
                visit(end, &readers.segments_of_hold[index.at()]);
            }
        }
    }
    each_border_of_dates(profile, program, calendar, after, visit);
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
