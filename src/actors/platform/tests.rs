//! What needs a look inside: an entry that the engine cannot apply, and a full platform.

mod erased;
mod waiting;

use super::super::board::{Amount, WAITING_LIMIT};
use super::super::memory::MemoryReading;
use super::*;
use crate::actors::Placement;
use crate::engine::{Engine, Profile, Sound, Transition};
use crate::intake::{Again, Intake, Mend};
use crate::model::value::ValueMap;
use crate::model::{ConsentKey, ConsentSource, ConsentState, Entry, EntryBody, EventKind, Skipped, Span, Target};
use crate::store::journal::Append;
use crate::workspace::compile;

const RULES: &str = "event \"Trip The Engine\" { order_id: text }\nevent \"Order Completed\" { order_id: text }\n\
                     compute orders = count of \"Order Completed\"\nsegment buyer = did \"Order Completed\"\n";

/// The name of an event on which the engine of these tests panics: the only way to see what becomes of a fault that we
/// do not know yet.
const TRIPPING: &str = "Trip The Engine";
/// Likewise, whose wakes.
const SLEEPLESS: &str = "zoe";

/// An engine with faults.
#[derive(Debug)]
struct Tripping;

impl Engine for Tripping {
    fn apply(&self, profile: &mut Profile, program: &Program, entry: &Entry) -> Transition {
        assert!(!matches!(&entry.body, EntryBody::Event(event) if event.name == TRIPPING), "the engine tripped");
        Sound.apply(profile, program, entry)
    }

    fn fire(&self, profile: &mut Profile, program: &Program, up_to: Timestamp) -> Transition {
        let is_due = profile.wake().is_some_and(|wake| wake <= up_to);
        assert!(!is_due || profile.id() != ProfileId::from_identifier("user_id", SLEEPLESS), "the engine fell asleep");
        Sound.fire(profile, program, up_to)
    }
}

/// A platform, and the database that it stands on.
struct Running {
    platform: Platform,
    store: crate::store::Database,
}

impl std::ops::Deref for Running {
    type Target = Platform;

    fn deref(&self) -> &Platform {
        &self.platform
    }
}

async fn start(dir: &std::path::Path) -> Running {
    start_with(dir, RULES, Clock::system()).await
}

async fn start_with(dir: &std::path::Path, rules: &str, clock: Clock) -> Running {
    let store = crate::store::Database::open(&format!("sqlite://{}/tidewater.db", dir.display())).await.unwrap();
    start_on(store, rules, clock, Arc::new(Tripping)).await
}

fn compiled(memory: &str, rules: &str) -> (Arc<Program>, Arc<Config>) {
    let files = vec![
        ("tidewater.yaml".to_owned(), format!("memory: {memory}\nsources:\n  shop: test-write-key\n")),
        ("rules/shop.tide".to_owned(), rules.to_owned()),
    ];
    let loaded = compile(files, &|_| None);
    assert!(!loaded.has_errors(), "{:#?}", loaded.findings);
    (loaded.program.unwrap(), Arc::new(loaded.config.unwrap()))
}

async fn start_on(store: crate::store::Database, rules: &str, clock: Clock, engine: Arc<dyn Engine>) -> Running {
    start_allowed(store, "1 GB", rules, clock, engine).await
}

async fn start_allowed(
    store: crate::store::Database,
    memory: &str,
    rules: &str,
    clock: Clock,
    engine: Arc<dyn Engine>,
) -> Running {
    let (program, config) = compiled(memory, rules);
    let (backing, placement) = (store.clone().into(), Placement::Threads);
    let waiting_limit = WAITING_LIMIT;
    let with = StartWith { program, config, backing, clock, placement, engine, waiting_limit };
    Running { platform: Platform::start(with).await.unwrap(), store }
}

fn event(id: &str, name: &str, user: &str) -> Event {
    Event {
        message_id: id.to_owned(),
        kind: EventKind::Track,
        name: name.to_owned(),
        source: "shop".to_owned(),
        timestamp: Timestamp::MAX,
        user_id: Some(user.to_owned()),
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        properties: ValueMap::new(),
        traits: ValueMap::new(),
        context: ValueMap::new(),
    }
}

