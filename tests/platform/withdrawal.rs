//! A withdrawal stops what is queued, whatever comes late and whoever is merged with whom.

use std::collections::BTreeMap;

use tidewater::engine::transition::EffectConsent;
use tidewater::engine::{Effect, EffectBody};
use tidewater::lang::rules::MessageClass;
use tidewater::model::value::ValueMap;
use tidewater::model::{ConsentKey, EffectId, Offset, ProfileId, Timestamp};
use tidewater::store::Database;
use tidewater::store::identity::IdentityChange;
use tidewater::store::journal::{Append, Deny};
use tidewater::store::outbox::Room;
use tidewater::store::state::ShardCommit;

fn consent() -> ConsentKey {
    ConsentKey::Topic { topic: "news".to_owned(), channel: "email".to_owned() }
}

fn deny(profile: u128, denied: bool, at: i64) -> Deny {
    Deny { profile: ProfileId(profile), key: consent(), denied, at: Timestamp(at) }
}

async fn store_with_mail_of(profile: u128) -> (tempfile::TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let store = Database::open(&format!("sqlite://{}", folder.path().join("t.db").display())).await.unwrap();
    let effect = Effect {
        id: EffectId(1),
        profile: ProfileId(profile),
        destination: "email".to_owned(),
        origin: None,
        consent: Some(EffectConsent { key: consent(), class: MessageClass::Marketing }),
        decided_at: Timestamp(10),
        expires_at: None,
        body: EffectBody::Email {
            to: "fay@example.com".to_owned(),
            template: "t".to_owned(),
            subject: "s".to_owned(),
            variables: ValueMap::new(),
        },
    };
    let commit = ShardCommit { effects: vec![effect], ..ShardCommit::empty(ProfileId(profile).shard(), Offset(1)) };
    store.commit(&[commit]).await.unwrap();
    (folder, store)
}

async fn is_stopped(store: &Database) -> bool {
    let claim = store.claim("email", Timestamp(100), &Room::of(10)).await.unwrap();
    assert_eq!(claim.taken.len() + claim.suppressed.len(), 1);
    claim.taken.is_empty()
}

#[tokio::test]
async fn the_word_said_last_holds_whenever_it_comes() {
    for (words, stopped) in [
        (vec![deny(1, true, 20)], true),
        // An old subscription that is imported late takes no withdrawal back.
        (vec![deny(1, true, 20), deny(1, false, 5)], true),
        (vec![deny(1, true, 20), deny(1, false, 30)], false),
        // A withdrawal of before the subscription is over.
        (vec![deny(1, false, 30), deny(1, true, 20)], false),
    ] {
        let (_folder, store) = store_with_mail_of(1).await;
        for word in &words {
            store.append(&Append { denies: vec![word.clone()], ..Append::default() }).await.unwrap();
        }
        assert_eq!(is_stopped(&store).await, stopped, "{words:?}");
    }
}

#[tokio::test]
async fn a_withdrawal_follows_the_person_through_a_merge() {
    let merge = || IdentityChange::Merge { loser: ProfileId(1), winner: ProfileId(2) };
    // Whose mail is queued, and whether the withdrawal of the loser comes before, with or after the merge.
    for queued in [1, 2] {
        for order in ["before", "with", "after"] {
            let (_folder, store) = store_with_mail_of(queued).await;
            let (first, second) = match order {
                "before" => (
                    Append { denies: vec![deny(1, true, 20)], ..Append::default() },
                    Append { identities: vec![merge()], ..Append::default() },
                ),
                "with" => (
                    Append { identities: vec![merge()], denies: vec![deny(1, true, 20)], ..Append::default() },
                    Append::default(),
                ),
                _ => (
                    Append { identities: vec![merge()], ..Append::default() },
                    Append { denies: vec![deny(2, true, 20)], ..Append::default() },
                ),
            };
            store.append(&first).await.unwrap();
            store.append(&second).await.unwrap();
            assert!(is_stopped(&store).await, "mail of {queued}, withdrawal {order} the merge");
        }
    }
}

#[tokio::test]
async fn a_suppression_stops_what_nobody_has_to_consent_to_and_no_webhook() {
    let (_folder, store) = store_with_mail_of(1).await;
    let identifiers: BTreeMap<String, String> = [("email".to_owned(), "fay@example.com".to_owned())].into();
    let place = |add, change| EffectBody::Audience {
        audience: "vips".to_owned(),
        add,
        identifiers: identifiers.clone(),
        change,
    };
    let hook = EffectBody::Webhook { body: "hello".into(), variables: ValueMap::new() };
    let decided = [(2, place(false, 1)), (3, place(true, 2)), (4, hook)];
    let effect = |(id, body)| Effect {
        id: EffectId(id),
        profile: ProfileId(2),
        destination: format!("line{id}"),
        origin: None,
        consent: None,
        decided_at: Timestamp(10),
        expires_at: None,
        body,
    };
    let effects = decided.map(effect).to_vec();
    store.commit(&[ShardCommit { effects, ..ShardCommit::empty(ProfileId(2).shard(), Offset(1)) }]).await.unwrap();
    // The mail is of one who is merged into the other afterwards: the word was about the person.
    let word = |profile| Deny { key: ConsentKey::Everything, ..deny(profile, true, 20) };
    let merge = IdentityChange::Merge { loser: ProfileId(1), winner: ProfileId(2) };
    store.append(&Append { denies: vec![word(2)], identities: vec![merge], ..Append::default() }).await.unwrap();
    assert!(is_stopped(&store).await, "whatever the topic");
    for (line, leaves) in [("line2", true), ("line3", false), ("line4", true)] {
        let claim = store.claim(line, Timestamp(100), &Room::of(10)).await.unwrap();
        assert_eq!((claim.taken.len(), claim.suppressed.len()), (usize::from(leaves), usize::from(!leaves)), "{line}");
    }
}

#[test]
fn a_second_server_is_kept_away() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("t.db").display());
    let held = tidewater::store::open::lock(&url).unwrap();
    assert!(held.is_some());
    let refused = tidewater::store::open::lock(&url).unwrap_err();
    assert!(refused.to_string().contains("another server is running"), "{refused}");
    drop(held);
    assert!(tidewater::store::open::lock(&url).is_ok());
}
