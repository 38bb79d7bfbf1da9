//! The store keeps what it promises, on both databases.

use std::collections::BTreeSet;

use tidewater::engine::backfill::Wanted;
use tidewater::engine::skip::Skip;
use tidewater::engine::transition::{Cause, MembershipChange, Relay};
use tidewater::engine::{Effect, EffectBody, Fact, StepOutcome};
use tidewater::model::limit::SHARDS;
use tidewater::model::value::ValueMap;
use tidewater::model::{
    ConsentKey, Deploy, EffectId, Entry, EntryBody, Event, EventKind, Offset, ProfileId, RunId, ShardId, Skipped,
    Target, Timestamp, Value,
};
use tidewater::store::identity::{Identifier, IdentityChange};
use tidewater::store::journal::{Append, Deny, JournalHead, Mistake, Quarantined, Retried};
use tidewater::store::outbox::Room;
use tidewater::store::state::{Poisoned, Reached, SavedProfile, ShardCommit};
use tidewater::store::{Database, Keep};

use crate::databases::{TestDatabase, on_both_databases};

on_both_databases!(
    a_database_of_the_first_version_is_brought_up_to_date,
    what_the_second_version_wrote_is_taken_over,
    profiles_of_a_shard_become_neighbours,
    damage_is_told_and_never_read,
    what_is_not_kept_any_longer_goes,
    the_journal_comes_back_in_order,
    an_append_is_whole_or_not_there,
    a_commit_is_whole_or_not_there,
    a_commit_twice_is_a_commit_once,
    memberships_follow_the_last_change,
    texts_come_back_as_they_went,
    the_newest_firing_of_a_schedule_stands,
    identifiers_follow_merges,
    a_past_holds_what_was_merged_and_since_when,
    relays_wait_in_order_until_they_are_in_the_journal,
    large_sets_are_read_whole,
    everything_is_there_after_reopening,
    a_store_that_must_not_be_used_says_why,
);

fn event(profile: ProfileId, offset: u64, name: &str) -> Entry {
    let event = Event {
        message_id: format!("m{offset}"),
        kind: EventKind::Track,
        name: name.to_owned(),
        source: "shop".to_owned(),
        timestamp: Timestamp(offset as i64 * 10 - 3),
        user_id: Some("ada".to_owned()),
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        properties: ValueMap::from([("note".to_owned(), Value::from("x"))]),
        traits: ValueMap::new(),
        context: ValueMap::new(),
    };
    Entry {
        offset: Offset(offset),
        received_at: Timestamp(offset as i64 * 10),
        target: Target::Profile(profile),
        body: EntryBody::Event(event),
    }
}

/// Entries of one group commit: all received at the instant of the first.
fn block(offsets: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    let received_at = Timestamp(*offsets.start() as i64 * 10);
    offsets.map(|offset| Entry { received_at, ..event(ProfileId(7), offset, "Order Completed") }).collect()
}

fn identifier(kind: &str, value: &str) -> Identifier {
    Identifier { kind: kind.to_owned(), value: value.to_owned() }
}

fn add(kind: &str, value: &str, profile: u128) -> IdentityChange {
    IdentityChange::Add { identifier: identifier(kind, value), profile: ProfileId(profile) }
}

fn quarantined(reason: &str, at: i64) -> Quarantined {
    Quarantined {
        source: "shop".to_owned(),
        received_at: Timestamp(at),
        code: "invalid".to_owned(),
        mistakes: vec![Mistake::of_all(reason)],
        call: None,
        payload: "{}".to_owned(),
        names: Vec::new(),
    }
}

fn relay(id: &str, to: u128) -> Relay {
    Relay { id: id.to_owned(), to: ProfileId(to), body: EntryBody::MergeAway { winner: ProfileId(to + 1) } }
}

fn change(segment: &str, entered: bool, at: i64) -> MembershipChange {
    MembershipChange { segment: segment.to_owned(), entered, at: Timestamp(at), cause: Cause::Event }
}

fn nothing(profile: ProfileId, offset: u64) -> ShardCommit {
    ShardCommit::empty(profile.shard(), Offset(offset))
}

fn poisoned(profile: ProfileId, offset: Offset, at: Timestamp) -> Poisoned {
    let skip = Some(Skip { profile, skipped: Skipped::Entry(offset), place: offset });
    Poisoned { profile, skip, row: quarantined("poison", at.0) }
}