#[actix_rt::test]
async fn an_entry_that_cannot_be_applied_goes_to_quarantine_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let platform = start(dir.path()).await;
    let order = |id: &str, user: &str| event(id, "Order Completed", user);
    let events = vec![order("m1", "ada"), event("m2", TRIPPING, "ada"), order("m3", "ada"), order("m4", "bob")];
    platform.ingest(events, Vec::new()).await.unwrap();
    platform.settle().await;
    let refused = platform.store.quarantine(10).await.unwrap();
    let codes: Vec<_> = refused.iter().map(|(_, row)| (row.code.as_str(), row.payload.contains("m2"))).collect();
    assert_eq!(codes, [("poison", true)]);
    for (id, count) in [("m1", 1), ("m2", 0), ("m3", 1), ("m4", 1)] {
        let counts = platform.store.message_counts().await.unwrap();
        assert_eq!(counts.iter().find(|(message, _)| message == id).map_or(0, |(_, count)| *count), count, "{id}");
    }
    // The customer is alive, and the entry stays left out after a restart.
    platform.ingest(vec![order("m5", "ada")], Vec::new()).await.unwrap();
    platform.settle().await;
    platform.abort().await;
    let platform = start(dir.path()).await;
    platform.settle().await;
    assert_eq!(platform.store.quarantine(10).await.unwrap().len(), 1);
    assert_eq!(platform.store.message_counts().await.unwrap().len(), 4);
    platform.stop().await;
}

/// What the journal tells to have been passed over, by whom.
fn skips_of(journal: &[Entry]) -> Vec<(Target, Skipped)> {
    let skip = |entry: &Entry| match entry.body {
        EntryBody::Skip(skipped) => Some((entry.target, skipped)),
        _ => None,
    };
    journal.iter().filter_map(skip).collect()
}

async fn states_of(platform: &Running, profiles: &[ProfileId]) -> BTreeMap<ProfileId, Vec<u8>> {
    let saved = platform.store.load_profiles(profiles).await.unwrap();
    saved.into_iter().map(|saved| (saved.id, saved.snapshot)).collect()
}

#[actix_rt::test]
async fn what_was_passed_over_is_passed_over_by_a_mended_engine_too() {
    let rules = format!("{RULES}segment fresh = did \"Order Completed\" in last 1 hour\n");
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let begin = Timestamp::parse("2026-03-01T09:30:00Z").unwrap();
    let clock = Clock::virtual_from(begin);
    let platform = start_with(dir.path(), &rules, clock.clone()).await;
    let order = |id: &str, user: &str| event(id, "Order Completed", user);
    let first = vec![order("m1", "ada"), event("m2", TRIPPING, "ada"), order("m3", SLEEPLESS), order("m4", "bob")];
    platform.ingest(first, Vec::new()).await.unwrap();
    // The very first that is known of someone.
    platform.ingest(vec![event("m5", TRIPPING, "eve")], Vec::new()).await.unwrap();
    platform.settle().await;
    clock.advance(Span::HOUR.times(2));
    platform.settle().await;
    let fresh = platform.store.segment_members("fresh", None, 10).await.unwrap();
    let [ada, zoe, bob, eve] = ["ada", SLEEPLESS, "bob", "eve"].map(|name| ProfileId::from_identifier("user_id", name));
    let fresh: Vec<_> = fresh.into_iter().map(|member| member.profile).collect();
    assert_eq!(fresh, [zoe], "nobody looked at what the end of her hour changes");
    platform.ingest(vec![order("m6", "ada"), order("m7", SLEEPLESS), order("m8", "eve")], Vec::new()).await.unwrap();
    platform.settle().await;
    let lived = states_of(&platform, &[ada, zoe, bob, eve]).await;
    let journal = platform.store.read_journal(Offset(0), 1_000).await.unwrap();
    let trips = journal.iter().filter(|entry| matches!(&entry.body, EntryBody::Event(event) if event.name == TRIPPING));
    let trips: Vec<Offset> = trips.map(|entry| entry.offset).collect();
    let told = skips_of(&journal);
    let [first, second] = trips[..] else { panic!("{trips:?}") };
    assert!(told.contains(&(Target::Profile(ada), Skipped::Entry(first))), "{told:?}");
    assert!(told.contains(&(Target::Profile(eve), Skipped::Entry(second))), "{told:?}");
    let end_of_hour = begin + Span::HOUR;
    let is_hers = |(target, skipped): &&(Target, Skipped)| {
        *target == Target::Profile(zoe) && matches!(skipped, Skipped::Wake(at) if *at >= end_of_hour)
    };
    assert_eq!((told.iter().filter(is_hers).count(), told.len()), (1, 3), "{told:?}");
    let (version, sources) = platform.store.active_program().await.unwrap().unwrap();
    platform.stop().await;

    // Another database knows no more than the journal, and its engine trips over nothing.
    let store = crate::store::Database::open(&format!("sqlite://{}/copy.db", copy.path().display())).await.unwrap();
    store.save_program(&version, &sources).await.unwrap();
    for entries in journal.chunk_by(|one, next| one.received_at == next.received_at) {
        store.append(&Append { entries: entries.to_vec(), ..Append::default() }).await.unwrap();
    }
    let platform = start_on(store, &rules, clock, Arc::new(Sound)).await;
    platform.settle().await;
    let replayed = states_of(&platform, &[ada, zoe, bob, eve]).await;
    assert_eq!((lived.len(), lived), (4, replayed), "to the byte");
    assert!(platform.store.quarantine(10).await.unwrap().is_empty(), "nothing failed this time");
    platform.stop().await;
}

