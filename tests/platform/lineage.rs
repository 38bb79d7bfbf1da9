//! People who were very many visitors, and pasts that are damaged: neither stops a shard.

use serde_json::json;
use tidewater::engine::backfill::Wanted;
use tidewater::engine::{Profile, apply, snapshot};
use tidewater::model::{Entry, EntryBody, Offset, ProfileId, Target, Timestamp};
use tidewater::store::journal::{Append, Erasure};
use tidewater::store::state::{SavedProfile, ShardCommit};
use tidewater::workspace::load::compile;

use crate::databases::{TestDatabase, on_both_databases};
use crate::served::{API_KEY_SETTING, Served};
use crate::shop;

on_both_databases!(a_person_may_have_been_any_number_of_visitors);

/// More than SQLite takes values in one statement.
const VISITORS: u128 = 33_000;
const WINNER: ProfileId = ProfileId(1 << 100);

fn entry(offset: u64, profile: ProfileId, body: EntryBody) -> Entry {
    Entry { offset: Offset(offset), received_at: Timestamp(1), target: Target::Profile(profile), body }
}

async fn a_person_may_have_been_any_number_of_visitors(database: TestDatabase) {
    let store = database.open().await;
    let (numbers, loser) = if database.is_sqlite() {
        let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 33000)";
        (numbers, "printf('%032x', n)")
    } else {
        ("WITH numbers (n) AS (SELECT generate_series(1, 33000))", "lpad(to_hex(n), 32, '0')")
    };
    let winner = WINNER.to_string();
    database
        .tamper(&format!(
            "{numbers} INSERT INTO merged_profile (loser, winner, entry) SELECT {loser}, '{winner}', n FROM numbers; \
             {numbers} INSERT INTO identity (kind, value, profile) SELECT 'anonymous_id', 'v' || n, '{winner}' FROM numbers"
        ))
        .await;
    let lineage = store.lineage(WINNER).await.unwrap();
    assert_eq!((lineage.len(), lineage[0]), (VISITORS as usize + 1, WINNER));

    // What one of the last had done is part of the past.
    let last = ProfileId(VISITORS);
    let seen = entry(40_000, last, EntryBody::Event(shop::order("o1", "ada")));
    let history = vec![(last, seen)];
    store.commit(&[ShardCommit { history, ..ShardCommit::empty(last.shard(), Offset(1)) }]).await.unwrap();
    let wanted = Wanted { names: None, before: Offset(50_000) };
    let pasts = store.pasts(&[WINNER], &wanted).await.unwrap();
    let past: Vec<_> = pasts[&WINNER].iter().map(|past| (past.offset, past.joined)).collect();
    assert_eq!(past, [(Offset(40_000), Offset(VISITORS as u64))]);
    assert_eq!(store.profile_history(WINNER, 10).await.unwrap().len(), 1);

    // And they may be forgotten.
    let erasure = Erasure { entry: Offset(50_000), at: Timestamp(1), lineage: lineage.clone(), is_suppressed: false };
    store.append(&Append { erasures: vec![erasure], ..Append::default() }).await.unwrap();
    let (program, _) = shop::compiled(shop::files("http://127.0.0.1:1"));
    let gone = |profile: &ProfileId| {
        let mut state = Profile::new(*profile);
        apply(&mut state, &program, &entry(50_000, *profile, EntryBody::Erase));
        SavedProfile { id: *profile, snapshot: snapshot::encode(&state), wake: None }
    };
    let profiles = lineage.iter().map(gone).collect();
    store.commit(&[ShardCommit { profiles, ..ShardCommit::empty(WINNER.shard(), Offset(50_000)) }]).await.unwrap();
    store.clean_up(Timestamp(i64::MAX / 2)).await.unwrap();
    let receipt = store.erasure(Offset(50_000)).await.unwrap().unwrap();
    assert_eq!(receipt.under_way, None, "{receipt:?}");
    assert_eq!(receipt.removed["identity"], VISITORS as u64);
    assert_eq!((receipt.removed["merged_profile"], receipt.removed["history"]), (VISITORS as u64, 1));
    store.close().await;
}

const RULES: &str = "event \"Order Completed\" { order_id: text }\n";
const MORE: &str = "segment regular = did \"Order Completed\" at least 2 times\n";

#[actix_web::test]
async fn a_damaged_past_is_told_and_stands_in_nobody_elses_way() {
    let database = TestDatabase::sqlite();
    let served = Served::start_on(&database.url, RULES, API_KEY_SETTING, &[]).await;
    let order = |user: &str, id: &str| json!({"userId": user, "messageId": id, "event": "Order Completed", "properties": {"order_id": id}});
    for user in ["ada", "bob", "cyd"] {
        assert_eq!(served.post("/v1/track", &order(user, &format!("{user}-1"))).await.0, 200);
    }
    served.platform.settle().await;
    let ada = ProfileId::from_identifier("user_id", "ada");
    database
        .tamper(&format!(
            "UPDATE history SET events = CAST(substr(events, 1, 12) || x'ff' || substr(events, 14) AS BLOB) \
             WHERE profile = '{ada}'"
        ))
        .await;
    let files = [
        ("tidewater.yaml".to_owned(), "sources:\n  web: test-write-key\n".to_owned()),
        ("rules/test.tide".to_owned(), format!("{RULES}{MORE}")),
    ];
    let program = compile(files.to_vec(), &|_| None).program.unwrap();
    served.platform.deploy(&program).await.unwrap();
    for user in ["ada", "bob"] {
        assert_eq!(served.post("/v1/track", &order(user, &format!("{user}-2"))).await.0, 200);
    }
    served.platform.settle().await;
    let (_, members) = served.get("/api/v1/segments/regular/members").await;
    let members: Vec<_> =
        members["members"].as_array().unwrap().iter().map(|one| &one["identifiers"][0]["value"]).collect();
    assert_eq!(members, ["bob"], "whose past is known");
    let refused = served.store.quarantine(10).await.unwrap();
    let [(_, row)] = &refused[..] else { panic!("her past is set aside, once: {refused:?}") };
    let (status, answer) = served.get("/api/v1/profiles/user_id:ada").await;
    assert_eq!((status, &answer["code"]), (500, &json!("damaged")), "{answer}");
    assert!(!answer.to_string().contains("checksum"), "what it is in detail is for the log: {answer}");
    assert!(row.code == "poison" && row.reason().contains("past cannot be read"), "{row:?}");
    served.stop().await;
}
