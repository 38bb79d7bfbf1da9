//! Journey runs: how they start, move and end.

mod advance;
mod effects;
mod look;
mod start;

use crate::journey::Journey;
use crate::lang::eval::holds;
use crate::lang::rules::Condition;
use crate::model::platform_event::JOURNEY_EXITED;
use crate::model::value::ValueMap;
use crate::workspace::Program;

use super::profile::Run;
use super::transition::{Fact, StepOutcome};
use super::turn::Turn;
use super::view::ProfileView;

impl Turn<'_> {
    /// Whether a condition of a journey holds for this run, now.
    fn run_holds(&self, condition: &Condition, run: &Run, properties: Option<&ValueMap>) -> bool {
        holds(condition, &ProfileView { properties, run: Some(run), ..self.view() })
    }

    /// Whether an event's properties pass a filter.
    fn passes(&self, filter: Option<&Condition>, properties: &ValueMap) -> bool {
        filter.is_none_or(|filter| holds(filter, &ProfileView { properties: Some(properties), ..self.view() }))
    }

    /// A run of this journey began or ended: `in journey` may have changed.
    fn dirty_readers_of_journey(&mut self, journey: &str) {
        let program = self.program;
        for segment in program.rules.readers.segments_of_journey.get(journey).into_iter().flatten() {
            self.dirty(*segment);
            self.has_written = true;
        }
    }

    fn step_fact(&mut self, run: &Run, step: &str, outcome: StepOutcome) {
        self.out.facts.push(Fact::Step {
            run: run.id,
            journey: run.journey.clone(),
            step: step.to_owned(),
            at: self.now,
            outcome,
        });
    }

    /// The run is over; it is not among the profile's runs any more.
    fn end(&mut self, run: Run, reason: &str) {
        self.dirty_readers_of_journey(&run.journey);
        self.out.facts.push(Fact::RunEnded {
            run: run.id,
            journey: run.journey.clone(),
            at: self.now,
            reason: reason.to_owned(),
        });
        self.happen_here(
            JOURNEY_EXITED,
            &[("journey", &run.journey), ("run_id", &run.id.to_string()), ("reason", reason)],
        );
    }
}

/// The journey of a run, if the program still has it.
fn journey_of<'a>(program: &'a Program, run: &Run) -> Option<&'a Journey> {
    program.journey(&run.journey)
}
