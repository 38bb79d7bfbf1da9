//! A withdrawal stops what is queued, whatever comes late and whoever is merged with whom.

use std::collections::BTreeMap;

use tidewater::engine::transition::{EffectConsent, Lifted};
use tidewater::engine::{Effect, EffectBody};
use tidewater::lang::rules::MessageClass;
use tidewater::model::value::ValueMap;
use tidewater::model::{ConsentKey, EffectId, Entry, EntryBody, Offset, ProfileId, Target, Timestamp};
use tidewater::store::Database;
use tidewater::store::identity::IdentityChange;
use tidewater::store::journal::{Append, Deny};
use tidewater::store::outbox::Room;
use tidewater::store::state::ShardCommit;

use Word::{No, Yes};

fn consent() -> ConsentKey {
    ConsentKey::Topic { topic: "news".to_owned(), channel: "email".to_owned() }
}

/// A withdrawal by this entry, or that the profile knows all up to this entry and its word is yes.
#[derive(Debug, Clone, Copy)]
enum Word {
    No(u128, u64),
    Yes(u128, u64),
}

impl Word {
    fn deny(self) -> Option<Deny> {
        let No(profile, entry) = self else { return None };
        Some(Deny { profile: ProfileId(profile), key: consent(), entry: Offset(entry) })
    }
}

async fn say(store: &Database, words: &[Word]) {
    for word in words {
        match *word {
            No(..) => {
                let denies = word.deny().into_iter().collect();
                store.append(&Append { denies, ..Append::default() }).await.unwrap();
            }
            Yes(profile, entry) => {
                let profile = ProfileId(profile);
                let lifted = vec![(profile, Lifted { key: consent(), up_to: Offset(entry) })];
                // Nothing else tells it from the one before.
                store
                    .commit(&[ShardCommit { lifted, ..ShardCommit::empty(profile.shard(), Offset(1)) }])
                    .await
                    .unwrap();
            }
        }
    }
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
async fn a_withdrawal_holds_until_its_profile_knows_of_it_and_says_yes() {
    for (words, stopped) in [
        (vec![No(1, 20)], true),
        (vec![No(1, 20), Yes(1, 30)], false),
        // Decided before the withdrawal came, and saved only now; or decided once more after a crash.
        (vec![No(1, 20), Yes(1, 10)], true),
        (vec![No(1, 20), Yes(1, 30), No(1, 40), Yes(1, 30)], true),
        // A repeat of a withdrawal that was taken back since is known to be one.
        (vec![No(1, 20), Yes(1, 30), No(1, 40), Yes(1, 40)], false),
        (vec![No(1, 20), Yes(2, 30)], true),
        (vec![Yes(1, 30)], false),
    ] {
        let (_folder, store) = store_with_mail_of(1).await;
        say(&store, &words).await;
        assert_eq!(is_stopped(&store).await, stopped, "{words:?}");
    }
}

#[tokio::test]
async fn a_withdrawal_follows_the_person_through_a_merge() {
    // Of 1 into 2, by the entries 50 and 51, in one append with what the second list says before it.
    for (before, with, after, stopped) in [
        (vec![No(1, 20)], vec![], vec![], true),
        (vec![], vec![No(1, 49)], vec![], true),
        (vec![], vec![], vec![No(2, 60)], true),
        (vec![No(2, 20)], vec![], vec![], true),
        // What either said of itself before lifts nothing of the other's, however late it is saved.
        (vec![No(1, 20)], vec![], vec![Yes(2, 49)], true),
        (vec![No(2, 20)], vec![], vec![Yes(1, 49)], true),
        (vec![], vec![No(1, 48)], vec![Yes(2, 49)], true),
        // The winner has taken in what both said, and the loser's last word was yes.
        (vec![No(1, 20)], vec![], vec![Yes(1, 30), Yes(2, 51)], false),
        (vec![No(1, 20)], vec![], vec![No(2, 60), Yes(2, 51)], true),
        (vec![No(1, 20)], vec![No(2, 60)], vec![Yes(2, 51)], true),
        (vec![No(1, 20)], vec![], vec![Yes(2, 61)], false),
    ] {
        for queued in [1, 2] {
            let (_folder, store) = store_with_mail_of(queued).await;
            say(&store, &before).await;
            let merge = IdentityChange::Merge { loser: ProfileId(1), winner: ProfileId(2) };
            let entry = Entry {
                offset: Offset(50),
                received_at: Timestamp(50),
                target: Target::Profile(ProfileId(1)),
                body: EntryBody::MergeAway { winner: ProfileId(2) },
            };
            let denies = with.iter().map(|word| word.deny().unwrap()).collect();
            let append = Append { entries: vec![entry], identities: vec![merge], denies, ..Append::default() };
            store.append(&append).await.unwrap();
            say(&store, &after).await;
            assert_eq!(is_stopped(&store).await, stopped, "mail of {queued}: {before:?}, {with:?}, {after:?}");
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
    let word = |profile| Deny { key: ConsentKey::Everything, ..No(profile, 20).deny().unwrap() };
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