/// A commit that has something of everything.
fn full(profile: ProfileId, offset: u64) -> ShardCommit {
    let (run, journey, at) = (RunId(u128::from(offset)), "welcome".to_owned(), Timestamp(offset as i64 * 10));
    let effect = Effect {
        id: EffectId(u128::from(offset)),
        profile,
        destination: "crm".to_owned(),
        origin: None,
        consent: None,
        decided_at: at,
        expires_at: None,
        body: EffectBody::Webhook { body: Value::from("hello"), variables: ValueMap::new() },
    };
    let step = StepOutcome::Decided(effect.id);
    ShardCommit {
        profiles: vec![SavedProfile { id: profile, snapshot: b"{\"at\":1}".to_vec(), wake: Some(Timestamp(99)) }],
        memberships: vec![(profile, change("vip", true, at.0))],
        effects: vec![effect],
        facts: vec![
            (profile, Fact::RunStarted { run, journey: journey.clone(), key: String::new(), at }),
            (profile, Fact::Step { run, journey: journey.clone(), step: "hello".to_owned(), at, outcome: step }),
            (profile, Fact::GoalReached { run, journey: journey.clone(), at }),
            (profile, Fact::RunEnded { run, journey, at, reason: "completed".to_owned() }),
        ],
        history: vec![(profile, event(profile, offset, "Order Completed"))],
        relays: vec![relay(&format!("relay{offset}"), 3)],
        poison: vec![poisoned(profile, Offset(offset + 1), at)],
        ..nothing(profile, offset)
    }
}

/// Everything that commits write, as one text to compare.
async fn all_of(store: &Database, profile: ProfileId) -> String {
    let mut reached = store.shards_reached().await.unwrap();
    reached.sort_by_key(|(shard, _)| *shard);
    let journeys = tidewater::analytics::journey_report(store, "welcome").await.unwrap();
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
        store.event_totals(&["Order Completed"]).await.unwrap(),
        store.segment_traffic().await.unwrap(),
        store.load_profiles(&[profile]).await.unwrap(),
        store.wakes(profile.shard(), None, Timestamp::MAX, 10).await.unwrap(),
        store.segment_sizes().await.unwrap(),
        store.membership_history(profile, 100).await.unwrap(),
        store.profile_history(profile, 100).await.unwrap(),
        store.outbox(None, 100).await.unwrap(),
        store.pending_relays(100).await.unwrap(),
        store.quarantine(100).await.unwrap(),
        reached,
        journeys,
    )
}

async fn what_is_not_kept_any_longer_goes(database: TestDatabase) {
    let ada = ProfileId(7);
    let store = database.open().await;
    for offset in 1..=4 {
        store.append(&Append { entries: vec![event(ada, offset, "Seen")], ..Append::default() }).await.unwrap();
        let history = vec![(ada, event(ada, offset, "Seen"))];
        store.commit(&[ShardCommit { history, ..nothing(ada, offset) }]).await.unwrap();
    }
    let memberships = vec![(ada, change("vip", true, 35))];
    store.commit(&[ShardCommit { memberships, ..nothing(ada, 4) }]).await.unwrap();
    let offsets = async |store: &Database| -> Vec<u64> {
        store.read_journal(Offset(0), 10).await.unwrap().iter().map(|entry| entry.offset.0).collect()
    };
    let all = Keep { journal: Some(Timestamp(1_000)), history: None };
    store.trim(all).await.unwrap();
    assert_eq!(offsets(&store).await, [1, 2, 3, 4], "255 shards have not said that they need nothing any more");
    let mut commits: Vec<_> = (0..SHARDS).map(|shard| ShardCommit::empty(ShardId(shard), Offset(9))).collect();
    commits[3].offset = Offset(2);
    store.commit(&commits).await.unwrap();
    store.trim(Keep { journal: Some(Timestamp(20)), history: None }).await.unwrap();
    assert_eq!(offsets(&store).await, [2, 3, 4], "the second was received at 20");
    store.trim(all).await.unwrap();
    assert_eq!(offsets(&store).await, [3, 4], "a shard has not saved the third");
    store.commit(&[ShardCommit::empty(ShardId(3), Offset(4))]).await.unwrap();
    store.trim(all).await.unwrap();
    assert_eq!(offsets(&store).await, [4], "the last tells where the journal ends");
    assert_eq!(store.journal_head().await.unwrap().offset, Offset(4));

    assert_eq!(store.profile_history(ada, 10).await.unwrap().len(), 4, "the history has a time of its own");
    store.trim(Keep { journal: None, history: Some(Timestamp(30)) }).await.unwrap();
    let left: Vec<u64> = store.profile_history(ada, 10).await.unwrap().iter().map(|item| item.offset.0).collect();
    assert_eq!(left, [4, 3]);
    assert_eq!(store.membership_history(ada, 9).await.unwrap().len(), 1);
    store.trim(Keep { journal: None, history: Some(Timestamp(36)) }).await.unwrap();
    assert_eq!(store.membership_history(ada, 9).await.unwrap().len(), 0);
    assert_eq!(store.events_recorded().await.unwrap(), 4, "what was counted stays counted");
}

