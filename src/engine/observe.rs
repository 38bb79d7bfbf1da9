//! Takes a happening into what is kept of the past, and says what it changed.

use std::collections::BTreeSet;

use crate::lang::eval::{Recalled, holds};
use crate::lang::rules::{AggregateIndex, Condition, Recall, RecallIndex, RecallKeep, Trail, TrailIndex, TrailKind};
use crate::lang::window::Calendar;
use crate::model::limit::{MOMENTS_KEPT, RECALLED_KEPT};
use crate::model::value::ValueMap;
use crate::model::{Moment, Value};

use super::aggregates::{AggregateState, Instant, Taken};
use super::ends::Source;
use super::transition::Fact;
use super::turn::{Happening, Turn};
use super::view::ProfileView;

impl Turn<'_> {
    /// Notes the happening wherever a rule reads events of its name, and marks the segments that it may have changed.
    /// `only`: keys of what is to be looked at; everything where it is `None`.
    pub(super) fn observe(&mut self, happening: &Happening<'_>, only: Option<&BTreeSet<u64>>) {
        let rules = &self.program.rules;
        let is_meant = |key: u64| only.is_none_or(|only| only.contains(&key));
        let readers = &self.program.rules.readers;
        let named = readers.of_event.get(happening.name);
        let any = happening.is_activity.then_some(&readers.of_any_activity);
        for keepers in named.into_iter().chain(any) {
            for index in keepers.trails.iter().filter(|index| is_meant(rules.trails[index.at()].key)) {
                self.follow(*index, happening);
            }
            for index in keepers.aggregates.iter().filter(|index| is_meant(rules.aggregates[index.at()].key)) {
                self.add_to_aggregate(*index, happening);
            }
            for index in keepers.recalls.iter().filter(|index| is_meant(rules.recalls[index.at()].key)) {
                self.recall(*index, happening);
            }
        }
    }

    fn matches(&self, filter: Option<&Condition>, properties: &ValueMap) -> bool {
        filter.is_none_or(|filter| {
            let view = ProfileView { properties: Some(properties), ..self.view() };
            holds(filter, &view)
        })
    }

    fn follow(&mut self, index: TrailIndex, happening: &Happening<'_>) {
        let program = self.program;
        let trail = &program.rules.trails[index.at()];
        if !self.matches(trail.filter.as_ref(), &happening.properties) {
            return;
        }
        let calendar = self.calendar;
        let moments = self.profile.trails.or_default(trail.key);
        self.profile.ends.touch(Source::Trail(index));
        if note_moment(trail, moments, happening.moment, calendar) {
            for segment in &program.rules.readers.segments_of_trail[index.at()] {
                self.dirty(*segment);
            }
        }
    }

    fn add_to_aggregate(&mut self, index: AggregateIndex, happening: &Happening<'_>) {
        let program = self.program;
        let aggregate = &program.rules.aggregates[index.at()];
        if !self.matches(aggregate.filter.as_ref(), &happening.properties) {
            return;
        }
        let at = Instant { now: self.now, calendar: self.calendar };
        let state = self.profile.aggregates.or_insert_with(aggregate.key, || AggregateState::empty(aggregate));
        let taken = state.take(aggregate, happening.moment, &happening.properties, at);
        if aggregate.window.is_some() {
            self.profile.ends.touch(Source::Aggregate(index));
        }
        if taken == Taken::Saturated {
            self.out.facts.push(Fact::Saturated { what: self.aggregate_name(index), at: self.now });
        }
        if taken != Taken::Nothing {
            for segment in &program.rules.readers.segments_of_aggregate[index.at()] {
                self.dirty(*segment);
            }
        }
    }

    /// The compute that an aggregate is part of, for people.
    pub(super) fn aggregate_name(&self, index: AggregateIndex) -> String {
        use crate::lang::rules::{Formula, Term};
        let is_part = |formula: &Formula| {
            let mut found = false;
            formula.walk(&mut |part| match part {
                Formula::Aggregate(part) => found |= *part == index,
                Formula::Score(terms) => {
                    found |= terms.iter().any(|term| matches!(term, Term::ForEach { count, .. } if *count == index));
                }
                _ => {}
            });
            found
        };
        let compute = self.program.rules.computes.iter().find(|compute| is_part(&compute.formula));
        compute.map_or_else(|| "a compute".to_owned(), |compute| compute.name.clone())
    }

    fn recall(&mut self, index: RecallIndex, happening: &Happening<'_>) {
        let program = self.program;
        let recall = &program.rules.recalls[index.at()];
        if !self.matches(recall.filter.as_ref(), &happening.properties) {
            return;
        }
        let calendar = self.calendar;
        if let RecallKeep::Window(window) = recall.keep
            && !window.holds(happening.moment.at, self.now, calendar)
        {
            return;
        }
        let value = |path: &String| Value::lookup(&happening.properties, path).cloned().unwrap_or_default();
        let event = Recalled { moment: happening.moment, values: recall.paths.iter().map(value).collect() };
        self.profile.ends.touch(Source::Recall(index));
        let kept = self.profile.recalls.or_default(recall.key);
        if note_event(recall, kept, event) {
            let what = match &recall.selector {
                crate::lang::rules::Selector::Named(name) => format!("`{name}` events"),
                crate::lang::rules::Selector::AnyActivity => "events".to_owned(),
            };
            self.out.facts.push(Fact::Saturated { what, at: self.now });
        }
        for segment in &program.rules.readers.segments_of_recall[index.at()] {
            self.dirty(*segment);
        }
    }
}

