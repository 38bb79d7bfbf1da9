//! Reports count what happened, on both databases.

use std::collections::BTreeMap;

use tidewater::analytics::{
    EventCount, JourneyReport, Outcomes, SegmentDay, StepReport, activity_report, delivery_report, journey_report,
    segment_report,
};
use tidewater::engine::transition::{Cause, MembershipChange, Origin};
use tidewater::engine::{Effect, EffectBody, Fact, StepOutcome};
use tidewater::model::value::ValueMap;
use tidewater::model::{
    EffectId, Entry, EntryBody, Event, EventKind, Offset, ProfileId, RunId, Span, Target, Timestamp, Value,
};
use tidewater::store::journal::Append;
use tidewater::store::outbox::{OutboxStatus, OutboxUpdate};
use tidewater::store::state::ShardCommit;

use crate::databases::{TestDatabase, on_both_databases};

on_both_databases!(
    a_journey_is_counted_by_runs_and_effects,
    a_segment_is_counted_by_days,
    events_are_counted_by_name_and_people,
);

const JOURNEY: &str = "welcome";

fn commit(offset: u64) -> ShardCommit {
    ShardCommit::empty(ProfileId(1).shard(), Offset(offset))
}

fn entry(profile: u128, offset: u64, name: &str, happened_at: i64, properties: &[(&str, &str)]) -> (ProfileId, Entry) {
    let event = Event {
        message_id: format!("m{offset}"),
        kind: EventKind::Track,
        name: name.to_owned(),
        source: "shop".to_owned(),
        timestamp: Timestamp(happened_at),
        user_id: None,
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        properties: properties.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect(),
        traits: ValueMap::new(),
        context: ValueMap::new(),
    };
    let target = Target::Profile(ProfileId(profile));
    let received_at = Timestamp(happened_at);
    (ProfileId(profile), Entry { offset: Offset(offset), received_at, target, body: EntryBody::Event(event) })
}

fn effect(run: u128, step: &str) -> Effect {
    Effect {
        id: EffectId::of_step(RunId(run), step, 1),
        profile: ProfileId(run),
        destination: "email".to_owned(),
        origin: Some(Origin { journey: JOURNEY.to_owned(), run: RunId(run), step: step.to_owned() }),
        consent: None,
        decided_at: Timestamp(10),
        expires_at: None,
        body: EffectBody::Email {
            to: "ada@example.com".to_owned(),
            template: "t".to_owned(),
            subject: "s".to_owned(),
            variables: ValueMap::new(),
        },
    }
}

fn started(run: u128) -> (ProfileId, Fact) {
    let key = String::new();
    (ProfileId(run), Fact::RunStarted { run: RunId(run), journey: JOURNEY.to_owned(), key, at: Timestamp(10) })
}

fn step(run: u128, step: &str, at: i64, outcome: StepOutcome) -> (ProfileId, Fact) {
    let (journey, step) = (JOURNEY.to_owned(), step.to_owned());
    (ProfileId(run), Fact::Step { run: RunId(run), journey, step, at: Timestamp(at), outcome })
}

fn ended(run: u128, at: i64, reason: &str) -> (ProfileId, Fact) {
    let (journey, reason) = (JOURNEY.to_owned(), reason.to_owned());
    (ProfileId(run), Fact::RunEnded { run: RunId(run), journey, at: Timestamp(at), reason })
}

/// The second run's mail.
fn clicked(journey: &str, at: i64) -> (ProfileId, Fact) {
    let (run, effect) = (RunId(2).to_string(), effect(2, "hello").id.to_string());
    let (journey, step) = (journey.to_owned(), "hello".to_owned());
    (ProfileId(2), Fact::Clicked { run, journey, step, effect, at: Timestamp(at) })
}

fn counts<const N: usize>(pairs: [(&str, i64); N]) -> BTreeMap<String, i64> {
    pairs.into_iter().map(|(name, number)| (name.to_owned(), number)).collect()
}

/// A wait, a mail, a branch. Runs: 1 waits still; 2 got the mail, clicked twice, reached the goal and is over;
/// 3 got it and nobody knows; 4 had no consent; 5 left while it waited.
fn facts() -> Vec<(ProfileId, Fact)> {
    let mut facts: Vec<_> = (1..=5).map(started).collect();
    facts.extend((1..=5).map(|run| step(run, "pause", 10, StepOutcome::Waiting(Timestamp(20)))));
    facts.extend((2..=4).map(|run| step(run, "pause", 20, StepOutcome::TimeUp)));
    facts.extend((2..=3).map(|run| step(run, "hello", 20, StepOutcome::Decided(effect(run, "hello").id))));
    facts.push(step(4, "hello", 20, StepOutcome::Skipped("no_consent".to_owned())));
    facts.extend(
        (2..=4).map(|run| step(run, "fork", 20, StepOutcome::Took(if run == 2 { "0" } else { "else" }.to_owned()))),
    );
    facts.push(step(3, "answer", 20, StepOutcome::Waiting(Timestamp(90))));
    facts.push((ProfileId(2), Fact::GoalReached { run: RunId(2), journey: JOURNEY.to_owned(), at: Timestamp(30) }));
    facts.extend([ended(2, 30, "completed"), ended(4, 20, "completed"), ended(5, 15, "left_segment")]);
    facts
}

