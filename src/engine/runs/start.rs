//! What starts a run: an event, a segment entry, a schedule, a deploy.

use crate::journey::graph::{Backfill, Enter, Existing, Journey, ReEntry};
use crate::lang::rules::{Condition, SegmentIndex};
use crate::model::limit::RUNS_AT_ONCE;
use crate::model::platform_event::JOURNEY_STARTED;
use crate::model::value::ValueMap;
use crate::model::{Moment, RunId, SortedMap, Timestamp, Value};

use crate::engine::profile::{GoalWatch, Run};
use crate::engine::transition::{Cause, Fact};
use crate::engine::turn::{Happening, Turn};

/// Why a run would start: the moment that counts as its entry, and the event behind it.
struct Occasion<'a> {
    moment: Moment,
    key: String,
    properties: Option<&'a ValueMap>,
}

impl Occasion<'_> {
    /// A run that begins by it and stands nowhere yet.
    fn run(&self, id: RunId, journey: &Journey) -> Run {
        Run {
            id,
            journey: journey.name.clone(),
            key: self.key.clone(),
            entered: self.moment,
            entry: self.properties.cloned().unwrap_or_default(),
            step: String::new(),
            reached: self.moment,
            wake: Timestamp::MAX,
            visits: SortedMap::new(),
            arms: SortedMap::new(),
        }
    }
}

impl Turn<'_> {
    /// Starts the journeys that enter by this happening.
    pub(in crate::engine) fn start_by(&mut self, happening: &Happening<'_>) {
        let program = self.program;
        for journey in &program.journeys {
            match (&journey.enter, happening.segment) {
                (Enter::Segment(segment), Some(change)) if change.entered && change.segment == *segment => {
                    self.start_by_segment(journey, *segment);
                }
                (Enter::Event { name, filter, key }, _)
                    if *name == happening.name && self.passes(filter.as_ref(), &happening.properties) =>
                {
                    self.start_by_event(journey, key.as_deref(), happening);
                }
                _ => {}
            }
        }
    }

    fn start_by_event(&mut self, journey: &Journey, key: Option<&str>, happening: &Happening<'_>) {
        let key = match key {
            None => String::new(),
            // An event without the key's property belongs to no run that could be told apart.
            Some(property) => match key_of(&happening.properties, property) {
                Some(key) => key,
                None => return,
            },
        };
        let properties = Some(&*happening.properties);
        self.start(journey, &Occasion { moment: happening.moment, key, properties });
    }

    fn start_by_segment(&mut self, journey: &Journey, segment: SegmentIndex) {
        // A deploy or a merge shows who is in; it is nothing that the customer did. See also `existing`.
        let is_news = match self.cause {
            Cause::Deploy => journey.backfill == Backfill::Trigger,
            Cause::Merge | Cause::Erasure => false,
            _ => true,
        };
        let still_in = self.profile.memberships.contains_key(&self.program.rules.segments[segment.at()].name);
        if is_news && still_in {
            // The age of the entry is the age of what caused it; a window that ends is never late.
            self.start(journey, &Occasion { moment: self.moment, key: String::new(), properties: None });
        }
    }

    /// The schedule of this journey came up.
    pub(in crate::engine) fn start_by_schedule(&mut self, name: &str) {
        let program = self.program;
        let Some(journey) = program.journey(name) else { return };
        let Enter::Schedule { to, .. } = &journey.enter else { return };
        if self.passes(to.as_ref(), &ValueMap::new()) {
            let moment = Moment { at: self.now, offset: self.moment.offset };
            self.start(journey, &Occasion { moment, key: String::new(), properties: None });
        }
    }

    /// After a deploy: journeys that take in who is in their segment already, once.
    pub(in crate::engine) fn start_existing(&mut self) {
        let program = self.program;
        for journey in &program.journeys {
            let Enter::Segment(segment) = journey.enter else { continue };
            let is_in = self.profile.memberships.contains_key(&program.rules.segments[segment.at()].name);
            let was_started = self.profile.starts.contains_key(&journey.name);
            if journey.existing == Existing::Enter && is_in && !was_started {
                let moment = Moment { at: self.now, offset: self.moment.offset };
                self.start(journey, &Occasion { moment, key: String::new(), properties: None });
            }
        }
    }

    fn start(&mut self, journey: &Journey, occasion: &Occasion<'_>) {
        if !self.may_start(journey, occasion) || !self.may_go_on() {
            return;
        }
        if self.profile.runs.iter().filter(|run| run.journey == journey.name).count() >= RUNS_AT_ONCE {
            self.out.facts.push(Fact::Saturated { what: format!("runs of {} at once", journey.name), at: self.now });
            return;
        }
        let by_key = self.profile.starts.or_default(journey.name.clone());
        let started = by_key.or_default(occasion.key.clone());
        started.times += 1;
        started.last = self.now;
        let id = RunId::new(self.profile.id, &journey.name, &occasion.key, started.times);
        let run = occasion.run(id, journey);
        self.out.facts.push(Fact::RunStarted {
            run: run.id,
            journey: run.journey.clone(),
            key: run.key.clone(),
            at: self.now,
        });
        if let Some(goal) = &journey.goal {
            self.profile.goals.push(GoalWatch {
                run: run.id,
                journey: run.journey.clone(),
                entered: run.entered,
                until: goal.within.map(|within| run.entered.at + within),
            });
        }
        self.dirty_readers_of_journey(&journey.name);
        self.happen_here(JOURNEY_STARTED, &[("journey", &run.journey), ("run_id", &run.id.to_string())]);
        self.advance(run, journey, journey.first);
    }

    fn may_start(&self, journey: &Journey, occasion: &Occasion<'_>) -> bool {
        let age = self.now.0.saturating_sub(occasion.moment.at.0);
        if journey.ignore_older_than.is_some_and(|limit| age > limit.0) {
            return false;
        }
        let is_same = |run: &Run| run.journey == journey.name && run.key == occasion.key;
        if self.profile.runs.iter().any(is_same) {
            return false;
        }
        let before = self.profile.starts.get(&journey.name).and_then(|by_key| by_key.get(&occasion.key));
        let may_again = match (journey.re_entry, before) {
            (_, None) | (ReEntry::Always, _) => true,
            (ReEntry::Never, Some(_)) => false,
            (ReEntry::After(span), Some(started)) => self.now >= started.last + span,
        };
        may_again && journey.when.as_ref().is_none_or(|when| self.entry_holds(when, journey, occasion))
    }

    /// `when` of a journey may name `entry.x`, so it is asked as if the run had begun.
    fn entry_holds(&self, when: &Condition, journey: &Journey, occasion: &Occasion<'_>) -> bool {
        self.run_holds(when, &occasion.run(RunId(0), journey), occasion.properties)
    }
}

/// The key of a run as a text; missing or structured values give none.
fn key_of(properties: &ValueMap, property: &str) -> Option<String> {
    match Value::lookup(properties, property)? {
        Value::Null | Value::List(_) | Value::Map(_) => None,
        value => Some(value.to_string()),
    }
}
