//! Effects and relays that are damaged at rest: told, set aside, and in nobody's way.

use std::time::{Duration, Instant};

use tidewater::channels::webhook::catcher::HookCatcher;
use tidewater::engine::transition::{Origin, Relay};
use tidewater::engine::{Effect, EffectBody};
use tidewater::model::value::ValueMap;
use tidewater::model::{EffectId, EntryBody, Offset, ProfileId, RunId, Timestamp, Value};
use tidewater::store::dead_letters::Selection;
use tidewater::store::outbox::{OutboxStatus, Room};
use tidewater::store::state::ShardCommit;

use crate::databases::{TestDatabase, on_both_databases};
use crate::served::{API_KEY_SETTING, Served};

on_both_databases!(one_that_is_damaged_is_told_and_stands_in_nobodys_way, what_earlier_versions_wrote_is_read);

fn effect(id: u128) -> Effect {
    Effect {
        id: EffectId(id),
        profile: ProfileId(id),
        destination: "crm".to_owned(),
        origin: Some(Origin { journey: "welcome".to_owned(), run: RunId(id), step: "hello".to_owned() }),
        consent: None,
        decided_at: Timestamp(10),
        expires_at: None,
        body: EffectBody::Webhook { body: Value::from(format!("hello {id}")), variables: ValueMap::new() },
    }
}

fn relay(id: &str) -> Relay {
    Relay { id: id.to_owned(), to: ProfileId(7), body: EntryBody::MergeAway { winner: ProfileId(8) } }
}

fn commit() -> ShardCommit {
    let relays = ["r1", "r2", "r3"].map(relay).to_vec();
    let effects = (1..=3).map(effect).collect();
    ShardCommit { effects, relays, ..ShardCommit::empty(ProfileId(1).shard(), Offset(1)) }
}

/// Flips bits in the middle of one row's body.
async fn damage(database: &TestDatabase, table: &str, key: &str, id: &str) {
    let body = if database.is_sqlite() {
        "CAST(substr(body, 1, 20) || x'ff' || substr(body, 22) AS BLOB)"
    } else {
        "set_byte(body, 20, get_byte(body, 20) # 255)"
    };
    database.tamper(&format!("UPDATE {table} SET body = {body} WHERE {key} = '{id}'")).await;
}

async fn one_that_is_damaged_is_told_and_stands_in_nobodys_way(database: TestDatabase) {
    let store = database.open().await;
    store.commit(&[commit()]).await.unwrap();
    damage(&database, "outbox", "effect", &EffectId(2).to_string()).await;
    damage(&database, "relay", "id", "r2").await;
    let ids: Vec<String> = store.pending_relays(10).await.unwrap().into_iter().map(|relay| relay.id).collect();
    assert_eq!(ids, ["r1", "r3"]);

    let claim = store.claim("crm", Timestamp(100), &Room::of(10)).await.unwrap();
    assert_eq!(claim.taken.iter().map(|one| one.effect.clone()).collect::<Vec<_>>(), [effect(1), effect(3)]);
    let [(known, why)] = &claim.damaged[..] else { panic!("{claim:?}") };
    assert!(why.contains("checksum"), "{why}");
    // Whose it is and which step decided it is told by its other columns; what it said is gone.
    let nothing = EffectBody::Webhook { body: Value::Null, variables: ValueMap::new() };
    assert_eq!(*known, Effect { body: nothing, ..effect(2) });
    // Whoever looks sees it, and may drop it.
    assert_eq!(store.outbox(None, 10).await.unwrap().len(), 3);
    assert_eq!(store.effect(EffectId(2)).await.unwrap().unwrap().1, OutboxStatus::Ready);
    let selection = Selection { effects: vec![EffectId(2)], ..Selection::default() };
    assert_eq!(store.drop_effects(&selection, Timestamp(200)).await.unwrap(), 1);
    store.close().await;
}

async fn what_earlier_versions_wrote_is_read(database: TestDatabase) {
    let store = database.open().await;
    store.commit(&[commit()]).await.unwrap();
    let as_bytes = |json: String| match database.is_sqlite() {
        true => format!("'{json}'"),
        false => format!("convert_to('{json}', 'UTF8')"),
    };
    for id in 1..=3 {
        let json = as_bytes(serde_json::to_string(&effect(id)).unwrap());
        database.tamper(&format!("UPDATE outbox SET body = {json} WHERE effect = '{}'", EffectId(id))).await;
    }
    let json = as_bytes(serde_json::to_string(&relay("r1").body).unwrap());
    database.tamper(&format!("UPDATE relay SET body = {json} WHERE id = 'r1'")).await;
    assert_eq!(store.pending_relays(10).await.unwrap(), ["r1", "r2", "r3"].map(relay));
    let claim = store.claim("crm", Timestamp(100), &Room::of(10)).await.unwrap();
    assert_eq!(
        claim.taken.into_iter().map(|one| one.effect).collect::<Vec<_>>(),
        (1..=3).map(effect).collect::<Vec<_>>()
    );
    store.close().await;
}

#[actix_web::test]
async fn a_channel_sends_the_others_and_the_customer_hears_that_one_failed() {
    let database = TestDatabase::sqlite();
    let store = database.open().await;
    let effects = (1..=3).map(effect).collect();
    store.commit(&[ShardCommit { effects, ..ShardCommit::empty(ProfileId(1).shard(), Offset(0)) }]).await.unwrap();
    store.close().await;
    damage(&database, "outbox", "effect", &EffectId(2).to_string()).await;
    let hooks = HookCatcher::start().await.unwrap();
    let crm = format!(
        "{API_KEY_SETTING}channels:\n  crm:\n    kind: webhook\n    url: {}\n    \
         secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n    allow_private_network: true\n",
        hooks.url()
    );
    let served = Served::start_on(&database.url, "event \"Seen\" {}\n", &crm, &[]).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while served.store.outbox_open().await.unwrap() > 0 {
        assert!(Instant::now() < deadline, "the channel stands still");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    served.platform.settle().await;
    assert_eq!(hooks.requests().len(), 2);
    let failed = served.store.outbox(Some(OutboxStatus::Failed), 10).await.unwrap();
    let [item] = &failed[..] else { panic!("{failed:?}") };
    assert_eq!(item.effect.id, EffectId(2));
    assert!(item.detail.as_deref().unwrap().contains("cannot be read: it is damaged"), "{item:?}");
    let history = served.store.profile_history(ProfileId(2), 10).await.unwrap();
    assert_eq!(history.iter().map(|item| item.event.name.as_str()).collect::<Vec<_>>(), ["Webhook Failed"]);
    served.stop().await;
}
