//! Facts of journeys: runs and what happened at their steps.

use std::collections::BTreeMap;

use sea_orm::DatabaseTransaction;

use crate::engine::{Fact, StepOutcome};
use crate::model::{ProfileId, RunId};

use super::StoreError;
use super::bulk::{Bulk, Conflict, Renewal, Row, row};
use super::state::ShardCommit;

const RUNS: Bulk = Bulk {
    table: "journey_run",
    columns: &["run", "profile", "journey", "run_key", "started_at"],
    conflict: Conflict::Ignore,
};
const STEPS: Bulk = Bulk {
    table: "journey_step",
    columns: &["run", "step", "at", "outcome", "journey", "detail"],
    conflict: Conflict::Ignore,
};

const ENDS: Renewal = Renewal {
    table: "journey_run",
    key: &["run"],
    columns: &["run", "ended_at", "reason"],
    set: "ended_at = news.ended_at, reason = news.reason",
    unless: "FALSE",
};
const GOALS: Renewal = Renewal {
    table: "journey_run",
    key: &["run"],
    columns: &["run", "goal_at"],
    set: "goal_at = news.goal_at",
    unless: "FALSE",
};

/// The outcome of a step whose message was clicked; its detail is the effect.
pub const CLICKED: &str = "clicked";

/// What commits tell of journeys. Starts are written first, so that ends and goals find their run.
#[derive(Debug, Default)]
pub(super) struct Rows {
    runs: Vec<Row>,
    steps: Vec<Row>,
    /// By run: a statement must not meet one key twice.
    ends: BTreeMap<RunId, Row>,
    goals: BTreeMap<RunId, Row>,
}

impl Rows {
    pub(super) fn of(commits: &[ShardCommit]) -> Self {
        let mut rows = Self::default();
        commits.iter().flat_map(|commit| &commit.facts).for_each(|(profile, fact)| rows.add(*profile, fact));
        rows
    }

    fn add(&mut self, profile: ProfileId, fact: &Fact) {
        match fact {
            Fact::RunStarted { run, journey, key, at } => {
                self.runs.push(row![run.to_string(), profile.to_string(), journey.as_str(), key.as_str(), at.0]);
            }
            Fact::Step { run, journey, step, at, outcome } => {
                let (word, detail) = outcome_words(outcome);
                self.steps.push(row![run.to_string(), step.as_str(), at.0, word, journey.as_str(), detail]);
            }
            Fact::Clicked { run, journey, step, effect, at } => {
                self.steps.push(row![run.as_str(), step.as_str(), at.0, CLICKED, journey.as_str(), effect.as_str()]);
            }
            Fact::RunEnded { run, at, reason, .. } => {
                self.ends.insert(*run, row![run.to_string(), at.0, reason.as_str()]);
            }
            Fact::GoalReached { run, at, .. } => {
                self.goals.insert(*run, row![run.to_string(), at.0]);
            }
            Fact::PlanBreach { event, reason, .. } => tracing::info!(event, reason, "an event broke the tracking plan"),
            Fact::Saturated { what, .. } => tracing::warn!(what, "a bound was met; what lies beyond it is not counted"),
        }
    }

    pub(super) async fn write(self, transaction: &DatabaseTransaction) -> Result<(), StoreError> {
        RUNS.write(transaction, self.runs).await?;
        STEPS.write(transaction, self.steps).await?;
        ENDS.write(transaction, self.ends.into_values().collect()).await?;
        Ok(GOALS.write(transaction, self.goals.into_values().collect()).await?)
    }
}

fn outcome_words(outcome: &StepOutcome) -> (&'static str, Option<String>) {
    match outcome {
        StepOutcome::Waiting(until) => ("waiting", Some(until.to_string())),
        StepOutcome::TimeUp => ("time_up", None),
        StepOutcome::Met => ("met", None),
        StepOutcome::Took(arm) => ("took", Some(arm.clone())),
        StepOutcome::Decided(effect) => ("decided", Some(effect.to_string())),
        StepOutcome::Skipped(reason) => ("skipped", Some(reason.clone())),
        StepOutcome::Updated => ("updated", None),
    }
}
