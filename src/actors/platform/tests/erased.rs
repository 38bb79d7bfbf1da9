//! What is tried again out of the quarantine brings nobody back who was erased.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;

use super::*;
use crate::engine::snapshot;
use crate::store::erasure::Receipt;

fn refused(payload: &str) -> Quarantined {
    let (source, code) = ("shop".to_owned(), "plan_breach".to_owned());
    let (received_at, call) = (Timestamp(1_000), Some("track".to_owned()));
    Quarantined {
        source,
        received_at,
        code,
        mistakes: Vec::new(),
        call,
        payload: payload.to_owned(),
        names: Vec::new(),
    }
}

#[actix_rt::test]
async fn nobody_who_was_erased_comes_back_by_what_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let platform = start(dir.path()).await;
    let known = vec![event("m1", "Order Completed", "ada"), event("m2", TRIPPING, "ada")];
    platform.ingest(known, Vec::new()).await.unwrap();
    platform.settle().await;
    let poison = platform.store.quarantine(10).await.unwrap();
    let ada = platform.store.find_profile_by("user_id", "ada").await.unwrap().unwrap();
    let erased = platform.erase(ada, true).await.unwrap();
    let payload = r#"{"event": "Order Completed", "userId": "ada", "messageId": "m3"}"#;
    platform.ingest(Vec::new(), vec![refused(payload)]).await.unwrap();

    // For whom the engine failed is gone; the row goes, and no entry comes.
    let intake = Intake::new(platform.program());
    let [(id, row)] = &poison[..] else { panic!("one was set aside: {poison:?}") };
    let Again::Entry(profile, body) = intake.again(id, row, &Mend::default()) else { panic!("{row:?}") };
    let mut retry = Retry { entries: vec![(profile, body)], ..Retry::default() };
    retry.rows.taken.push(id.clone());
    platform.retry(retry).await.unwrap();

    let of_store = async || platform.store.quarantine(10).await.unwrap();
    let [(id, row)] = &of_store().await[..] else { panic!("what was refused later is left") };
    let Again::Event(event, None) = intake.again(id, row, &Mend::default()) else { panic!("{row:?}") };
    let retry = Retry { events: vec![(id.clone(), event)], ..Retry::default() };
    // What somebody else wrote says nothing of what came.
    platform.retry(Retry { is_mended: true, ..retry.clone() }).await.unwrap();
    assert_eq!(of_store().await, [(id.clone(), row.clone())]);
    platform.retry(retry).await.unwrap();
    let [(same, left)] = &of_store().await[..] else { panic!("it is refused again") };
    assert_eq!((same, &*left.code, &*left.payload), (id, "erased", "{}"));
    assert!(matches!(intake.again(id, left, &Mend::default()), Again::Never(_)));

    platform.settle().await;
    assert_eq!(platform.store.find_profile_by("user_id", "ada").await.unwrap(), None);
    let journal = platform.store.read_journal(erased.offset, 10).await.unwrap();
    assert!(journal.iter().all(|entry| matches!(entry.body, EntryBody::Skip(_))), "{journal:?}");
    platform.stop().await;
}

/// An engine that cannot forget anybody.
#[derive(Debug)]
struct Remembering;

impl Engine for Remembering {
    fn apply(&self, profile: &mut Profile, program: &Program, entry: &Entry) -> Transition {
        assert!(!matches!(entry.body, EntryBody::Erase), "the engine tripped over an erasure");
        Sound.apply(profile, program, entry)
    }
}

/// The receipts by entry, once none is under way.
async fn carried_out(platform: &Running) -> BTreeMap<u64, Receipt> {
    for _ in 0..100 {
        platform.settle().await;
        // As of later: nobody who is erased just now is waited for.
        platform.store.clean_up(platform.now() + Span::HOUR).await.unwrap();
        let receipts = platform.store.erasures().await.unwrap();
        if receipts.iter().all(|receipt| receipt.under_way.is_none()) {
            return receipts.into_iter().map(|receipt| (receipt.erasure.0, receipt)).collect();
        }
    }
    panic!("it waits for ever: {:?}", platform.store.erasures().await.unwrap());
}

