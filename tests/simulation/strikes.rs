//! A fault at every call of the store, one after the other: the process dies before it or after it, it fails, or it says
//! that it failed and took place. And the process dies at every call of its recovery.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::{Value, json};
use tidewater::actors::WAITING_LIMIT;
use tidewater::model::{ConsentKey, EntryBody, Span, Timestamp};

use super::check;
use super::faults::TRIPPING;
use super::run::{Life, Outcome, Play, play};

use super::script::{Hand, Step, Verb};
use super::store::{CALM, Fault, Weather};

/// A call after which there is much to recover: people, effects on their way, a merge half done.
const MIDDLE: usize = 60;

/// One of everything that the platform does: people who become one, a consent given and withdrawn, runs that wait, a
/// deploy that needs the past, a schedule.
fn script() -> Vec<Step> {
    let mut number = 0;
    let mut say = |at: &str, who: Value, what: Value| {
        let mut event = who;
        event.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        event["messageId"] = json!(format!("m{number}"));
        event["timestamp"] = json!(at);
        number += 1;
        event
    };
    let user = |name: &str| json!({"userId": name});
    let device = |name: &str| json!({"anonymousId": name});
    let track = |event: &str, properties: Value| json!({"type": "track", "event": event, "properties": properties});
    let topic = json!({"topic": "newsletter", "channel": "email"});
    let ads = json!({"purpose": "ads"});
    let order = |id: &str, revenue: u32| track("Order Completed", json!({"order_id": id, "revenue": revenue}));
    let added = || track("Product Added", json!({"product_id": "p1"}));
    let email = json!({"type": "identify", "traits": {"email": "ada@example.com", "plan": "pro"}});
    let joined = json!({"userId": "ada", "anonymousId": "d1"});
    let early = "2026-03-01T08:00:00Z";
    let arrivals = vec![
        say(early, user("ada"), email),
        say(early, user("ada"), track("Subscribed", topic.clone())),
        say(early, user("ada"), track("Consent Given", ads.clone())),
        say(early, user("ada"), track("Signed Up", json!({}))),
        say(early, device("d1"), added()),
    ];
    let orders = vec![say(early, user("bob"), order("o1", 120)), say(early, device("d1"), order("o2", 90))];
    let two_hours = Span::HOUR.times(2);
    let later = "2026-03-01T10:00:00Z";
    let merge = vec![say(later, joined, added()), say(later, user("bob"), order("o3", 50))];
    let monday = "2026-03-02T10:00:00Z";
    let left = vec![
        say(monday, user("ada"), track("Unsubscribed", topic)),
        say(monday, user("ada"), track("Consent Withdrawn", ads)),
        say(monday, user("ada"), order("o4", 300)),
    ];
    let back = say(monday, user("bob"), order("o6", 10));
    let mut tripping = say(later, user("ada"), order("o5", 10));
    tripping["messageId"] = json!(format!("{TRIPPING}1"));
    let again = vec![orders[0].clone(), merge[0].clone(), tripping];
    vec![
        Step::Send(vec![arrivals, orders]),
        Step::Wait(two_hours, Duration::ZERO),
        Step::Send(vec![merge]),
        Step::Wait(two_hours, Duration::ZERO),
        Step::Deploy(1, vec![again]),
        Step::Wait(Span::DAY, Duration::ZERO),
        Step::Send(vec![left]),
        Step::Withdraw("ada", ConsentKey::Everything),
        Step::Hand(Hand { verb: Verb::Retry, destination: "crm" }),
        Step::Hand(Hand { verb: Verb::Drop, destination: "ads" }),
        Step::Erase("bob", false),
        Step::Send(vec![vec![back]]),
        Step::Wait(two_hours, Duration::ZERO),
        Step::Erase("ada", true),
    ]
}

fn plan() -> Play {
    let start = Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
    Play { seed: 1, memory: 1 << 30, waiting_limit: WAITING_LIMIT, is_faulty: true, start, script: script() }
}

/// Plays the script with one strike in each of the first lives.
fn with(strikes: &[(usize, Fault)]) -> Outcome {
    play(&plan(), |lives| {
        let strike = strikes.get(lives).copied();
        // What was deployed stays in force when somebody starts it again.
        Life { first: usize::from(lives > 0), weather: Weather { strike, ..CALM } }
    })
}

/// Strikes `fault` at every call of the life after `before`. Returns how many calls there were.
fn at_every_call(before: &[(usize, Fault)], fault: Fault) {
    let strikes = |number: usize| [before, &[(number, fault)]].concat();
    let (mut number, mut lives) = (0, 0);
    loop {
        let struck = strikes(number);
        let run = catch_unwind(AssertUnwindSafe(|| {
            let outcome = with(&struck);
            check::check(&outcome);
            (outcome.lives, outcome.struck)
        }));
        let Ok((lived, hits)) = run else { panic!("these strikes, one a life, were not survived: {struck:?}") };
        if hits < struck.len() {
            break;
        }
        (number, lives) = (number + 1, lives + lived);
    }
    println!("{fault:?} after {before:?}: at each of {number} calls to the store, {lives} lives");
    assert!(number > 100, "the script is long enough to show something");
}

#[test]
fn the_script_has_something_of_everything() {
    let outcome = with(&[]);
    check::check(&outcome);
    assert_eq!((outcome.lives, outcome.struck), (1, 0));
    assert_eq!((outcome.told.withdrawn.len(), outcome.told.erased.len()), (3, 2));
    assert!(outcome.durable.forgotten.len() > 5, "the first bob, and ada, leave nothing");
    assert!(!outcome.durable.history.is_empty(), "the new bob has an order");
    // Without the erasures, what they took is there.
    let mut lasting = plan();
    lasting.script.retain(|step| !matches!(step, Step::Erase(..)));
    let lasting = play(&lasting, |_| Life { first: 0, weather: CALM });
    let kinds: BTreeSet<&str> = lasting.durable.outbox.values().map(|item| item.effect.body.kind()).collect();
    assert_eq!(kinds, BTreeSet::from(["audience_sync", "email", "webhook"]));
    let bodies = || lasting.durable.journal.iter().map(|entry| &entry.body);
    assert_eq!(bodies().filter(|body| matches!(body, EntryBody::Deploy(_))).count(), 2, "the second needs the past");
    assert!(bodies().any(|body| matches!(body, EntryBody::Absorb { .. })), "two became one");
    assert!(bodies().any(|body| matches!(body, EntryBody::ScheduleFired { .. })), "Monday came");
    assert_eq!(bodies().filter(|body| matches!(body, EntryBody::Skip(_))).count(), 1, "something was passed over");
}

#[test]
fn it_may_die_before_any_call() {
    at_every_call(&[], Fault::DiesBefore);
}

#[test]
fn it_may_die_after_any_call() {
    at_every_call(&[], Fault::DiesAfter);
}

#[test]
fn any_call_may_fail() {
    at_every_call(&[], Fault::Fails);
}

#[test]
fn any_call_may_fail_and_take_place() {
    at_every_call(&[], Fault::Lies);
}

#[test]
fn it_may_die_in_the_middle_and_then_after_any_call_of_its_recovery() {
    at_every_call(&[(MIDDLE, Fault::DiesAfter)], Fault::DiesAfter);
}
