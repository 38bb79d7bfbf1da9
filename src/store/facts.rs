//! Facts of journeys: runs and what happened at their steps.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use crate::engine::{Fact, StepOutcome};

use super::StoreError;
use super::bulk::{Bulk, Conflict, row};
use super::entity::journey_run;
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

/// The outcome of a step whose message was clicked; its detail is the effect.
pub const CLICKED: &str = "clicked";

/// Writes all facts: starts first, so that ends and goals find their run.
pub(super) async fn write(transaction: &DatabaseTransaction, commits: &[ShardCommit]) -> Result<(), StoreError> {
    let facts: Vec<_> = commits.iter().flat_map(|commit| &commit.facts).collect();
    let (mut runs, mut steps) = (Vec::new(), Vec::new());
    for (profile, fact) in &facts {
        match fact {
            Fact::RunStarted { run, journey, key, at } => {
                runs.push(row![run.to_string(), profile.to_string(), journey.as_str(), key.as_str(), at.0]);
            }
            Fact::Step { run, journey, step, at, outcome } => {
                let (word, detail) = outcome_words(outcome);
                steps.push(row![run.to_string(), step.as_str(), at.0, word, journey.as_str(), detail]);
            }
            Fact::Clicked { run, journey, step, effect, at } => {
                steps.push(row![run.as_str(), step.as_str(), at.0, CLICKED, journey.as_str(), effect.as_str()]);
            }
            Fact::RunEnded { .. } | Fact::GoalReached { .. } => {}
            Fact::PlanBreach { event, reason, .. } => tracing::info!(event, reason, "an event broke the tracking plan"),
            Fact::Saturated { what, .. } => tracing::warn!(what, "a bound was met; what lies beyond it is not counted"),
        }
    }
    RUNS.write(transaction, runs).await?;
    STEPS.write(transaction, steps).await?;
    for (_, fact) in &facts {
        match fact {
            Fact::RunEnded { run, at, reason, .. } => {
                journey_run::Entity::update_many()
                    .col_expr(journey_run::Column::EndedAt, Expr::value(at.0))
                    .col_expr(journey_run::Column::Reason, Expr::value(reason.as_str()))
                    .filter(journey_run::Column::Run.eq(run.to_string()))
                    .exec(transaction)
                    .await?;
            }
            Fact::GoalReached { run, at, .. } => {
                journey_run::Entity::update_many()
                    .col_expr(journey_run::Column::GoalAt, Expr::value(at.0))
                    .filter(journey_run::Column::Run.eq(run.to_string()))
                    .exec(transaction)
                    .await?;
            }
            _ => {}
        }
    }
    Ok(())
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
