//! Faults of the engine in what others wait for: the halves of a merge, what was parked meanwhile, and a deploy that asks
//! for the past. Nobody waits for ever, and a mended engine replays what was lived.

use std::collections::BTreeSet;

use super::*;
use crate::engine::backfill::Past;
use crate::engine::{Skips, snapshot};

/// On what the engine trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TripsOn {
    HandingOver,
    TakingIn,
    WhatWasParked,
    /// The past of the sleepless one.
    ThePast,
}

fn trips(entry: &Entry) -> bool {
    matches!(&entry.body, EntryBody::Event(event) if event.name == TRIPPING)
}

impl Engine for TripsOn {
    fn apply(&self, profile: &mut Profile, program: &Program, entry: &Entry) -> Transition {
        let is_absorb = matches!(entry.body, EntryBody::Absorb { .. });
        let is_wrong = match self {
            Self::HandingOver => matches!(entry.body, EntryBody::MergeAway { .. }),
            Self::TakingIn => is_absorb,
            // While it is parked nobody looks into it.
            Self::WhatWasParked => {
                (is_absorb && profile.parked.iter().any(trips)) || (trips(entry) && profile.awaited.is_none())
            }
            Self::ThePast => false,
        };
        assert!(!is_wrong, "the engine tripped");
        Sound.apply(profile, program, entry)
    }

    fn fill(&self, profile: &mut Profile, program: &Program, history: &[Past]) -> Transition {
        let is_wrong = *self == Self::ThePast && profile.id() == ProfileId::from_identifier("user_id", SLEEPLESS);
        assert!(!is_wrong, "the engine tripped");
        Sound.fill(profile, program, history)
    }
}

fn user(name: &str) -> ProfileId {
    ProfileId::from_identifier("user_id", name)
}

/// How many orders count for a profile.
async fn orders(platform: &Running, profile: ProfileId) -> u64 {
    let states = states_of(platform, &[profile]).await;
    let state = serde_json::to_value(snapshot::decode(&states[&profile]).unwrap()).unwrap();
    assert!(state.get("awaited").is_none() && state.get("parked").is_none(), "nothing waits: {state}");
    let count = state["aggregates"].as_object().and_then(|all| all.values().next()).map(|one| one["count"].clone());
    count.and_then(|count| count.as_u64()).unwrap_or_default()
}

async fn open(dir: &std::path::Path, name: &str) -> crate::store::Database {
    crate::store::Database::open(&format!("sqlite://{}/{name}.db", dir.display())).await.unwrap()
}

/// The journal alone, by a sound engine, gives the same states. (A platform would hand over what is handed over already.)
async fn replay_agrees(platform: &Running, profiles: &[ProfileId]) {
    let lived = states_of(platform, profiles).await;
    assert_eq!(lived.len(), profiles.len());
    let journal = platform.store.read_journal(Offset(0), 10_000).await.unwrap();
    let skips = Skips::of_journal(&journal);
    assert!(!skips.is_empty());
    let program = platform.program();
    for (id, snapshot) in lived {
        let mut profile = Profile::new(id);
        for entry in journal.iter().filter(|entry| entry.target == Target::Profile(id)) {
            skips.apply(&mut profile, &program, entry);
        }
        assert_eq!(text(&profile), text(&snapshot::decode(&snapshot).unwrap()));
    }
}

fn text(profile: &Profile) -> String {
    serde_json::to_string_pretty(profile).unwrap()
}

/// The same by a platform: another database knows no more than the journal, and its engine trips over nothing.
async fn another_platform_agrees(platform: &Running, rules: &str, clock: &Clock, profiles: &[ProfileId]) {
    let lived = states_of(platform, profiles).await;
    assert_eq!(lived.len(), profiles.len());
    let journal = platform.store.read_journal(Offset(0), 10_000).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let copy = open(dir.path(), "copy").await;
    for (_, version) in platform.store.deploys().await.unwrap() {
        let sources = platform.store.program(&version).await.unwrap().unwrap();
        copy.save_program(&version, &sources).await.unwrap();
    }
    for entries in journal.chunk_by(|one, next| one.received_at == next.received_at) {
        copy.append(&Append { entries: entries.to_vec(), ..Append::default() }).await.unwrap();
    }
    let replayed = start_on(copy, rules, clock.clone(), Arc::new(Sound)).await;
    replayed.settle().await;
    assert_eq!(lived, states_of(&replayed, profiles).await, "to the byte");
    assert!(replayed.store.quarantine(10).await.unwrap().is_empty(), "nothing failed this time");
    replayed.stop().await;
}