/// Notes a moment on a trail. False where it changes nothing.
pub(super) fn note_moment(trail: &Trail, moments: &mut Vec<Moment>, moment: Moment, calendar: Calendar) -> bool {
    let (from, until) = trail.dates;
    if from.is_some_and(|from| moment.at < from) || until.is_some_and(|until| moment.at >= until) {
        return false;
    }
    let keep = (trail.keep as usize).clamp(1, MOMENTS_KEPT);
    match trail.kind {
        TrailKind::Each => insert_newest_first(moments, moment, keep),
        TrailKind::Days => {
            let day = calendar.date(moment.at);
            let same = moments.iter().position(|kept| calendar.date(kept.at) == day);
            if let Some(same) = same {
                if moments[same] >= moment {
                    return false;
                }
                moments.remove(same);
            }
            insert_newest_first(moments, moment, keep)
        }
        TrailKind::First => {
            let is_first = moments.first().is_none_or(|first| moment < *first);
            if is_first {
                *moments = vec![moment];
            }
            is_first
        }
    }
}

/// Inserts a moment in its place and lets the oldest go beyond `keep`. False where it was itself let go.
fn insert_newest_first(moments: &mut Vec<Moment>, moment: Moment, keep: usize) -> bool {
    let position = moments.partition_point(|kept| *kept > moment);
    if position >= keep || moments.get(position) == Some(&moment) {
        return false;
    }
    moments.insert(position, moment);
    moments.truncate(keep);
    true
}

/// Keeps an event in its place. True where more was kept than may be, and the oldest was let go.
pub(super) fn note_event(recall: &Recall, kept: &mut Vec<Recalled>, event: Recalled) -> bool {
    let position = kept.partition_point(|other| other.moment > event.moment);
    if kept.get(position).is_some_and(|same| same.moment == event.moment) {
        return false;
    }
    kept.insert(position, event);
    match recall.keep {
        RecallKeep::Newest => kept.truncate(1),
        RecallKeep::Oldest => drop(kept.drain(..kept.len() - 1)),
        RecallKeep::All | RecallKeep::Window(_) => {
            let is_cut = kept.len() > RECALLED_KEPT;
            kept.truncate(RECALLED_KEPT);
            return is_cut;
        }
    }
    false
}