/// Tries again all that the engine failed on.
async fn again(platform: &Running) {
    let intake = Intake::new(platform.program());
    let mut retry = Retry::default();
    for (id, row) in platform.store.quarantine(10).await.unwrap() {
        let Again::Entry(profile, body) = intake.again(&id, &row, &Mend::default()) else { panic!("{row:?}") };
        retry.entries.push((profile, body));
        retry.rows.taken.push(id);
    }
    platform.retry(retry).await.unwrap();
    platform.settle().await;
}

#[actix_rt::test]
async fn what_was_passed_over_comes_as_a_new_entry_when_it_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let platform = start(dir.path()).await;
    let order = |id: &str| event(id, "Order Completed", "ada");
    platform.ingest(vec![order("m1"), event("m2", TRIPPING, "ada"), order("m3")], Vec::new()).await.unwrap();
    platform.settle().await;
    // The engine fails on it again: it is set aside again, under its new place.
    let [(first, _)] = &platform.store.quarantine(10).await.unwrap()[..] else { panic!("one was set aside") };
    again(&platform).await;
    let [(second, _)] = &platform.store.quarantine(10).await.unwrap()[..] else { panic!("one is set aside") };
    assert_ne!(first, second);
    platform.stop().await;

    let store = crate::store::Database::open(&format!("sqlite://{}/tidewater.db", dir.path().display())).await.unwrap();
    let platform = start_on(store, RULES, Clock::system(), Arc::new(Sound)).await;
    again(&platform).await;
    assert!(platform.store.quarantine(10).await.unwrap().is_empty());
    let counts: BTreeMap<String, i64> = platform.store.message_counts().await.unwrap().into_iter().collect();
    assert_eq!(counts, ["m1", "m2", "m3"].map(|id| (id.to_owned(), 1)).into());
    // What was passed over before stays passed over.
    let ada = ProfileId::from_identifier("user_id", "ada");
    let told = skips_of(&platform.store.read_journal(Offset(0), 1_000).await.unwrap());
    assert_eq!(told.iter().filter(|(target, _)| *target == Target::Profile(ada)).count(), 2, "{told:?}");
    platform.stop().await;
}

/// A word on one topic by a message's link, or by another way.
fn word(id: u32, by: ConsentSource, state: ConsentState) -> ConsentChange {
    let key = ConsentKey::Topic { topic: "newsletter".to_owned(), channel: "email".to_owned() };
    let message = [("effect_id".to_owned(), "e1".into())].into();
    ConsentChange { id: format!("w{id}"), key, state, by, at: Timestamp(0), note: None, message }
}

#[actix_rt::test]
async fn a_full_platform_asks_sources_to_come_back_and_still_takes_what_it_says_itself() {
    let dir = tempfile::tempdir().unwrap();
    let platform = start(dir.path()).await;
    let board = platform.inner.board.clone();
    board.sent_to_shard(Amount::of(WAITING_LIMIT));
    let refused = platform.ingest(vec![event("m1", "Order Completed", "ada")], Vec::new()).await;
    assert_eq!(refused, Err(Refused::Busy { retry_after: RETRY_AFTER }));
    let ada = ProfileId::from_identifier("user_id", "ada");
    let mut left = event("m2", crate::model::platform_event::UNSUBSCRIBED, "ada");
    left.kind = EventKind::Platform;
    left.properties.insert("topic".to_owned(), "newsletter".into());
    assert_eq!(platform.record(ada, left.clone()).await, Err(Refused::Busy { retry_after: RETRY_AFTER }));
    assert_eq!(platform.reading().let_go, 1, "a click is let go, and counted");
    // A withdrawal is taken however full it is. The same by the same link is nothing, until something else was said.
    let entries = async || platform.store.journal_head().await.unwrap().offset.0;
    let before = entries().await;
    for id in 0..3 {
        platform.consent(ada, word(id, ConsentSource::Link, ConsentState::Withdrawn)).await.unwrap();
        assert_eq!(entries().await, before + 1, "{id}");
    }
    platform.consent(ada, word(3, ConsentSource::Api, ConsentState::Given)).await.unwrap();
    platform.consent(ada, word(4, ConsentSource::Link, ConsentState::Withdrawn)).await.unwrap();
    assert_eq!(entries().await, before + 3);
    board.done_by_shard(Amount::of(WAITING_LIMIT));
    assert!(platform.record(ada, left).await.is_ok());
    platform.consent(ada, word(5, ConsentSource::Link, ConsentState::Withdrawn)).await.unwrap();
    assert_eq!(entries().await, before + 5, "an event said something in between");
    board.sent_to_shard(Amount::of(WAITING_LIMIT));
    board.done_by_shard(Amount::of(WAITING_LIMIT));
    assert!(platform.ingest(vec![event("m1", "Order Completed", "ada")], Vec::new()).await.is_ok());
    platform.stop().await;
}

