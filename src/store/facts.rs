//! Facts of journeys: runs and what happened at their steps.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};
use serde_json::json;

use crate::engine::{Fact, StepOutcome};

use super::StoreError;
use super::bulk::{Bulk, Conflict, Kind};
use super::entity::journey_run;
use super::state::ShardCommit;

const RUNS: Bulk = Bulk {
    table: "journey_run",
    columns: &[
        ("run", Kind::Text),
        ("profile", Kind::Text),
        ("journey", Kind::Text),
        ("run_key", Kind::Text),
        ("started_at", Kind::Int),
    ],
    conflict: Conflict::Ignore,
};
const STEPS: Bulk = Bulk {
    table: "journey_step",
    columns: &[
        ("run", Kind::Text),
        ("step", Kind::Text),
        ("at", Kind::Int),
        ("outcome", Kind::Text),
        ("journey", Kind::Text),
        ("detail", Kind::Text),
    ],
    conflict: Conflict::Ignore,
};

/// Writes all facts: starts first, so that ends and goals find their run.
pub(super) async fn write(transaction: &DatabaseTransaction, commits: &[ShardCommit]) -> Result<(), StoreError> {
    let facts: Vec<_> = commits.iter().flat_map(|commit| &commit.facts).collect();
    let (mut runs, mut steps) = (Vec::new(), Vec::new());
    for (profile, fact) in &facts {
        match fact {
            Fact::RunStarted { run, journey, key, at } => {
                runs.push(json!([run.to_string(), profile.to_string(), journey, key, at.0]));
            }
            Fact::Step { run, journey, step, at, outcome } => {
                let (word, detail) = outcome_words(outcome);
                steps.push(json!([run.to_string(), step, at.0, word, journey, detail]));
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
