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
#[allow(dead_code, reason = "the platform's tests do more to it")]
#[path = "../platform/postgres.rs"]
mod postgres;
mod run;
mod script;
mod store;
mod strikes;
mod world;

use std::panic::catch_unwind;

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
    let (mut lives, mut calls, mut events, mut effects) = (0, 0, 0, 0);
    for seed in (0..count).filter(|seed| seed % shares == share) {
        let result = catch_unwind(|| {
            let outcome = run::run(seed);
            check::check(&outcome);
            (outcome.lives, outcome.calls, outcome.acked.len(), outcome.durable.outbox.len())
        });
        let Ok(counts) = result else { panic!("seed {seed} failed: run it again with TIDEWATER_SEED={seed}") };
        lives += counts.0;
        calls += counts.1;
        events += counts.2;
        effects += counts.3;
    }
    println!(
        "simulation {share}/{shares} of {count} seeds: {lives} lives, {calls} calls to the store, {events} events \
         accepted, {effects} effects decided"
    );
    assert!(lives > 0 && events > 0 && effects > 0);
}

#[test]
fn seeds_of_the_first_half() {
    seeds(0, 2);
}

#[test]
fn seeds_of_the_second_half() {
    seeds(1, 2);
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
