//! The whole platform in virtual time, on one thread, over a store and a world that fail: each seed is one run, and runs
//! the same each time.
//!
//! `TIDEWATER_SEEDS=20000 cargo nextest run --test simulation --no-capture` runs more of them,
//! `TIDEWATER_SEED=123 cargo nextest run --test simulation --no-capture -E 'test(seeds)'` runs one again.

mod check;
mod conformance;
#[allow(dead_code, reason = "the platform's tests ask more of it")]
#[path = "../platform/databases.rs"]
mod databases;
mod faults;
#[allow(dead_code, reason = "the platform's tests do more to it")]
#[path = "../platform/postgres.rs"]
mod postgres;
#[path = "../platform/replay.rs"]
mod replay;
mod run;
mod script;
mod store;
mod strikes;
mod workspace;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::catch_unwind;

use script::Verb;
use tidewater::channels::breaker::Contact;
use tidewater::model::{EntryBody, Skipped};

/// Seeds of one test; there are as many tests as cores to share them.
const SEEDS: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn seeds(share: u64, shares: u64) {
    if let Some(seed) = number("TIDEWATER_SEED") {
        return check::check(&run::run(seed));
    }
    let count = number("TIDEWATER_SEEDS").unwrap_or(SEEDS);
    let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in (0..count).filter(|seed| seed % shares == share) {
        let result = catch_unwind(|| {
            let outcome = run::run(seed);
            check::check(&outcome);
            counts(&outcome)
        });
        let Ok(counts) = result else { panic!("seed {seed} failed: run it again with TIDEWATER_SEED={seed}") };
        counts.into_iter().for_each(|(what, count)| *sums.entry(what).or_default() += count);
    }
    println!("simulation {share}/{shares} of {count} seeds:");
    sums.iter().for_each(|(what, count)| println!("{count:>9} {what}"));
    assert!(sums.values().all(|count| *count > 0) || count < SEEDS, "the script has something of everything");
}

/// What a run had of all that can happen in one.
fn counts(outcome: &run::Outcome) -> [(&'static str, usize); 20] {
    let (durable, receipts) = (&outcome.durable, outcome.world.receipts.lock().unwrap());
    let effects = |kind: &str| durable.outbox.values().filter(|item| item.effect.body.kind() == kind).count();
    let entries = |is_it: fn(&EntryBody) -> bool| durable.journal.iter().filter(|entry| is_it(&entry.body)).count();
    let by_hand = |wanted| durable.by_hand.iter().filter(|(_, verb, _)| *verb == wanted).count();
    let skipped =
        |is_entry| outcome.tripped.iter().filter(|(_, it)| matches!(it, Skipped::Entry(_)) == is_entry).count();
    let deploys = |is_backfilled| {
        let deploys = durable.journal.iter().filter_map(|entry| match &entry.body {
            EntryBody::Deploy(deploy) => Some(!deploy.unknown.is_empty()),
            _ => None,
        });
        deploys.filter(|backfilled| *backfilled == is_backfilled).count()
    };
    [
        ("lives of a platform", outcome.lives),
        ("calls to the store", outcome.calls),
        ("events accepted", outcome.told.acked.len()),
        ("times that a source was asked to come again", outcome.told.busy),
        ("words on consent that came by no event", entries(|body| matches!(body, EntryBody::Consent(_)))),
        ("withdrawals taken back", check::consent::taken_back(outcome)),
        ("people forgotten", outcome.told.erased.len()),
        ("merges", entries(|body| matches!(body, EntryBody::Absorb { .. }))),
        ("ranks worked out", entries(|body| matches!(body, EntryBody::RankRefreshed { .. }))),
        ("schedules that came up", entries(|body| matches!(body, EntryBody::ScheduleFired { .. }))),
        ("deploys without a need of the past", deploys(false)),
        ("deploys that needed the past", deploys(true)),
        ("mails decided", effects("email")),
        ("calls decided", effects("webhook")),
        ("changes of audiences decided", effects("audience_sync")),
        ("tries that met silence", receipts.iter().filter(|receipt| receipt.contact == Contact::Silent).count()),
        ("effects sent again by hand", by_hand(Verb::Retry)),
        ("effects dropped by hand", by_hand(Verb::Drop)),
        ("entries passed over", skipped(true)),
        ("wakes passed over", skipped(false)),
    ]
}

#[test]
fn seeds_of_the_first_half() {
    seeds(0, 2);
}

#[test]
fn seeds_of_the_second_half() {
    seeds(1, 2);
}

/// What was lived, over a store that fails and in many lives; a replay from zero; and one from the checkpoint after each
/// entry, be it an event, a half of a merge, a deploy that needs the past, a schedule, a rank, a word on consent, an erasure
/// and what it left, or something passed over.
#[test]
fn lived_and_replayed_from_zero_and_from_any_checkpoint_states_and_effects_are_equal() {
    let (mut kinds, mut checkpoints) = (BTreeSet::new(), 0);
    for seed in 0..40 {
        let outcome = run::run(seed);
        check::check(&outcome);
        checkpoints += check::replay::agrees_from_each_checkpoint(&outcome);
        kinds.extend(outcome.durable.journal.iter().map(|entry| match &entry.body {
            EntryBody::Event(_) => "event",
            EntryBody::MergeAway { .. } => "goes",
            EntryBody::Expect { .. } => "is expected",
            EntryBody::Absorb { .. } => "is taken in",
            EntryBody::Deploy(deploy) if deploy.unknown.is_empty() => "deploy",
            EntryBody::Deploy(_) => "deploy that needs the past",
            EntryBody::ScheduleFired { .. } => "schedule",
            EntryBody::RankRefreshed { .. } => "rank",
            EntryBody::Skip(_) => "skip",
            EntryBody::Consent(_) => "consent",
            EntryBody::Erase => "erase",
            EntryBody::Erased => "erased",
        }));
    }
    println!("replayed from {checkpoints} checkpoints");
    assert_eq!(kinds.len(), 12, "{kinds:?}");
}

#[test]
fn a_seed_runs_the_same_each_time() {
    for seed in 0..20 {
        let (first, second) = (run::run(seed), run::run(seed));
        assert_eq!(first.calls, second.calls, "seed {seed}");
        assert_eq!(first.durable.journal, second.durable.journal, "seed {seed}");
        assert_eq!(*first.world.receipts.lock().unwrap(), *second.world.receipts.lock().unwrap(), "seed {seed}");
        assert_eq!(*first.world.claims.lock().unwrap(), *second.world.claims.lock().unwrap(), "seed {seed}");
    }
}
