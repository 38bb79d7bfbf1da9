//! Moves a run from step to step until it waits or ends.

use chrono::Days;

use crate::journey::graph::{Journey, Next, SplitArm, StepKind, Until, Wait};
use crate::lang::window::Calendar;
use crate::model::id::hash_parts;
use crate::model::limit::STEPS_WITHOUT_WAIT;
use crate::model::{Moment, Span, Timestamp};

use crate::engine::profile::Run;
use crate::engine::transition::StepOutcome;
use crate::engine::turn::Turn;

impl Turn<'_> {
    /// Goes on from `next`. The run is put back among the profile's runs where it waits.
    pub(super) fn advance(&mut self, mut run: Run, journey: &Journey, mut next: Next) {
        for _ in 0..STEPS_WITHOUT_WAIT {
            if let Some(reason) = self.leaves(&run, journey) {
                return self.end(run, reason);
            }
            let Some(index) = next else { return self.end(run, "completed") };
            let step = &journey.steps[index];
            let visit = run.visits.or_default(step.id.clone());
            *visit += 1;
            let visit = *visit;
            next = match &step.kind {
                StepKind::Exit => return self.end(run, "exit_step"),
                StepKind::Wait { wait, .. } => {
                    let until = wait_end(wait, self.now, self.calendar);
                    return self.stay(run, &step.id, until);
                }
                StepKind::WaitUntil { until, up_to, then, .. } => {
                    if !self.met_already(until, &run) {
                        return self.stay(run, &step.id, self.now + *up_to);
                    }
                    self.step_fact(&run, &step.id, StepOutcome::Met);
                    *then
                }
                StepKind::Branch { arms, otherwise } => {
                    let taken = arms.iter().position(|(condition, _)| self.run_holds(condition, &run, None));
                    let name = taken.map_or_else(|| "else".to_owned(), |arm| arm.to_string());
                    self.step_fact(&run, &step.id, StepOutcome::Took(name));
                    taken.map_or(*otherwise, |arm| arms[arm].1)
                }
                StepKind::RandomSplit { arms } => {
                    let arm = draw(arms, run.id.0, &step.id);
                    run.arms.insert(step.id.clone(), arm.name.clone());
                    self.step_fact(&run, &step.id, StepOutcome::Took(arm.name.clone()));
                    arm.first
                }
                StepKind::Email { email, next } => {
                    let outcome = self.decide_email(&run, &step.id, visit, email);
                    self.step_fact(&run, &step.id, outcome);
                    *next
                }
                StepKind::Webhook { webhook, next } => {
                    let outcome = self.decide_webhook(&run, &step.id, visit, webhook);
                    self.step_fact(&run, &step.id, outcome);
                    *next
                }
                StepKind::AudienceSync { audience, add, next } => {
                    let outcome = self.decide_audience(&run, &step.id, *audience, *add);
                    self.step_fact(&run, &step.id, outcome);
                    *next
                }
                StepKind::UpdateProfile { updates, next } => {
                    for (index, value) in updates {
                        self.set_declared(*index, value);
                    }
                    self.settle_segments();
                    self.step_fact(&run, &step.id, StepOutcome::Updated);
                    *next
                }
            };
        }
        self.end(run, "too_many_steps");
    }

    fn stay(&mut self, mut run: Run, step: &str, until: Timestamp) {
        step.clone_into(&mut run.step);
        run.reached = Moment { at: self.now, offset: self.moment.offset };
        run.wake = until;
        self.step_fact(&run, step, StepOutcome::Waiting(until));
        self.profile.runs.push(run);
    }

    /// A state (a segment, a rule) may hold when the step is reached; an event must come after.
    fn met_already(&self, until: &Until, run: &Run) -> bool {
        match until {
            Until::Segment(segment) => {
                self.profile.memberships.contains_key(&self.program.rules.segments[segment.at()].name)
            }
            Until::When(condition) => self.run_holds(condition, run, None),
            Until::Event { .. } | Until::Clicked(_) => false,
        }
    }
}

/// The arm that chance gives this run at this step: a hash, so that a replay draws the same.
fn draw<'a>(arms: &'a [SplitArm], run: u128, step: &str) -> &'a SplitArm {
    let mut point = (hash_parts("split", &[&run.to_be_bytes(), step.as_bytes()]) % 10_000) as u32;
    for arm in arms {
        if point < arm.share {
            return arm;
        }
        point -= arm.share;
    }
    // Shares add up to 10,000 (checked when the journey was read), so the last arm is never passed.
    &arms[arms.len() - 1]
}

/// When a wait that begins `now` is over.
fn wait_end(wait: &Wait, now: Timestamp, calendar: Calendar) -> Timestamp {
    match wait {
        Wait::For(span) => now + *span,
        Wait::Calendar { days, at_minute } => {
            let today = calendar.date(now);
            let clock = chrono::NaiveTime::from_num_seconds_from_midnight_opt(at_minute.min(&1439) * 60, 0);
            let mut day = today.checked_add_days(Days::new(u64::from(*days))).unwrap_or(today);
            for _ in 0..2 {
                let end = calendar.instant(day.and_time(clock.unwrap_or_default()));
                if end > now {
                    return end;
                }
                day = day.succ_opt().unwrap_or(day);
            }
            now + Span::DAY
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(days: u32, at: u32, now: &str) -> String {
        let calendar = Calendar { zone: chrono_tz::Europe::Berlin, week_starts: 0 };
        let wait = Wait::Calendar { days, at_minute: at };
        wait_end(&wait, Timestamp::parse(now).unwrap(), calendar).to_string()
    }

    #[test]
    fn calendar_waits_end_at_the_time_on_the_wall() {
        assert_eq!(calendar(1, 600, "2026-01-01T12:00:00Z"), "2026-01-02T09:00:00Z");
        assert_eq!(calendar(0, 600, "2026-01-01T08:00:00Z"), "2026-01-01T09:00:00Z");
        assert_eq!(calendar(0, 600, "2026-01-01T12:00:00Z"), "2026-01-02T09:00:00Z");
        // 02:30 does not exist on 29 March 2026 in Berlin: the first valid instant is 03:00 there.
        assert_eq!(calendar(1, 150, "2026-03-28T12:00:00Z"), "2026-03-29T01:00:00Z");
    }

    #[test]
    fn chance_gives_each_arm_its_share() {
        let arm = |name: &str, share| SplitArm { name: name.to_owned(), share, first: None };
        let arms = [arm("a", 2_500), arm("b", 7_500)];
        let a = (0..10_000_u128).filter(|run| draw(&arms, *run, "s").name == "a").count();
        assert!((2_300..2_700).contains(&a), "{a}");
    }
}
