//! What the far side of an audience holds, as it follows from what became of what it was told.

use tidewater::engine::{Effect, EffectBody, Transition};

use crate::person::{Person, identify, platform, program, told};

fn audience_effects(transition: &Transition) -> Vec<&Effect> {
    let is_audience = |effect: &&Effect| matches!(effect.body, EffectBody::Audience { .. });
    transition.effects.iter().filter(is_audience).collect()
}

/// The event that tells of the outcome of the nth audience effect.
fn outcome(transition: &Transition, nth: usize, name: &str) -> tidewater::model::Event {
    let id = audience_effects(transition)[nth].id;
    platform(name, &format!("{{\"effect_id\": \"{id}\", \"channel\": \"audience_sync\"}}"))
}

#[test]
fn an_add_that_did_not_arrive_is_decided_again_a_few_times_and_then_with_the_next_change() {
    let mut ada = Person::new("ada", program("", ""));
    let mut last = ada.event(0, identify(r#"{"email": "ada@example.com", "plan": "free"}"#));
    assert_eq!(told(&last), ["+free_on_meta ada@example.com"]);
    let mut ids = vec![audience_effects(&last)[0].id];
    for minute in 1..=3 {
        let failed = outcome(&last, 0, "Audience Sync Failed");
        // What is told twice is taken in once.
        last = ada.event(minute, failed.clone());
        assert_eq!(told(&last), ["+free_on_meta ada@example.com"], "{minute}");
        ids.push(audience_effects(&last)[0].id);
        assert_eq!(told(&ada.event(minute, failed)), [] as [&str; 0]);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each is an effect of its own");
    let given_up = ada.event(9, outcome(&last, 0, "Audience Sync Failed"));
    assert_eq!(told(&given_up), [] as [&str; 0], "a far side that refuses is not asked for ever");
    // It is not held there: leaving needs no word, and a change is a new chance.
    let moved = ada.event(10, identify(r#"{"email": "ada@new.example"}"#));
    assert_eq!(told(&moved), ["+free_on_meta ada@new.example"]);
    ada.event(11, outcome(&moved, 0, "Audience Synced"));
    let left = ada.event(12, identify(r#"{"plan": "pro"}"#));
    assert_eq!(told(&left), ["-free_on_meta ada@new.example"]);
}

#[test]
fn somebody_who_never_arrived_need_not_be_taken_out() {
    let mut ada = Person::new("ada", program("", ""));
    let mut last = ada.event(0, identify(r#"{"email": "ada@example.com", "plan": "free"}"#));
    for minute in 1..=4 {
        let name = if minute == 2 { "Audience Sync Suppressed" } else { "Audience Sync Failed" };
        last = ada.event(minute, outcome(&last, 0, name));
    }
    assert_eq!(told(&ada.event(5, identify(r#"{"plan": "pro"}"#))), [] as [&str; 0]);
}

#[test]
fn a_removal_that_did_not_arrive_is_told_again_without_what_is_held_by_right() {
    let mut ada = Person::new("ada", program("", ""));
    let joined = ada.event(0, identify(r#"{"email": "ada@example.com", "plan": "free"}"#));
    ada.event(1, outcome(&joined, 0, "Audience Synced"));
    let left = ada.event(2, identify(r#"{"plan": "pro"}"#));
    let again = ada.event(3, outcome(&left, 0, "Audience Sync Failed"));
    assert_eq!(told(&again), ["-free_on_meta ada@example.com"]);
    ada.event(4, outcome(&again, 0, "Audience Synced"));
    // A new address while the removal of the old one fails.
    let back = ada.event(5, identify(r#"{"plan": "free"}"#));
    ada.event(6, outcome(&back, 0, "Audience Synced"));
    let moved = ada.event(7, identify(r#"{"email": "ada@new.example"}"#));
    assert_eq!(told(&moved), ["-free_on_meta ada@example.com", "+free_on_meta ada@new.example"]);
    ada.event(8, outcome(&moved, 1, "Audience Synced"));
    let again = ada.event(9, outcome(&moved, 0, "Audience Sync Failed"));
    assert_eq!(told(&again), ["-free_on_meta ada@example.com"]);
    // Back at the old address before the removal failed: it is held by right, and stays.
    let mut bob = Person::new("bob", program("", ""));
    let joined = bob.event(0, identify(r#"{"email": "bob@example.com", "plan": "free"}"#));
    bob.event(1, outcome(&joined, 0, "Audience Synced"));
    let left = bob.event(2, identify(r#"{"plan": "pro"}"#));
    let back = bob.event(3, identify(r#"{"plan": "free"}"#));
    assert_eq!(told(&back), ["+free_on_meta bob@example.com"]);
    assert_eq!(told(&bob.event(4, outcome(&left, 0, "Audience Sync Failed"))), [] as [&str; 0]);
}

#[test]
fn what_somebody_dropped_is_not_held_and_not_decided_again_before_something_changes() {
    let mut ada = Person::new("ada", program("", ""));
    let joined = ada.event(0, identify(r#"{"email": "ada@example.com", "plan": "free"}"#));
    assert_eq!(told(&ada.event(1, outcome(&joined, 0, "Audience Sync Dropped"))), [] as [&str; 0]);
    assert_eq!(told(&ada.event(2, identify(r#"{"plan": "pro"}"#))), [] as [&str; 0], "it never arrived");
    let back = ada.event(3, identify(r#"{"plan": "free"}"#));
    assert_eq!(told(&back), ["+free_on_meta ada@example.com"]);
    ada.event(4, outcome(&back, 0, "Audience Synced"));
    // A removal that is dropped leaves the person there, until the next change.
    let left = ada.event(5, identify(r#"{"plan": "pro"}"#));
    assert_eq!(told(&ada.event(6, outcome(&left, 0, "Audience Sync Dropped"))), [] as [&str; 0]);
    assert_eq!(told(&ada.event(7, identify(r#"{"mark": "x"}"#))), ["-free_on_meta ada@example.com"]);
}

#[test]
fn outcomes_of_others_change_nothing() {
    let mut ada = Person::new("ada", program("", ""));
    let joined = ada.event(0, identify(r#"{"email": "ada@example.com", "plan": "free"}"#));
    let mut forged = outcome(&joined, 0, "Audience Sync Failed");
    forged.kind = tidewater::model::EventKind::Track;
    assert_eq!(told(&ada.event(1, forged)), [] as [&str; 0], "sources tell us nothing of our own deeds");
    let unknown = platform("Audience Sync Failed", r#"{"effect_id": "00000000000000000000000000000007"}"#);
    assert_eq!(told(&ada.event(2, unknown)), [] as [&str; 0]);
}