/// The database checks no page of its own: a bit that flipped on the disk is told by what is in the row.
async fn damage_is_told_and_never_read(database: TestDatabase) {
    let ada = ProfileId(7);
    let store = database.open().await;
    store
        .append(&Append { entries: vec![event(ada, 1, "Seen"), event(ada, 2, "Seen")], ..Append::default() })
        .await
        .unwrap();
    let history = vec![(ada, event(ada, 1, "Seen"))];
    store.commit(&[ShardCommit { history, ..nothing(ada, 2) }]).await.unwrap();
    assert_eq!(store.read_journal(Offset(0), 10).await.unwrap().len(), 2);
    store.close().await;
    for (table, column) in [("journal_block", "entries"), ("history", "events")] {
        let flipped = match database.is_sqlite() {
            true => format!("CAST(substr({column}, 1, 20) || x'ff' || substr({column}, 22) AS BLOB)"),
            false => format!("set_byte({column}, 20, 255)"),
        };
        database.tamper(&format!("UPDATE {table} SET {column} = {flipped}")).await;
    }
    let store = database.open().await;
    let told = store.read_journal(Offset(0), 10).await.unwrap_err().to_string();
    let expected =
        "the database holds something that cannot be read: journal block 1: it is damaged: its checksum is wrong";
    assert_eq!(told, expected);
    let told = store.profile_history(ada, 10).await.unwrap_err().to_string();
    assert!(told.ends_with("it is damaged: its checksum is wrong"), "{told}");
}

async fn the_journal_comes_back_in_order(database: TestDatabase) {
    let store = database.open().await;
    assert_eq!(
        store.journal_head().await.unwrap(),
        JournalHead { offset: Offset(0), received_at: Timestamp::MIN },
        "an empty journal"
    );
    let blocks = [block(1..=3), block(4..=4), block(5..=9)];
    for entries in &blocks {
        store.append(&Append { entries: entries.clone(), ..Append::default() }).await.unwrap();
    }
    let written: Vec<Entry> = blocks.concat();
    assert_eq!(
        store.journal_head().await.unwrap(),
        JournalHead { offset: Offset(9), received_at: Timestamp(50) },
        "the last block's end and time"
    );
    assert_eq!(store.read_journal(Offset(0), 1_000).await.unwrap(), written);
    // From the middle of a block.
    assert_eq!(store.read_journal(Offset(6), 1_000).await.unwrap(), written[6..]);
    assert_eq!(store.read_journal(Offset(9), 1_000).await.unwrap(), []);
    // Read bit by bit, nothing is missing and nothing comes twice.
    let (mut read, mut after) = (Vec::new(), Offset(0));
    loop {
        let more = store.read_journal(after, 2).await.unwrap();
        let Some(last) = more.last() else { break };
        after = last.offset;
        read.extend(more);
    }
    assert_eq!(read, written);
    // The same offsets again would be another history.
    assert!(store.append(&Append { entries: block(5..=5), ..Append::default() }).await.is_err());
}

async fn an_append_is_whole_or_not_there(database: TestDatabase) {
    let store = database.open().await;
    let profile = ProfileId(7);
    store.commit(&[ShardCommit { relays: vec![relay("r", 7)], ..full(profile, 1) }]).await.unwrap();
    let before = all_of(&store, profile).await;
    let append = Append {
        entries: block(1..=2),
        identities: vec![add("user_id", "ada", 7)],
        denies: vec![Deny { profile, key: ConsentKey::Purpose("ads".to_owned()), entry: Offset(1) }],
        outbox: vec![],
        relayed: vec!["r".to_owned()],
        schedules_fired: vec![("weekly".to_owned(), Timestamp(5))],
        quarantined: vec![quarantined("no name", 10)],
        retried: Retried::default(),
        erasures: Vec::new(),
    };
    // The last part of the append fails, when all others are written.
    database.tamper("ALTER TABLE quarantine RENAME TO hidden").await;
    assert!(store.append(&append).await.is_err());
    database.tamper("ALTER TABLE hidden RENAME TO quarantine").await;
    assert_eq!(store.journal_head().await.unwrap().offset, Offset(0));
    assert_eq!(store.find_profile_by("user_id", "ada").await.unwrap(), None);
    assert_eq!(store.schedules_fired().await.unwrap(), []);
    assert_eq!(all_of(&store, profile).await, before);
    // With nothing in its way the same append goes through.
    store.append(&append).await.unwrap();
    assert_eq!(store.journal_head().await.unwrap().offset, Offset(2));
    assert_eq!(store.find_profile_by("user_id", "ada").await.unwrap(), Some(profile));
    assert_eq!(store.pending_relays(10).await.unwrap(), []);
    assert_eq!(store.quarantine(10).await.unwrap().len(), 2);
}

