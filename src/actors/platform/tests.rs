//! What needs a look inside: an entry that the engine cannot apply, and a full platform.

use super::*;
use crate::actors::customer::tests::TRIPPING;
use crate::model::EventKind;
use crate::model::value::ValueMap;
use crate::workspace::compile;

const RULES: &str = "event \"Trip The Engine\" { order_id: text }\nevent \"Order Completed\" { order_id: text }\n\
                     compute orders = count of \"Order Completed\"\nsegment buyer = did \"Order Completed\"\n";

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
    let files = vec![
        ("tidewater.yaml".to_owned(), "sources:\n  shop: test-write-key\n".to_owned()),
        ("rules/shop.tide".to_owned(), rules.to_owned()),
    ];
    let loaded = compile(files, &|_| None);
    assert!(!loaded.has_errors(), "{:#?}", loaded.findings);
    let store = crate::store::Database::open(&format!("sqlite://{}/tidewater.db", dir.display())).await.unwrap();
    let (program, config) = (loaded.program.unwrap(), Arc::new(loaded.config.unwrap()));
    let with = StartWith { program, config, backing: store.clone().into(), clock, placement: Placement::Threads };
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

#[actix_rt::test]
async fn a_full_platform_asks_sources_to_come_back_and_still_takes_what_it_says_itself() {
    let dir = tempfile::tempdir().unwrap();
    let platform = start(dir.path()).await;
    let board = platform.inner.board.clone();
    board.sent_to_shard(crate::actors::board::WAITING_LIMIT);
    let refused = platform.ingest(vec![event("m1", "Order Completed", "ada")], Vec::new()).await;
    assert_eq!(refused, Err(Refused::Busy { retry_after: RETRY_AFTER }));
    let ada = ProfileId::from_identifier("user_id", "ada");
    let mut left = event("m2", crate::model::platform_event::UNSUBSCRIBED, "ada");
    left.kind = EventKind::Platform;
    assert!(platform.record(ada, left).await.is_ok());
    board.done_by_shard(crate::actors::board::WAITING_LIMIT);
    assert!(platform.ingest(vec![event("m1", "Order Completed", "ada")], Vec::new()).await.is_ok());
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
