//! Looks at the runs that wait: does their journey end them, has what they wait for come, is their time up?

use crate::journey::graph::{Enter, Journey, Next, StepKind, Until};
use crate::model::platform_event::{EMAIL_CLICKED, JOURNEY_GOAL_REACHED};

use crate::engine::profile::Run;
use crate::engine::transition::{Cause, Fact, StepOutcome};
use crate::engine::turn::{Happening, Turn};

use super::journey_of;

/// What becomes of a run that waits.
enum Verdict {
    Stays,
    Ends(&'static str),
    /// It goes on, and this is what happened at the step.
    GoesOn(StepOutcome, Next),
}

/// Whether something happened after the run came to its step: by its own time, or because it came to us after, as in a
/// batch that was collected before it was sent. What happened before the run began never counts.
fn is_after(happening: &Happening<'_>, run: &Run) -> bool {
    let came_after = happening.moment.offset > run.reached.offset && happening.moment > run.entered;
    came_after || happening.moment > run.reached
}

impl Turn<'_> {
    /// Looks at each run that waited before this happening, in the order in which they began to wait.
    pub(in crate::engine) fn look_at_runs(&mut self, happening: Option<&Happening<'_>>) {
        // Mostly all of them stay.
        let goes_on = |run: &Run| {
            let verdict = journey_of(self.program, run).map(|journey| self.verdict(run, journey, happening));
            !matches!(verdict, Some(Verdict::Stays))
        };
        let Some(first) = self.profile.runs.iter().position(goes_on) else { return };
        // Runs that start to wait meanwhile are put behind these and are not looked at in this round.
        for run in self.profile.runs.split_off(first) {
            let program = self.program;
            let Some(journey) = journey_of(program, &run) else {
                self.end(run, "step_removed");
                continue;
            };
            match self.verdict(&run, journey, happening) {
                Verdict::Stays => self.profile.runs.push(run),
                Verdict::Ends(reason) => self.end(run, reason),
                Verdict::GoesOn(outcome, next) => {
                    let step = run.step.clone();
                    self.step_fact(&run, &step, outcome);
                    self.advance(run, journey, next);
                }
            }
        }
    }

    /// Why the journey's `exit` ends the run now, if it does.
    pub(super) fn leaves(&self, run: &Run, journey: &Journey) -> Option<&'static str> {
        if journey.exit_when.as_ref().is_some_and(|exit| self.run_holds(exit, run, None)) {
            return Some("exit_rule");
        }
        let Enter::Segment(segment) = journey.enter else { return None };
        let name = &self.program.rules.segments[segment.at()].name;
        (journey.exit_on_leave && !self.profile.memberships.contains_key(name)).then_some("left_segment")
    }

    fn verdict(&self, run: &Run, journey: &Journey, happening: Option<&Happening<'_>>) -> Verdict {
        let Some(index) = journey.step_index(&run.step) else { return Verdict::Ends("step_removed") };
        if let Some(reason) = self.leaves(run, journey) {
            return Verdict::Ends(reason);
        }
        // A wait ends by a wake: an entry of the same instant comes first, and may end the run instead.
        let is_up = self.cause == Cause::Time && run.wake <= self.now;
        match &journey.steps[index].kind {
            StepKind::Wait { next, .. } if is_up => Verdict::GoesOn(StepOutcome::TimeUp, *next),
            StepKind::WaitUntil { until, then, timeout, .. } => {
                if self.is_met(until, run, journey, happening) {
                    Verdict::GoesOn(StepOutcome::Met, *then)
                } else if is_up {
                    Verdict::GoesOn(StepOutcome::TimeUp, *timeout)
                } else {
                    Verdict::Stays
                }
            }
            StepKind::Wait { .. } => Verdict::Stays,
            // An edit of the journey made the step another that does not wait: the run goes on from there.
            _ => Verdict::GoesOn(StepOutcome::TimeUp, Some(index)),
        }
    }

    fn is_met(&self, until: &Until, run: &Run, journey: &Journey, happening: Option<&Happening<'_>>) -> bool {
        match (until, happening) {
            (Until::Segment(segment), _) => {
                self.profile.memberships.contains_key(&self.program.rules.segments[segment.at()].name)
            }
            (Until::When(condition), _) => self.run_holds(condition, run, None),
            (Until::Event { name, filter }, Some(happening)) => {
                *name == happening.name
                    && is_after(happening, run)
                    && self.passes(filter.as_ref(), &happening.properties)
            }
            (Until::Clicked(step), Some(happening)) => {
                let is = |property: &str, wanted: &str| {
                    happening.properties.get(property).and_then(|value| value.as_text()) == Some(wanted)
                };
                happening.name == EMAIL_CLICKED
                    && is("run_id", &run.id.to_string())
                    && is("step", &journey.steps[*step].id)
            }
            (Until::Event { .. } | Until::Clicked(_), None) => false,
        }
    }

    /// Notes the goals that this happening reaches, and forgets those whose time is over.
    pub(in crate::engine) fn reach_goals(&mut self, happening: &Happening<'_>) {
        let program = self.program;
        let now = self.now;
        for watch in std::mem::take(&mut self.profile.goals) {
            let goal = program.journey(&watch.journey).and_then(|journey| journey.goal.as_ref());
            let Some(goal) = goal else { continue };
            let in_time = watch.until.is_none_or(|until| happening.moment.at <= until);
            let reached = goal.event == happening.name
                && happening.moment > watch.entered
                && in_time
                && self.passes(goal.filter.as_ref(), &happening.properties);
            if reached {
                let run = watch.run.to_string();
                self.out.facts.push(Fact::GoalReached { run: watch.run, journey: watch.journey.clone(), at: now });
                self.happen_here(JOURNEY_GOAL_REACHED, &[("journey", &watch.journey), ("run_id", &run)]);
            } else if watch.until.is_none_or(|until| until >= now) {
                self.profile.goals.push(watch);
            }
        }
    }
}
