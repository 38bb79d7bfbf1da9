//! How a journey fares: who entered, where they wait, what was sent, what came of it.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect};
use serde::Serialize;

use crate::model::Timestamp;
use crate::store::facts::CLICKED;
use crate::store::tables::{journey_run, journey_step, outbox};
use crate::store::{Database, StoreError};

use super::outcome::Outcomes;

/// A journey in numbers of runs, and of the effects that its steps decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JourneyReport {
    pub journey: String,
    /// Runs ever started.
    pub entered: i64,
    /// Runs under way: each waits at one step.
    pub waiting: i64,
    #[serde(flatten)]
    pub outcomes: Outcomes,
    /// Effects that were clicked at least once.
    pub clicked: i64,
    /// Runs whose goal was reached.
    pub goal_reached: i64,
    /// Runs that are over, by reason: `completed`, `exit_rule`, `left_segment`, …
    pub exited: BTreeMap<String, i64>,
    /// Steps that any run came to, in the order in which they were first reached.
    pub steps: Vec<StepReport>,
}

/// One step in numbers of runs, and of the effects that it decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StepReport {
    pub step: String,
    /// `email`, `webhook`, `audience_sync`; `None` for a step that sends nothing.
    pub channel: Option<String>,
    /// Runs that came here.
    pub reached: i64,
    /// Runs that wait here now.
    pub waiting: i64,
    #[serde(flatten)]
    pub outcomes: Outcomes,
    pub clicked: i64,
    /// Runs for which nothing was decided here, by reason: `no_consent`, `no_address`, …
    pub skipped: BTreeMap<String, i64>,
    /// Runs by the arm that they took at a branch or a split.
    pub took: BTreeMap<String, i64>,
}

/// The report of a journey; one that nobody entered has an empty report.
///
/// # Errors
/// The database failed.
pub async fn journey_report(store: &Database, journey: &str) -> Result<JourneyReport, StoreError> {
    let mut report = JourneyReport { journey: journey.to_owned(), ..JourneyReport::default() };
    count_runs(store, &mut report).await?;
    let mut steps = Steps::default();
    read_steps(store, journey, &mut steps).await?;
    read_waiting(store, journey, &mut steps).await?;
    read_effects(store, journey, &mut steps).await?;
    read_clicks(store, journey, &mut steps).await?;
    report.steps = steps.in_order();
    for step in &report.steps {
        report.outcomes.add_all(&step.outcomes);
        report.clicked += step.clicked;
    }
    Ok(report)
}

/// Steps by name, with the instant at which each was first reached.
#[derive(Default)]
struct Steps(BTreeMap<String, (Timestamp, StepReport)>);

impl Steps {
    fn at(&mut self, step: String) -> &mut StepReport {
        &mut self.known(step, Timestamp::MAX).1
    }

    fn known(&mut self, step: String, first: Timestamp) -> &mut (Timestamp, StepReport) {
        let report = || (Timestamp::MAX, StepReport { step: step.clone(), ..StepReport::default() });
        let known = self.0.entry(step.clone()).or_insert_with(report);
        known.0 = known.0.min(first);
        known
    }

    fn in_order(self) -> Vec<StepReport> {
        let mut steps: Vec<_> = self.0.into_values().collect();
        // A stable sort: steps first reached in one instant stay in order of name.
        steps.sort_by_key(|(first, _)| *first);
        steps.into_iter().map(|(_, step)| step).collect()
    }
}

