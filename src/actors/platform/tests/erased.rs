//! What is tried again out of the quarantine brings nobody back who was erased.

use super::*;

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
