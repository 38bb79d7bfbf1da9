//! A storm of merges: hundreds of visitors turn out to be one person, and hundreds of names are said to be one another's
//! along a chain and round a circle, while others go on with what they do.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidewater::actors::{Clock, Placement, Platform, StartWith, WAITING_LIMIT};
use tidewater::engine::Sound;
use tidewater::model::{Event, EventKind, Timestamp};
use tidewater::store::Database;
use tidewater::store::outbox::OutboxStatus;

use crate::crash::replay_agrees;
use crate::shop;

/// Visitors who log in as one user.
const STAR: usize = 700;
/// Names, each of which is said to be another name of the next: users stay who they are.
const CHAIN: usize = 300;
const OTHERS: usize = 20;
/// Events of each of the others, spread over the storm.
const ORDERS: usize = 10;

fn alias(id: &str, user: &str, previous: &str) -> Event {
    let mut event = shop::track(id, "Alias", Some(user), None, &[]);
    (event.kind, event.previous_id) = (EventKind::Alias, Some(previous.to_owned()));
    event
}

/// All events of the storm, in the order in which they come.
fn storm() -> Vec<Event> {
    let order = |id: String, user: Option<&str>, visitor: Option<&str>| {
        shop::track(&format!("m-{id}"), "Order Completed", user, visitor, &[("order_id", &id)])
    };
    let name = |n: usize| format!("name-{}", n % CHAIN);
    let mut events: Vec<Event> = Vec::new();
    for n in 0..STAR {
        events.push(order(format!("star-{n}"), None, Some(&format!("visitor-{n}"))));
    }
    for n in 0..CHAIN {
        events.push(order(format!("chain-{n}"), None, Some(&name(n))));
    }
    for n in 0..STAR {
        events.push(shop::track(&format!("m-join-{n}"), "Signed Up", Some("ada"), Some(&format!("visitor-{n}")), &[]));
        if n < CHAIN {
            events.push(alias(&format!("m-link-{n}"), &name(n + 1), &name(n)));
        }
        // Once more round the circle, by other messages.
        if n >= STAR - 20 {
            events.push(alias(&format!("m-again-{n}"), &name(n), &name(n + 1)));
        }
    }
    // The others' events come in between.
    let every = events.len() / ORDERS;
    let mut mixed = Vec::new();
    for (place, event) in events.into_iter().enumerate() {
        if place % every == 0 && place / every < ORDERS {
            let orders = (0..OTHERS).map(|n| {
                let user = format!("other-{n}");
                order(format!("{user}-{}", place / every), Some(&user), None)
            });
            mixed.extend(orders);
        }
        mixed.push(event);
    }
    mixed
}

#[actix_rt::test]
async fn hundreds_of_visitors_become_one_and_nobody_else_notices() {
    let folder = tempfile::tempdir().unwrap();
    let (program, config) = shop::compiled(shop::files("http://127.0.0.1:9/"));
    let store = Database::open(&format!("sqlite://{}/t.db", folder.path().display())).await.unwrap();
    let with = StartWith {
        program: program.clone(),
        config,
        backing: store.clone().into(),
        clock: Clock::virtual_from(Timestamp::parse("2026-03-02T12:00:00Z").unwrap()),
        placement: Placement::Threads,
        engine: Arc::new(Sound),
        waiting_limit: WAITING_LIMIT,
    };
    // Nothing is carried out: the outbox tells what was decided.
    let platform = Platform::start_with(with, BTreeMap::new()).await.unwrap();
    let events = storm();
    let sent = events.len();
    for batch in events.chunks(100) {
        platform.ingest(batch.to_vec(), Vec::new()).await.unwrap();
    }
    platform.settle().await;
    platform.stop().await;

    let counts = store.message_counts().await.unwrap();
    let ours: BTreeMap<&str, i64> =
        counts.iter().filter(|(id, _)| id.starts_with("m-")).map(|(id, times)| (id.as_str(), *times)).collect();
    assert!(ours.len() == sent && ours.values().all(|times| *times == 1), "{} of {sent} count", ours.len());
    let orders = store.outbox(Some(OutboxStatus::Ready), 100_000).await.unwrap();
    assert_eq!(orders.len(), STAR + CHAIN + OTHERS * ORDERS, "every order is told once");
    let merged = replay_agrees(&store, &[(program.version.clone(), program)].into()).await;
    // The first of them was given the name.
    assert_eq!(merged, STAR - 1, "names that users have are not joined");
    let profile = async |kind: &str, value: &str| {
        let identifier = tidewater::store::identity::Identifier { kind: kind.to_owned(), value: value.to_owned() };
        store.find_profiles(std::slice::from_ref(&identifier)).await.unwrap()[&identifier]
    };
    let ada = profile("user_id", "ada").await;
    for n in 0..STAR {
        assert_eq!(profile("anonymous_id", &format!("visitor-{n}")).await, ada);
    }
    for n in 0..OTHERS {
        let history = store.profile_history(profile("user_id", &format!("other-{n}")).await, 100).await.unwrap();
        let mut ids: Vec<String> = history.into_iter().map(|item| item.event.message_id).collect();
        // The newest is first.
        ids.reverse();
        assert_eq!(ids, (0..ORDERS).map(|at| format!("m-other-{n}-{at}")).collect::<Vec<_>>(), "in their order");
    }
}