async fn a_commit_is_whole_or_not_there(database: TestDatabase) {
    let store = database.open().await;
    let profile = ProfileId(7);
    let empty = all_of(&store, profile).await;
    database.tamper("ALTER TABLE shard_offset RENAME TO hidden").await;
    assert!(store.commit(&[full(profile, 1)]).await.is_err());
    database.tamper("ALTER TABLE hidden RENAME TO shard_offset").await;
    assert_eq!(all_of(&store, profile).await, empty);
    store.commit(&[full(profile, 1)]).await.unwrap();
    assert_ne!(all_of(&store, profile).await, empty);
}

async fn a_commit_twice_is_a_commit_once(database: TestDatabase) {
    let store = database.open().await;
    let profile = ProfileId(7);
    let commits = [full(profile, 1), full(profile, 3)];
    store.commit(&commits).await.unwrap();
    let once = all_of(&store, profile).await;
    assert_eq!(store.events_recorded().await.unwrap(), 2);
    store.commit(&commits).await.unwrap();
    assert_eq!(all_of(&store, profile).await, once);
    // An effect that is on its way is not made ready again by a replay that decides it once more.
    let claimed = store.claim("crm", Timestamp(1_000), &Room::of(10)).await.unwrap();
    assert_eq!(claimed.taken.len(), 2);
    store.commit(&commits).await.unwrap();
    assert!(store.claim("crm", Timestamp(1_000), &Room::of(10)).await.unwrap().taken.is_empty());
}

async fn memberships_follow_the_last_change(database: TestDatabase) {
    let store = database.open().await;
    let (ada, bob) = (ProfileId(1), ProfileId(2));
    let memberships = vec![
        (ada, change("vip", true, 10)),
        (bob, change("vip", true, 11)),
        (ada, change("vip", false, 20)),
        (ada, change("new", true, 20)),
        (bob, change("vip", false, 30)),
        (bob, change("vip", true, 40)),
    ];
    store.commit(&[ShardCommit { memberships, ..nothing(ada, 1) }]).await.unwrap();
    let vip = store.segment_members("vip", None, 10).await.unwrap();
    assert_eq!(vip.iter().map(|one| (one.profile, one.since)).collect::<Vec<_>>(), [(bob, Timestamp(40))]);
    let sizes = store.segment_sizes().await.unwrap();
    let sizes: Vec<_> = sizes.iter().map(|size| (size.segment.as_str(), size.members)).collect();
    assert_eq!(sizes, [("new", 1), ("vip", 1)]);
    assert_eq!(store.segment_traffic().await.unwrap()["vip"], (3, 2));
    let of_bob = store.membership_history(bob, 2).await.unwrap();
    assert_eq!(of_bob.iter().map(|item| (item.at.0, item.entered)).collect::<Vec<_>>(), [(40, true), (30, false)]);
}

async fn texts_come_back_as_they_went(database: TestDatabase) {
    let store = database.open().await;
    let long = "ü".repeat(100_000);
    let texts = ["it's", "\"quoted\"", "back\\slash", "'); DROP TABLE profile; --", "$1 ? %s", "🌊\u{7f}\n\t", &long];
    for (index, text) in (1_u64..).zip(texts) {
        let profile = ProfileId(u128::from(index));
        let mut entry = event(profile, index, text);
        if let EntryBody::Event(event) = &mut entry.body {
            event.properties.insert((*text).to_owned(), Value::from(text));
        }
        let append = Append {
            entries: vec![entry.clone()],
            identities: vec![add("user_id", text, u128::from(index))],
            quarantined: vec![quarantined(text, index as i64)],
            ..Append::default()
        };
        store.append(&append).await.unwrap();
        let commit = ShardCommit {
            memberships: vec![(profile, change(text, true, 1))],
            history: vec![(profile, entry.clone())],
            ..nothing(profile, index)
        };
        store.commit(&[commit]).await.unwrap();
        assert_eq!(store.read_journal(Offset(index - 1), 1).await.unwrap(), std::slice::from_ref(&entry));
        assert_eq!(store.find_profile_by("user_id", text).await.unwrap(), Some(profile));
        assert_eq!(store.identifiers_of(profile).await.unwrap(), [identifier("user_id", text)]);
        assert_eq!(store.segment_members(text, None, 10).await.unwrap().len(), 1);
        let EntryBody::Event(event) = entry.body else { unreachable!() };
        assert_eq!(store.profile_history(profile, 1).await.unwrap()[0].event, event);
        assert_eq!(store.quarantine(1).await.unwrap()[0].1.reason(), text);
    }
}