async fn a_journey_is_counted_by_runs_and_effects(database: TestDatabase) {
    let store = database.open().await;
    let empty = JourneyReport { journey: JOURNEY.to_owned(), ..JourneyReport::default() };
    assert_eq!(journey_report(&store, JOURNEY).await.unwrap(), empty);

    let mut facts = facts();
    facts.extend([clicked(JOURNEY, 25), clicked(JOURNEY, 26), clicked("other", 27)]);
    let mirrored = Effect { id: EffectId(99), origin: None, destination: "meta".to_owned(), ..effect(9, "none") };
    let effects = vec![effect(2, "hello"), effect(3, "hello"), mirrored];
    store.commit(&[ShardCommit { facts, effects, ..commit(1) }]).await.unwrap();
    let settled = |run, status| OutboxUpdate {
        effect: effect(run, "hello").id,
        status,
        not_before: None,
        detail: None,
        at: Timestamp(30),
    };
    let outbox = vec![settled(2, OutboxStatus::Sent), settled(3, OutboxStatus::Unknown)];
    store.append(&Append { outbox, ..Append::default() }).await.unwrap();

    let outcomes = Outcomes { sent: 1, unknown: 1, ..Outcomes::default() };
    let at = |step: &str, reached| StepReport { step: step.to_owned(), reached, ..StepReport::default() };
    let wanted = JourneyReport {
        journey: JOURNEY.to_owned(),
        entered: 5,
        waiting: 2,
        outcomes,
        clicked: 1,
        goal_reached: 1,
        exited: counts([("completed", 2), ("left_segment", 1)]),
        steps: vec![
            StepReport { waiting: 1, ..at("pause", 5) },
            StepReport { waiting: 1, ..at("answer", 1) },
            StepReport { took: counts([("0", 1), ("else", 2)]), ..at("fork", 3) },
            StepReport {
                channel: Some("email".to_owned()),
                outcomes,
                clicked: 1,
                skipped: counts([("no_consent", 1)]),
                ..at("hello", 3)
            },
        ],
    };
    assert_eq!(journey_report(&store, JOURNEY).await.unwrap(), wanted);
    let deliveries = delivery_report(&store).await.unwrap();
    let deliveries: Vec<_> = deliveries.iter().map(|one| (one.destination.as_str(), one.outcomes)).collect();
    assert_eq!(deliveries, [("email", outcomes), ("meta", Outcomes { queued: 1, ..Outcomes::default() })]);
}

async fn a_segment_is_counted_by_days(database: TestDatabase) {
    let store = database.open().await;
    let day = |number: i64| Timestamp(number * Span::DAY.0);
    let change = |profile, entered, at| {
        let change = MembershipChange { segment: "vip".to_owned(), entered, at, cause: Cause::Event };
        (ProfileId(profile), change)
    };
    let memberships = vec![
        change(1, true, day(3)),
        change(2, true, Timestamp(day(4).0 - 1)),
        change(1, false, day(4)),
        change(1, true, day(7)),
    ];
    store.commit(&[ShardCommit { memberships, ..commit(1) }]).await.unwrap();
    let report = segment_report(&store, "vip").await.unwrap();
    assert_eq!((report.members, report.entered, report.exited), (2, 3, 1));
    let wanted = [
        SegmentDay { day: day(3), entered: 2, exited: 0, members: 2 },
        SegmentDay { day: day(4), entered: 0, exited: 1, members: 1 },
        SegmentDay { day: day(7), entered: 1, exited: 0, members: 2 },
    ];
    assert_eq!(report.days, wanted);
    let nobody = segment_report(&store, "nobody").await.unwrap();
    assert_eq!((nobody.members, nobody.days.len()), (0, 0));
}

async fn events_are_counted_by_name_and_people(database: TestDatabase) {
    let store = database.open().await;
    let history = vec![
        entry(1, 1, "Order Completed", 10, &[]),
        entry(1, 2, "Product Viewed", 20, &[]),
        entry(1, 3, "Product Viewed", 35, &[]),
        entry(2, 4, "Product Viewed", 30, &[]),
        entry(2, 5, "Order Completed", 40, &[]),
    ];
    store.commit(&[ShardCommit { history, ..commit(1) }]).await.unwrap();
    let count = |name: &str, events, profiles, last| EventCount {
        name: name.to_owned(),
        events,
        profiles,
        last: Timestamp(last),
    };
    let all = activity_report(&store, Timestamp(0), Timestamp(100)).await.unwrap();
    assert_eq!(all, [count("Product Viewed", 3, 2, 35), count("Order Completed", 2, 2, 40)]);
    let some = activity_report(&store, Timestamp(20), Timestamp(40)).await.unwrap();
    assert_eq!(some, [count("Product Viewed", 3, 2, 35)]);
}