/// A visitor with an order turns out to be ada, under an engine that trips. `without` and `with`: how many of her orders
/// count before and after a mended engine tries again what was set aside.
async fn a_merge_trips(on: TripsOn, set_aside: &str, without: u64, with: u64) {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::virtual_from(Timestamp::parse("2026-03-01T09:30:00Z").unwrap());
    let platform = start_on(open(dir.path(), "own").await, RULES, clock.clone(), Arc::new(on)).await;
    let order = |id: &str| event(id, "Order Completed", "ada");
    let of_visitor = Event { user_id: None, anonymous_id: Some("v".to_owned()), ..order("m1") };
    platform.ingest(vec![of_visitor], Vec::new()).await.unwrap();
    platform.ingest(vec![order("m2")], Vec::new()).await.unwrap();
    platform.settle().await;
    let joins = Event { anonymous_id: Some("v".to_owned()), ..order("m3") };
    let meanwhile = event("m4", if on == TripsOn::WhatWasParked { TRIPPING } else { "Seen" }, "ada");
    platform.ingest(vec![joins, meanwhile, order("m5")], Vec::new()).await.unwrap();
    platform.settle().await;
    let (ada, visitor) = (user("ada"), ProfileId::from_identifier("anonymous_id", "v"));
    let refused = platform.store.quarantine(10).await.unwrap();
    let [(_, row)] = refused.as_slice() else { panic!("{refused:?}") };
    assert!(row.code == "poison" && row.payload.contains(set_aside), "{row:?}");
    assert_eq!(orders(&platform, ada).await, without);
    platform.ingest(vec![order("m6")], Vec::new()).await.unwrap();
    platform.settle().await;
    assert_eq!(orders(&platform, ada).await, without + 1, "she goes on");
    replay_agrees(&platform, &[ada, visitor]).await;
    platform.abort().await;
    // Also after a crash; and what was set aside is not lost.
    let platform = start_on(open(dir.path(), "own").await, RULES, clock.clone(), Arc::new(Sound)).await;
    platform.settle().await;
    assert_eq!(orders(&platform, ada).await, without + 1);
    again(&platform).await;
    assert_eq!(orders(&platform, ada).await, with + 1);
    assert!(platform.store.quarantine(10).await.unwrap().is_empty());
    let counts: BTreeMap<String, i64> = platform.store.message_counts().await.unwrap().into_iter().collect();
    assert_eq!(counts, ["m1", "m2", "m3", "m4", "m5", "m6"].map(|id| (id.to_owned(), 1)).into());
    replay_agrees(&platform, &[ada, visitor]).await;
    platform.stop().await;
}

#[actix_rt::test]
async fn a_profile_that_cannot_be_handed_over_keeps_nobody_waiting() {
    a_merge_trips(TripsOn::HandingOver, "merge_away", 3, 4).await;
}

#[actix_rt::test]
async fn a_profile_that_cannot_be_taken_in_keeps_nobody_waiting() {
    a_merge_trips(TripsOn::TakingIn, "absorb", 3, 4).await;
}

#[actix_rt::test]
async fn of_what_was_parked_that_alone_is_passed_over_on_which_the_engine_fails() {
    a_merge_trips(TripsOn::WhatWasParked, TRIPPING, 4, 4).await;
}

#[actix_rt::test]
async fn a_past_that_cannot_be_taken_in_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::virtual_from(Timestamp::parse("2026-03-01T09:30:00Z").unwrap());
    let platform = start_on(open(dir.path(), "own").await, RULES, clock.clone(), Arc::new(TripsOn::ThePast)).await;
    let order = |id: &str, user: &str| event(id, "Order Completed", user);
    for (n, name) in ["bob", SLEEPLESS].iter().enumerate() {
        platform.ingest(vec![order(&format!("a{n}"), name), order(&format!("b{n}"), name)], Vec::new()).await.unwrap();
    }
    platform.settle().await;
    let rules = format!("{RULES}segment loyal = did \"Order Completed\" at least 2 times\n");
    let deployed = platform.deploy(&compiled("1 GB", &rules).0).await.unwrap();
    assert_eq!(deployed.backfilled, ["loyal"]);
    platform.settle().await;
    let (bob, zoe) = (user("bob"), user(SLEEPLESS));
    let loyal = async |platform: &Running| {
        let members = platform.store.segment_members("loyal", None, 10).await.unwrap();
        members.into_iter().map(|member| member.profile).collect::<BTreeSet<_>>()
    };
    assert_eq!(loyal(&platform).await, [bob].into(), "her past is passed over");
    let refused = platform.store.quarantine(10).await.unwrap();
    let [(_, row)] = refused.as_slice() else { panic!("{refused:?}") };
    assert!(row.code == "poison" && row.payload.contains("deploy"), "{row:?}");
    platform.ingest(vec![order("c1", SLEEPLESS), order("d1", SLEEPLESS)], Vec::new()).await.unwrap();
    platform.settle().await;
    assert_eq!(loyal(&platform).await, [bob, zoe].into(), "what comes from then on counts");
    assert_eq!(orders(&platform, zoe).await, 4);
    another_platform_agrees(&platform, &rules, &clock, &[bob, zoe]).await;
    platform.stop().await;
}