async fn the_newest_firing_of_a_schedule_stands(database: TestDatabase) {
    let store = database.open().await;
    let fired = |at: &[i64]| Append {
        schedules_fired: at.iter().map(|at| ("weekly".to_owned(), Timestamp(*at))).collect(),
        ..Append::default()
    };
    store.append(&fired(&[5])).await.unwrap();
    // After a long sleep many firings may be caught up with in one group.
    store.append(&fired(&[6, 7, 8])).await.unwrap();
    assert_eq!(store.schedules_fired().await.unwrap(), [("weekly".to_owned(), Timestamp(8))]);
}

async fn identifiers_follow_merges(database: TestDatabase) {
    let store = database.open().await;
    let merge = |loser, winner| IdentityChange::Merge { loser: ProfileId(loser), winner: ProfileId(winner) };
    let append = |identities| Append { identities, ..Append::default() };
    store.append(&append(vec![add("anonymous_id", "a1", 1), add("user_id", "u2", 2)])).await.unwrap();
    // All in the order in which they are given: what is added to a loser before its merge goes along.
    let changes = vec![add("anonymous_id", "a2", 1), merge(1, 2), add("anonymous_id", "a3", 2), merge(2, 3)];
    store.append(&append(changes)).await.unwrap();
    let wanted = [
        identifier("anonymous_id", "a1"),
        identifier("anonymous_id", "a2"),
        identifier("anonymous_id", "a3"),
        identifier("user_id", "u2"),
    ];
    assert_eq!(store.identifiers_of(ProfileId(3)).await.unwrap(), wanted);
    assert_eq!(store.identifiers_of(ProfileId(1)).await.unwrap(), []);
    for profile in 1..=3 {
        assert_eq!(store.surviving_profile(ProfileId(profile)).await.unwrap(), ProfileId(3));
    }
    let asked = [wanted[0].clone(), identifier("user_id", "a1"), identifier("user_id", "nobody")];
    let found = store.find_profiles(&asked).await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(wanted[0].clone(), ProfileId(3))]);
    // The history of those that were merged away is the survivor's.
    let history = [(ProfileId(1), event(ProfileId(1), 1, "Seen"))];
    store.commit(&[ShardCommit { history: history.to_vec(), ..nothing(ProfileId(1), 1) }]).await.unwrap();
    assert_eq!(store.profile_history(ProfileId(3), 10).await.unwrap().len(), 1);
}

async fn relays_wait_in_order_until_they_are_in_the_journal(database: TestDatabase) {
    let store = database.open().await;
    let commit = |offset, ids: &[&str]| ShardCommit {
        relays: ids.iter().map(|id| relay(id, 5)).collect(),
        ..nothing(ProfileId(5), offset)
    };
    // The names are against the order on purpose.
    store.commit(&[commit(1, &["z", "y"]), commit(2, &["x"])]).await.unwrap();
    store.commit(&[commit(3, &["a", "z"])]).await.unwrap();
    let ids = async |limit| -> Vec<String> {
        store.pending_relays(limit).await.unwrap().into_iter().map(|relay| relay.id).collect()
    };
    assert_eq!(ids(10).await, ["z", "y", "x", "a"]);
    assert_eq!(ids(2).await, ["z", "y"]);
    let relayed = vec!["z".to_owned(), "x".to_owned()];
    store.append(&Append { entries: block(1..=2), relayed, ..Append::default() }).await.unwrap();
    assert_eq!(ids(10).await, ["y", "a"]);
    assert_eq!(store.pending_relays(1).await.unwrap(), [relay("y", 5)]);
}

