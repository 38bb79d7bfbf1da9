//! After a takeover nothing that the owner before does reaches the database, whatever it is.

use sea_orm::ConnectionTrait;
use tidewater::model::{Entry, EntryBody, Offset, ProfileId, Skipped, Target, Timestamp};
use tidewater::store::home::{Drop, Hold, Home};
use tidewater::store::journal::Append;
use tidewater::store::outbox::Room;
use tidewater::store::state::ShardCommit;
use tidewater::store::{Database, StoreError};

use crate::postgres::Postgres;

/// Each way in which a server writes, with what it says of it.
async fn write_in_every_way(owner: &Database, offset: u64) -> Vec<(&'static str, Result<(), StoreError>)> {
    let (offset, received_at, profile) = (Offset(offset), Timestamp(100), ProfileId(7));
    let body = EntryBody::Skip(Skipped::Wake(Timestamp(1)));
    let entries = vec![Entry { offset, received_at, target: Target::Profile(profile), body }];
    let commit = ShardCommit::empty(profile.shard(), offset);
    let hold = Hold { since: received_at, reason: "a copy".to_owned() };
    vec![
        ("append", owner.append(&Append { entries, ..Append::default() }).await),
        ("commit", owner.commit(&[commit]).await),
        ("claim", owner.claim("crm", received_at, &Room::of(1)).await.map(drop)),
        ("save_program", owner.save_program(&format!("v{}", offset.0), &[]).await),
        ("secret", owner.secret(&format!("s{}", offset.0)).await.map(drop)),
        ("ping", owner.ping().await),
        ("note_silence", owner.note_silence("crm", Some(received_at)).await),
        ("stay_home", owner.stay_home(&mut Home::default()).await),
        ("hold_sending", owner.hold_sending(&hold).await),
        ("resume_sending", owner.resume_sending(Drop::Nothing, received_at).await.map(drop)),
        ("bring_up_to_date", owner.bring_up_to_date().await),
        ("renew", owner.renew().await),
    ]
}

async fn own(url: &str, holder: &str) -> Database {
    let owner = Database::open_to_own(url, holder).await.unwrap();
    owner.bring_up_to_date().await.unwrap();
    owner
}

#[tokio::test]
async fn after_a_takeover_every_write_of_the_owner_before_is_refused() {
    let postgres = Postgres::start();
    let first = own(&postgres.url(), "the first").await;
    for (way, done) in write_in_every_way(&first, 1).await {
        assert!(done.is_ok(), "{way}, while it is the owner: {done:?}");
    }
    // It was away for longer than its lease.
    let database = sea_orm::Database::connect(postgres.url()).await.unwrap();
    database.execute_unprepared("UPDATE lease SET until = 0").await.unwrap();
    database.close().await.unwrap();
    let second = own(&postgres.url(), "the second").await;
    for (way, done) in write_in_every_way(&first, 2).await {
        assert!(matches!(done, Err(StoreError::Superseded)), "{way}, after the takeover: {done:?}");
    }
    assert_eq!(second.journal_head().await.unwrap().offset, Offset(1));
    assert_eq!((second.sending_hold().await.unwrap(), second.program("v2").await.unwrap()), (None, None));
    for (way, done) in write_in_every_way(&second, 2).await {
        assert!(done.is_ok(), "{way}, by the new owner: {done:?}");
    }
}
