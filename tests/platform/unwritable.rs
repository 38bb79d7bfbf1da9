//! Texts that a database does not take: they are mended or refused where they come in, and what comes through all the same
//! is in nobody's way.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tidewater::actors::Refused;
use tidewater::channels::webhook::catcher::{HookCatcher, HookScript};
use tidewater::store::Database;
use tidewater::store::outbox::{OutboxItem, OutboxStatus};

use crate::databases::TestDatabase;
use crate::postgres::Postgres;
use crate::served::Served;
use crate::shop;

const RULES: &str = r#"
event "Order Completed" { order_id: text }
topic newsletter "Weekly newsletter" channels email marketing opt_in
"#;

const JOURNEY: (&str, &str) = (
    "journeys/tell.yaml",
    r#"journey: tell-orders
enter: { event: Order Completed, key: order_id, re_entry: always }
steps:
  - id: tell
    webhook: { to: crm, body: { order: "{{ entry.order_id }}" } }
"#,
);

/// Texts that nothing makes smaller, of letters of four bytes each.
fn noise(chars: usize) -> String {
    let letter = || char::from_u32(0x2_0000 + rand::random::<u32>() % 0x6000).unwrap();
    (0..chars).map(|_| letter()).collect()
}

async fn start(database: &TestDatabase, hooks: &HookCatcher) -> Served {
    let crm = format!(
        "channels:\n  crm:\n    kind: webhook\n    url: {}\n    secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n    \
         allow_private_network: true\n",
        hooks.url()
    );
    Served::start_on(&database.url, RULES, &crm, &[JOURNEY]).await
}

/// The hook answers an order with a refusal and these words. What the outbox says of it.
async fn answered(served: &Served, hooks: &HookCatcher, order: &str, words: &str) -> OutboxItem {
    hooks.script(HookScript::Answer { status: 400, headers: Vec::new(), body: words.to_owned() });
    let body =
        json!({"userId": "ada", "messageId": order, "event": "Order Completed", "properties": {"order_id": order}});
    assert_eq!(served.post("/v1/track", &body).await.0, 200);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let failed = served.store.outbox(Some(OutboxStatus::Failed), 10).await.unwrap();
        let is_it = |item: &&OutboxItem| format!("{:?}", item.effect.body).contains(order);
        if let Some(item) = failed.iter().find(is_it) {
            return item.clone();
        }
        assert!(Instant::now() < deadline, "what became of {order} is not recorded: {:?}", served.platform.ready());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn texts_are_mended_or_refused_where_they_come_in(database: TestDatabase) {
    let hooks = HookCatcher::start().await.unwrap();
    let served = start(&database, &hooks).await;
    let item = answered(&served, &hooks, "o1", "no\0good").await;
    assert!(item.detail.as_deref().unwrap().contains("no\u{fffd}good"), "{item:?}");
    let unsubscribed = |topic: String, channel: String| {
        let properties = json!({"topic": topic, "channel": channel});
        json!({"userId": "ada", "event": "Unsubscribed", "properties": properties})
    };
    let (status, answer) = served.post("/v1/track", &unsubscribed(noise(1_500), "email".to_owned())).await;
    assert_eq!((status, &answer["code"]), (400, &json!("too_long")), "{answer}");
    let (status, answer) = served.post("/v1/track", &unsubscribed("newsletter".to_owned(), noise(201))).await;
    assert_eq!((status, &answer["code"]), (400, &json!("too_long")), "{answer}");
    // As long as it may be, it fits.
    let (status, answer) = served.post("/v1/track", &unsubscribed(noise(200), noise(200))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(served.platform.ready(), Ok(()));
    served.stop().await;
}

/// Makes the database refuse any row that says `cursed`.
async fn curse(database: &TestDatabase) {
    let refuse = if database.is_sqlite() {
        "CREATE TRIGGER cursed_deny BEFORE INSERT ON deny WHEN NEW.consent LIKE '%cursed%' \
         BEGIN SELECT RAISE(ABORT, 'cursed'); END; \
         CREATE TRIGGER cursed_outbox BEFORE UPDATE ON outbox WHEN NEW.detail LIKE '%cursed%' \
         BEGIN SELECT RAISE(ABORT, 'cursed'); END"
    } else {
        "ALTER TABLE deny ADD CHECK (consent NOT LIKE '%cursed%'); \
         ALTER TABLE outbox ADD CHECK (detail NOT LIKE '%cursed%')"
    };
    database.tamper(refuse).await;
}

async fn who_alone_is_to_blame_is_refused_alone(database: TestDatabase) {
    let hooks = HookCatcher::start().await.unwrap();
    let served = start(&database, &hooks).await;
    curse(&database).await;
    // On PostgreSQL also what the limit on rows of an index refuses by itself.
    let too_long = if database.is_sqlite() { "cursed, too".to_owned() } else { noise(1_500) };
    let requests = (0..40).map(|number| {
        let topic = match number {
            7 => "cursed",
            23 => too_long.as_str(),
            _ => "newsletter",
        };
        let user = format!("user-{number}");
        vec![shop::track(&format!("m{number}"), "Unsubscribed", Some(&user), None, &[("topic", topic)])]
    });
    // The first is on its way at once; the others are made durable together.
    let answers = join_all(requests.map(|events| served.platform.ingest(events, Vec::new()))).await;
    for (number, answer) in answers.iter().enumerate() {
        match number {
            7 | 23 => assert_eq!(*answer, Err(Refused::Unwritable), "{number}"),
            _ => assert!(answer.is_ok(), "{number}: {answer:?}"),
        }
    }
    let offsets: Vec<_> = answers.iter().flatten().map(|accepted| accepted.offset).collect();
    assert!(offsets.is_sorted(), "what came first is first: {offsets:?}");
    assert_eq!(journal(&served.store).await, offsets.len());
    // What became of an effect is known also where the reason cannot be kept.
    let item = answered(&served, &hooks, "o1", "cursed").await;
    assert_eq!(item.detail, None, "{item:?}");
    assert_eq!(served.platform.ready(), Ok(()));
    served.stop().await;
}

/// How many events the journal has of the crowd.
async fn journal(store: &Database) -> usize {
    let entries = store.read_journal(Default::default(), 1_000).await.unwrap();
    entries.iter().filter(|entry| format!("{:?}", entry.body).contains("Unsubscribed")).count()
}

#[actix_web::test]
async fn texts_are_mended_or_refused_where_they_come_in_on_sqlite() {
    texts_are_mended_or_refused_where_they_come_in(TestDatabase::sqlite()).await;
}

#[actix_web::test]
async fn who_alone_is_to_blame_is_refused_alone_on_sqlite() {
    who_alone_is_to_blame_is_refused_alone(TestDatabase::sqlite()).await;
}

#[actix_web::test]
async fn unwritable_texts_are_in_nobodys_way_on_postgres() {
    let cluster = Postgres::start();
    texts_are_mended_or_refused_where_they_come_in(TestDatabase::postgres(&cluster, "mended").await).await;
    who_alone_is_to_blame_is_refused_alone(TestDatabase::postgres(&cluster, "alone").await).await;
}