/// More than either database takes as bound values of one statement.
async fn large_sets_are_read_whole(database: TestDatabase) {
    const MANY: u128 = 70_000;
    let store = database.open().await;
    let profiles: Vec<ProfileId> = (1..=MANY).map(ProfileId).collect();
    let saved =
        profiles.iter().map(|id| SavedProfile { id: *id, snapshot: id.to_string().into_bytes(), wake: None }).collect();
    let memberships = profiles.iter().map(|id| (*id, change("all", true, 1))).collect();
    store.commit(&[ShardCommit { profiles: saved, memberships, ..nothing(ProfileId(1), 1) }]).await.unwrap();
    let identities = (1..=MANY).map(|id| add("user_id", &format!("u{id}"), id)).collect();
    store.append(&Append { identities, ..Append::default() }).await.unwrap();

    let loaded = store.load_profiles(&profiles).await.unwrap();
    assert_eq!(loaded.len(), profiles.len());
    assert!(loaded.iter().all(|one| one.snapshot == one.id.to_string().into_bytes()));
    let asked: Vec<Identifier> = (1..=MANY).map(|id| identifier("user_id", &format!("u{id}"))).collect();
    assert_eq!(store.find_profiles(&asked).await.unwrap().len(), asked.len());
    let members = store.segment_members("all", None, MANY as u64).await.unwrap();
    assert_eq!(members.iter().map(|member| member.profile).collect::<Vec<_>>(), profiles);
    assert!(members.iter().all(|one| one.identifiers == [identifier("user_id", &format!("u{}", one.profile.0))]));
    // Page by page they are the same.
    let first = store.segment_members("all", None, 3).await.unwrap();
    let second = store.segment_members("all", Some(first[2].profile), 3).await.unwrap();
    assert_eq!([first, second].concat(), members[..6]);
    let wave = vec!["none".to_owned(); MANY as usize];
    store.append(&Append { relayed: wave, ..Append::default() }).await.unwrap();
}