async fn profile_of(platform: &Running, user: &str) -> ProfileId {
    platform.store.find_profile_by("user_id", user).await.unwrap().unwrap()
}

async fn is_forgotten(platform: &Running, profile: ProfileId) -> bool {
    let saved = platform.store.load_profiles(&[profile]).await.unwrap().remove(0);
    let state = snapshot::decode(&saved.snapshot).unwrap();
    let history = platform.store.profile_history(profile, 10).await.unwrap();
    state.is_erased() && state.memberships().count() == 0 && saved.wake.is_none() && history.is_empty()
}

async fn with_orders_of(platform: &Running, users: &[&str]) {
    for user in users {
        let order = event(&format!("m-{user}"), "Order Completed", user);
        platform.ingest(vec![order], Vec::new()).await.unwrap();
    }
    platform.settle().await;
}

#[actix_rt::test]
async fn an_erasure_on_which_the_engine_fails_leaves_nothing_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let open = async || {
        let store = crate::store::Database::open(&format!("sqlite://{}/tidewater.db", dir.path().display())).await;
        start_on(store.unwrap(), RULES, Clock::system(), Arc::new(Remembering)).await
    };
    let platform = open().await;
    with_orders_of(&platform, &["ada", "bob"]).await;
    let (ada, bob) = (profile_of(&platform, "ada").await, profile_of(&platform, "bob").await);
    platform.erase(ada, false).await.unwrap();
    let receipts = carried_out(&platform).await;
    assert!(receipts.values().all(|receipt| receipt.trouble.is_none()), "{receipts:?}");
    assert!(is_forgotten(&platform, ada).await && !is_forgotten(&platform, bob).await);
    platform.abort().await;
    let platform = open().await;
    with_orders_of(&platform, &["eve"]).await;
    assert!(is_forgotten(&platform, ada).await, "and a replay agrees");
    platform.stop().await;
}

#[actix_rt::test]
async fn somebody_whose_saved_state_is_damaged_is_erased() {
    let dir = tempfile::tempdir().unwrap();
    let platform = start(dir.path()).await;
    with_orders_of(&platform, &["ada", "bob"]).await;
    let (ada, bob) = (profile_of(&platform, "ada").await, profile_of(&platform, "bob").await);
    let store = platform.store.clone();
    platform.stop().await;
    let damage = format!("UPDATE profile SET snapshot = x'00ff' WHERE id = '{ada}'");
    store.write.execute_unprepared(&damage).await.unwrap();
    store.close().await;
    let platform = start(dir.path()).await;
    platform.erase(ada, false).await.unwrap();
    carried_out(&platform).await;
    assert!(is_forgotten(&platform, ada).await && !is_forgotten(&platform, bob).await);
    let left = platform.store.quarantine(10).await.unwrap();
    assert!(left.is_empty(), "what could not be applied to them: {left:?}");
    platform.stop().await;
}

#[actix_rt::test]
async fn a_damaged_block_of_the_journal_holds_up_no_erasure_and_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let platform = start(dir.path()).await;
    with_orders_of(&platform, &["ada", "bob"]).await;
    let (ada, bob) = (profile_of(&platform, "ada").await, profile_of(&platform, "bob").await);
    let damage = "UPDATE journal_block SET entries = x'00ff' \
                  WHERE first_offset = (SELECT MIN(first_offset) FROM journal_block)";
    platform.store.write.execute_unprepared(damage).await.unwrap();
    for who in [ada, bob] {
        platform.erase(who, false).await.unwrap();
        let receipts = carried_out(&platform).await;
        let trouble = receipts.values().next_back().and_then(|receipt| receipt.trouble.clone()).unwrap();
        assert!(trouble.contains("block of entries 1 to") && trouble.contains("backup"), "{trouble}");
        assert!(is_forgotten(&platform, who).await);
    }
    platform.stop().await;
}