#[actix_rt::test]
async fn what_is_held_stays_near_what_memory_allows_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = crate::store::Database::open(&format!("sqlite://{}/tidewater.db", dir.path().display())).await.unwrap();
    let platform = start_allowed(store, "3 MB", RULES, Clock::system(), Arc::new(Sound)).await;
    let held = || {
        let MemoryReading { customers, unsaved, saving, waiting, .. } = platform.inner.board.memory.read();
        (customers + unsaved + saving + waiting, unsaved + saving + waiting)
    };
    let (mut most, mut sent) = (0, 0);
    for batch in 0..40 {
        let order = |number: u32| {
            let mut order =
                event(&format!("{batch}-{number}"), "Order Completed", &format!("user-{}", number * 7 + batch));
            order.properties.insert("order_id".to_owned(), "o".repeat(6_000).into());
            order
        };
        let orders: Vec<Event> = (0..50).map(order).collect();
        sent += Weight::held(&orders);
        while let Err(refused) = platform.ingest(orders.clone(), Vec::new()).await {
            assert_eq!(refused, Refused::Busy { retry_after: RETRY_AFTER });
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        most = most.max(held().0);
    }
    assert!(sent > 4 * 3_000_000 && most < 4_000_000, "of {sent} bytes {most} were held at once");
    platform.settle().await;
    let (all, under_way) = held();
    assert_eq!(under_way, 0, "what is done is not counted any more");
    assert!(all > 0 && all < 3 << 20, "{all}");
    let counts = platform.store.message_counts().await.unwrap();
    assert_eq!((counts.len(), counts.iter().all(|(_, count)| *count == 1)), (2_000, true), "each counts once");
    platform.stop().await;
}

#[actix_rt::test]
async fn a_rank_is_worked_out_over_everyone_and_stands_until_the_next_time() {
    let dir = tempfile::tempdir().unwrap();
    let rules = format!("{RULES}segment top = orders in top 10% of segment buyer refreshed hourly\n");
    let clock = Clock::virtual_from(Timestamp::parse("2026-03-01T09:30:00Z").unwrap());
    let platform = start_with(dir.path(), &rules, clock.clone()).await;
    let top = async |platform: &Running| {
        let members = platform.store.segment_members("top", None, 100).await.unwrap();
        members.into_iter().map(|member| member.profile).collect::<Vec<_>>()
    };
    let orders = |who: u32, count: u32, batch: &str| {
        let id = |n| format!("{batch}-{who}-{n}");
        (0..count).map(|n| event(&id(n), "Order Completed", &format!("user-{who}"))).collect::<Vec<_>>()
    };
    // The first time is at once, over nobody.
    platform.settle().await;
    for who in 1..=10 {
        platform.ingest(orders(who, who, "a"), Vec::new()).await.unwrap();
    }
    platform.settle().await;
    assert_eq!(top(&platform).await, [], "nobody has a rank before the next full hour");
    clock.set(Timestamp::parse("2026-03-01T10:00:01Z").unwrap());
    platform.settle().await;
    let best = ProfileId::from_identifier("user_id", "user-10");
    assert_eq!(top(&platform).await, [best]);
    // Someone orders more: that counts from the next time on.
    platform.ingest(orders(1, 20, "b"), Vec::new()).await.unwrap();
    platform.settle().await;
    assert_eq!(top(&platform).await, [best]);
    clock.set(Timestamp::parse("2026-03-01T11:00:01Z").unwrap());
    platform.settle().await;
    assert_eq!(top(&platform).await, [ProfileId::from_identifier("user_id", "user-1")]);
    platform.stop().await;
}