async fn everything_is_there_after_reopening(database: TestDatabase) {
    let store = database.open().await;
    let profile = ProfileId(7);
    store.commit(&[full(profile, 1)]).await.unwrap();
    store.append(&Append { entries: block(1..=3), ..Append::default() }).await.unwrap();
    let deploy = |offset, version: &str| Entry {
        target: Target::Everyone,
        body: EntryBody::Deploy(Deploy { version: version.to_owned(), unknown: Vec::new() }),
        ..block(offset..=offset).remove(0)
    };
    let sources = vec![("rules/a.tide".to_owned(), "topic news".to_owned())];
    assert_eq!(store.active_program().await.unwrap(), None);
    store.save_program("v1", &sources).await.unwrap();
    store.append(&Append { entries: vec![deploy(4, "v0"), deploy(5, "v1")], ..Append::default() }).await.unwrap();
    assert_eq!(store.deploys().await.unwrap(), [(Offset(4), "v0".to_owned()), (Offset(5), "v1".to_owned())]);
    let secret = store.secret("links").await.unwrap();
    assert_eq!(secret.len(), 32);
    assert_ne!(store.secret("other").await.unwrap(), secret);
    let before = (all_of(&store, profile).await, store.read_journal(Offset(0), 10).await.unwrap());
    store.close().await;

    let store = Database::open_existing(&database.url).await.unwrap();
    store.ping().await.unwrap();
    assert_eq!((all_of(&store, profile).await, store.read_journal(Offset(0), 10).await.unwrap()), before);
    assert_eq!(store.secret("links").await.unwrap(), secret);
    assert_eq!(store.active_program().await.unwrap(), Some(("v1".to_owned(), sources)));
    assert_eq!(store.profiles_of_shard(profile.shard(), None, 10).await.unwrap(), [profile]);
    assert_eq!(store.profiles_of_shard(ShardId(200), None, 10).await.unwrap(), []);
    if database.is_sqlite() {
        // A commit survives power loss: FULL is 2.
        let wanted = [("journal_mode", "wal"), ("synchronous", "2")];
        assert_eq!(store.durability().await.unwrap(), wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

async fn a_store_that_must_not_be_used_says_why(database: TestDatabase) {
    if database.is_sqlite() {
        let error = Database::open_existing(&database.url).await.unwrap_err().to_string();
        assert!(error.contains("tidewater serve"), "{error}");
    }
    database.open().await.close().await;
    database.tamper("UPDATE setting SET value = '64' WHERE name = 'shards'").await;
    let error = Database::open(&database.url).await.unwrap_err().to_string();
    assert!(error.contains("64") && error.contains("256"), "{error}");
    database.tamper("UPDATE setting SET value = '256' WHERE name = 'shards'").await;
    database.tamper("INSERT INTO seaql_migrations (version, applied_at) VALUES ('v9', 0)").await;
    let error = Database::open(&database.url).await.unwrap_err().to_string();
    assert!(error.contains("newer"), "{error}");
}

/// Version 2 had texts where bytes are now, and a row of the history for each event.
async fn what_the_second_version_wrote_is_taken_over(database: TestDatabase) {
    let (ada, bob) = (ProfileId(7), ProfileId(8));
    let store = database.open().await;
    let entries = vec![event(ada, 1, "Seen"), event(bob, 2, "Seen"), clicked(ada, 3)];
    store.append(&Append { entries: entries.clone(), ..Append::default() }).await.unwrap();
    let snapshot = b"\x01{\"id\":7}".to_vec();
    let profiles = vec![SavedProfile { id: ada, snapshot: snapshot.clone(), wake: Some(Timestamp(5)) }];
    store.commit(&[ShardCommit { profiles, ..nothing(ada, 3) }]).await.unwrap();
    store.close().await;
    let bytes_to_text = |table: &str, column: &str, text: &str| match database.is_sqlite() {
        true => format!("UPDATE {table} SET {column} = '{text}'"),
        false => format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE text USING '{text}'"),
    };
    database.tamper(&bytes_to_text("profile", "snapshot", "\u{1}{\"id\":7}")).await;
    database.tamper(&bytes_to_text("journal_block", "entries", &serde_json::to_string(&entries).unwrap())).await;
    database.tamper("DROP TABLE history").await;
    database.tamper("DROP TABLE event_tally").await;
    database.tamper("DROP TABLE segment_day").await;
    database
        .tamper(
            "CREATE TABLE membership_change (profile varchar NOT NULL, segment varchar NOT NULL, at bigint NOT NULL, \
             entered boolean NOT NULL, cause varchar NOT NULL, PRIMARY KEY (profile, segment, at, entered))",
        )
        .await;
    for (at, entered) in [(5, "true"), (9, "false")] {
        let values = format!("'{ada}', 'vip', {at}, {entered}, 'event'");
        database.tamper(&format!("INSERT INTO membership_change VALUES ({values})")).await;
    }
    database
        .tamper(
            "CREATE TABLE history (entry bigint NOT NULL PRIMARY KEY, profile varchar NOT NULL, message_id varchar, \
             kind varchar, name varchar, source varchar, happened_at bigint, received_at bigint NOT NULL, event text \
             NOT NULL)",
        )
        .await;
    for entry in &entries {
        let (Target::Profile(profile), EntryBody::Event(event)) = (entry.target, &entry.body) else { unreachable!() };
        let (offset, received_at, event) = (entry.offset.0, entry.received_at.0, serde_json::to_string(event).unwrap());
        let columns = "entry, profile, received_at, event";
        let values = format!("{offset}, '{profile}', {received_at}, '{event}'");
        database.tamper(&format!("INSERT INTO history ({columns}) VALUES ({values})")).await;
    }
    database.tamper("DELETE FROM seaql_migrations WHERE version = 'v3'").await;

    let store = database.open().await;
    assert_eq!(store.read_journal(Offset(0), 10).await.unwrap(), entries);
    assert_eq!(store.load_profiles(&[ada]).await.unwrap()[0].snapshot, snapshot);
    assert_eq!(store.wakes(ada.shard(), None, Timestamp(5), 9).await.unwrap(), [(Timestamp(5), ada)]);
    let of_ada = store.profile_history(ada, 10).await.unwrap();
    assert_eq!(of_ada.iter().map(|item| item.offset).collect::<Vec<_>>(), [Offset(3), Offset(1)]);
    assert_eq!(EntryBody::Event(of_ada[1].event.clone()), entries[0].body);
    assert_eq!(store.event_totals(&["Seen", "None"]).await.unwrap(), [("Seen".to_owned(), 2, Timestamp(17))]);
    assert_eq!(store.events_recorded().await.unwrap(), 3);
    let changes = store.membership_history(ada, 9).await.unwrap();
    assert_eq!(changes, [change("vip", false, 9), change("vip", true, 5)]);
    assert_eq!(store.segment_traffic().await.unwrap(), [("vip".to_owned(), (1, 1))].into());
    let report = tidewater::analytics::journey_report(&store, "welcome").await.unwrap();
    assert_eq!(report.clicked, 1, "clicks stand with their step now");
}

/// A click on the mail of a step.
fn clicked(profile: ProfileId, offset: u64) -> Entry {
    let mut entry = event(profile, offset, "Email Clicked");
    if let EntryBody::Event(event) = &mut entry.body {
        let said = [("run_id", "r"), ("journey", "welcome"), ("step", "hello"), ("effect_id", "e")];
        event.properties = said.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    }
    entry
}

async fn a_database_of_the_first_version_is_brought_up_to_date(database: TestDatabase) {
    let store = database.open().await;
    store.save_program("v1", &[]).await.unwrap();
    store.commit(&[ShardCommit { time: Timestamp(9), ..nothing(ProfileId(7), 4) }]).await.unwrap();
    store.close().await;
    for sql in [
        "DROP TABLE deploy",
        "ALTER TABLE shard_offset DROP COLUMN time",
        "ALTER TABLE merged_profile DROP COLUMN entry",
        "INSERT INTO setting (name, value) VALUES ('active_program', 'v1')",
        "DELETE FROM seaql_migrations WHERE version = 'v2'",
    ] {
        database.tamper(sql).await;
    }
    let store = database.open().await;
    assert_eq!(store.active_program().await.unwrap(), Some(("v1".to_owned(), Vec::new())));
    let reached = Reached { offset: Offset(4), time: Timestamp::MIN };
    assert_eq!(store.shards_reached().await.unwrap(), [(ProfileId(7).shard(), reached)]);
}

async fn profiles_of_a_shard_become_neighbours(database: TestDatabase) {
    let [ada, bob] = [0xab_u128, 0x05].map(|first| ProfileId(first << 120 | 1));
    let store = database.open().await;
    let saved = |id| SavedProfile { id, snapshot: vec![1], wake: Some(Timestamp(5)) };
    let commit = |id: ProfileId| ShardCommit { profiles: vec![saved(id)], ..nothing(id, 9) };
    store.commit(&[commit(ada), commit(bob)]).await.unwrap();
    store.close().await;
    let as_before = ["UPDATE profile SET shard = 7", "DELETE FROM seaql_migrations WHERE version = 'shards_in_order'"];
    for sql in as_before {
        database.tamper(sql).await;
    }
    let store = database.open().await;
    for one in [ada, bob] {
        assert_eq!(store.wakes(one.shard(), None, Timestamp(5), 9).await.unwrap(), [(Timestamp(5), one)]);
    }
    assert_eq!(store.shards_reached().await.unwrap(), [], "some shards never saved: all begin at the beginning");
    store.close().await;
    let others = (0..SHARDS).map(|shard| format!("({shard}, {}, {})", 40 + shard, 90 - i32::from(shard) / 9));
    let fill =
        format!("INSERT INTO shard_offset (shard, applied, time) VALUES {}", others.collect::<Vec<_>>().join(", "));
    for sql in [fill.as_str(), as_before[1]] {
        database.tamper(sql).await;
    }
    let reached = database.open().await.shards_reached().await.unwrap();
    let least = Reached { offset: Offset(40), time: Timestamp(90 - 255 / 9) };
    assert!(reached.len() == usize::from(SHARDS) && reached.iter().all(|(_, at)| *at == least), "{reached:?}");
}

async fn a_past_holds_what_was_merged_and_since_when(database: TestDatabase) {
    let store = database.open().await;
    let (ada, tab, old, bob) = (ProfileId(1), ProfileId(2), ProfileId(3), ProfileId(4));
    let merge = |loser: ProfileId, winner, offset| Append {
        entries: vec![Entry {
            target: Target::Profile(loser),
            body: EntryBody::MergeAway { winner },
            ..block(offset..=offset).remove(0)
        }],
        identities: vec![IdentityChange::Merge { loser, winner }],
        ..Append::default()
    };
    store.append(&merge(old, tab, 5)).await.unwrap();
    store.append(&merge(tab, ada, 8)).await.unwrap();
    let counted = |profile, offset, name| (profile, event(profile, offset, name));
    let history = vec![
        counted(ada, 1, "Order Completed"),
        counted(tab, 2, "Order Completed"),
        counted(old, 3, "Order Completed"),
        counted(old, 4, "Signed Up"),
        counted(bob, 6, "Order Completed"),
        counted(ada, 9, "Order Completed"),
    ];
    store.commit(&[ShardCommit { history, ..nothing(ada, 9) }]).await.unwrap();
    let names = Some(["Order Completed".to_owned()].into());
    let found = async |profile: ProfileId, wanted: Wanted| {
        // One that was merged may be asked for beside its winner.
        let asked: BTreeSet<ProfileId> = [bob, profile, tab].into();
        let asked: Vec<ProfileId> = asked.into_iter().collect();
        let pasts = store.pasts(&asked, &wanted).await.unwrap();
        let mut found: Vec<(u64, u64)> = pasts[&profile].iter().map(|past| (past.offset.0, past.joined.0)).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(found(ada, Wanted { names: names.clone(), before: Offset(9) }).await, [(1, 0), (2, 8), (3, 8)]);
    assert_eq!(found(ada, Wanted { names: None, before: Offset(10) }).await, [(1, 0), (2, 8), (3, 8), (4, 8), (9, 0)]);
    assert_eq!(found(tab, Wanted { names, before: Offset(9) }).await, [(2, 0), (3, 5)]);
}