async fn count_runs(store: &Database, report: &mut JourneyReport) -> Result<(), StoreError> {
    let rows: Vec<(Option<String>, i64, i64)> = journey_run::Entity::find()
        .select_only()
        .column(journey_run::Column::Reason)
        .column_as(journey_run::Column::Run.count(), "runs")
        // Counts the rows in which it is not null.
        .column_as(journey_run::Column::GoalAt.count(), "goals")
        .filter(journey_run::Column::Journey.eq(&report.journey))
        .group_by(journey_run::Column::Reason)
        .into_tuple()
        .all(&store.read)
        .await?;
    for (reason, runs, goals) in rows {
        report.entered += runs;
        report.goal_reached += goals;
        match reason {
            Some(reason) => {
                report.exited.insert(reason, runs);
            }
            None => report.waiting += runs,
        }
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct StepRow {
    step: String,
    first: i64,
    runs: i64,
}

#[derive(FromQueryResult)]
struct DetailRow {
    step: String,
    outcome: String,
    detail: Option<String>,
    runs: i64,
}

async fn read_steps(store: &Database, journey: &str, steps: &mut Steps) -> Result<(), StoreError> {
    let of_journey = journey_step::Entity::find()
        .filter(journey_step::Column::Journey.eq(journey))
        .filter(journey_step::Column::Outcome.ne(CLICKED))
        .select_only();
    let runs = Expr::col(journey_step::Column::Run).count_distinct();
    let reached = of_journey
        .clone()
        .column(journey_step::Column::Step)
        .column_as(journey_step::Column::At.min(), "first")
        .column_as(runs.clone(), "runs")
        .group_by(journey_step::Column::Step)
        .into_model::<StepRow>()
        .all(&store.read)
        .await?;
    for row in reached {
        steps.known(row.step, Timestamp(row.first)).1.reached = row.runs;
    }
    let arms_and_reasons = of_journey
        .columns([journey_step::Column::Step, journey_step::Column::Outcome, journey_step::Column::Detail])
        .column_as(runs, "runs")
        .filter(journey_step::Column::Outcome.is_in(["skipped", "took"]))
        .group_by(journey_step::Column::Step)
        .group_by(journey_step::Column::Outcome)
        .group_by(journey_step::Column::Detail)
        .into_model::<DetailRow>()
        .all(&store.read)
        .await?;
    for row in arms_and_reasons {
        let step = steps.at(row.step);
        let counts = if row.outcome == "took" { &mut step.took } else { &mut step.skipped };
        counts.insert(row.detail.unwrap_or_default(), row.runs);
    }
    Ok(())
}

/// A run waits at a step while it is not over and has not left the step since it came.
async fn read_waiting(store: &Database, journey: &str, steps: &mut Steps) -> Result<(), StoreError> {
    let (came, left, run) = (Alias::new("came"), Alias::new("gone"), Alias::new("run_of"));
    let of = |table: &Alias, column: journey_step::Column| Expr::col((table.clone(), column));
    let has_left: SelectStatement = Query::select()
        .expr(Expr::val(1))
        .from_as(journey_step::Entity, left.clone())
        .cond_where(
            Condition::all()
                .add(of(&left, journey_step::Column::Run).equals((came.clone(), journey_step::Column::Run)))
                .add(of(&left, journey_step::Column::Step).equals((came.clone(), journey_step::Column::Step)))
                .add(of(&left, journey_step::Column::Outcome).is_in(["met", "time_up"]))
                .add(of(&left, journey_step::Column::At).gte(of(&came, journey_step::Column::At))),
        )
        .to_owned();
    let waiting = Query::select()
        .expr_as(of(&came, journey_step::Column::Step), "step")
        .expr_as(of(&came, journey_step::Column::Run).count_distinct(), "runs")
        .from_as(journey_step::Entity, came.clone())
        .join_as(
            sea_orm::JoinType::InnerJoin,
            journey_run::Entity,
            run.clone(),
            of(&came, journey_step::Column::Run).equals((run.clone(), journey_run::Column::Run)),
        )
        .cond_where(
            Condition::all()
                .add(of(&came, journey_step::Column::Journey).eq(journey))
                .add(of(&came, journey_step::Column::Outcome).eq("waiting"))
                .add(Expr::col((run, journey_run::Column::EndedAt)).is_null())
                .add(Expr::exists(has_left).not()),
        )
        .group_by_col((came.clone(), journey_step::Column::Step))
        .to_owned();
    for row in store.read.query_all(&waiting).await? {
        steps.at(row.try_get("", "step")?).waiting = row.try_get("", "runs")?;
    }
    Ok(())
}

async fn read_effects(store: &Database, journey: &str, steps: &mut Steps) -> Result<(), StoreError> {
    let rows: Vec<(Option<String>, String, String, i64)> = outbox::Entity::find()
        .select_only()
        .columns([outbox::Column::Step, outbox::Column::Channel, outbox::Column::Status])
        .column_as(outbox::Column::Effect.count(), "effects")
        .filter(outbox::Column::Journey.eq(journey))
        .group_by(outbox::Column::Step)
        .group_by(outbox::Column::Channel)
        .group_by(outbox::Column::Status)
        .into_tuple()
        .all(&store.read)
        .await?;
    for (step, channel, status, effects) in rows {
        let step = steps.at(step.unwrap_or_default());
        step.outcomes.add(&status, effects);
        step.channel = Some(channel);
    }
    Ok(())
}

/// A mail that was clicked many times is clicked once.
async fn read_clicks(store: &Database, journey: &str, steps: &mut Steps) -> Result<(), StoreError> {
    let rows: Vec<(String, i64)> = journey_step::Entity::find()
        .select_only()
        .column(journey_step::Column::Step)
        .column_as(Expr::col(journey_step::Column::Detail).count_distinct(), "effects")
        .filter(journey_step::Column::Journey.eq(journey))
        .filter(journey_step::Column::Outcome.eq(CLICKED))
        .group_by(journey_step::Column::Step)
        .into_tuple()
        .all(&store.read)
        .await?;
    for (step, effects) in rows {
        steps.at(step).clicked = effects;
    }
    Ok(())
}
