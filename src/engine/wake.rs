//! When time alone changes something next.

use crate::model::Timestamp;
use crate::workspace::Program;

use super::observe::oldest_in_window;
use super::profile::{ComputeState, Profile};
use super::turn::Turn;

/// The next instant after `profile.clock` at which a window ends or a run has waited long enough.
pub(super) fn next_wake(profile: &Profile, program: &Program) -> Option<Timestamp> {
    let after = profile.clock;
    let mut next: Option<Timestamp> = None;
    let mut consider = |at: Timestamp| {
        if at > after && next.is_none_or(|earliest| at < earliest) {
            next = Some(at);
        }
    };
    let readers = &program.rules.readers;
    for (key, moments) in &profile.trails {
        let Some(index) = readers.trail_of_key.get(key) else { continue };
        for (at_least, span) in &readers.windows_of_trail[index.at()] {
            if let Some(nth) = moments.get(at_least.saturating_sub(1) as usize) {
                consider(nth.at + *span);
            }
        }
    }
    for (key, state) in &profile.computes {
        let Some(index) = readers.compute_of_key.get(key) else { continue };
        let Some(window) = program.rules.computes[index.at()].window else { continue };
        match state {
            ComputeState::Window(items) => {
                if let Some(at) = oldest_in_window(items, after, window) {
                    consider(at);
                }
            }
            ComputeState::Latest(moment, _) => consider(moment.at + window),
            ComputeState::Count(_) | ComputeState::Sum(_) => {}
        }
    }
    for run in &profile.runs {
        // A run whose time has come already (a wait of nothing) is due at once.
        consider(run.wake.max(Timestamp(after.0 + 1)));
    }
    next
}

impl Turn<'_> {
    /// Marks the segments that a window ending in `(profile.clock, now]` may have changed, and lets go of what has
    /// left its window for good.
    pub(super) fn end_windows(&mut self) {
        let (from, to) = (self.profile.clock, self.now);
        let program = self.program;
        let readers = &program.rules.readers;
        let mut touched = Vec::new();
        for (key, moments) in &self.profile.trails {
            let Some(index) = readers.trail_of_key.get(key) else { continue };
            let ends = |(at_least, span): &(u32, crate::model::Span)| {
                let nth = moments.get(at_least.saturating_sub(1) as usize);
                nth.is_some_and(|nth| nth.at + *span > from && nth.at + *span <= to)
            };
            if readers.windows_of_trail[index.at()].iter().any(ends) {
                touched.extend_from_slice(&readers.segments_of_trail[index.at()]);
            }
        }
        for (key, state) in &mut self.profile.computes {
            let Some(index) = readers.compute_of_key.get(key) else { continue };
            let Some(window) = program.rules.computes[index.at()].window else { continue };
            let changed = match state {
                ComputeState::Window(items) => {
                    let inside = items.partition_point(|(moment, _)| moment.at > to - window);
                    let left = inside < items.len();
                    items.truncate(inside);
                    left
                }
                ComputeState::Latest(moment, _) => moment.at + window > from && moment.at + window <= to,
                ComputeState::Count(_) | ComputeState::Sum(_) => false,
            };
            if changed {
                touched.extend_from_slice(&readers.segments_of_compute[index.at()]);
            }
        }
        for segment in touched {
            self.dirty(segment);
        }
    }
}
