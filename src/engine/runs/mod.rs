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
        let view =
            ProfileView { profile: self.profile, program: self.program, now: self.now, properties, run: Some(run) };
        holds(condition, &view)
    }

    /// Whether an event's properties pass a filter.
    fn passes(&self, filter: Option<&Condition>, properties: &ValueMap) -> bool {
        filter.is_none_or(|filter| {
            let view = ProfileView {
                profile: self.profile,
                program: self.program,
                now: self.now,
                properties: Some(properties),
                run: None,
            };
            holds(filter, &view)
        })
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
