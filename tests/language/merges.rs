//! Two profiles that turn out to be one person: nothing is lost, nothing is counted twice, and the stricter word wins.

use tidewater::engine::transition::Relay;
use tidewater::engine::{Transition, snapshot};
use tidewater::model::EntryBody;

use crate::person::*;

const NEWS: &str = r#"{"topic":"news","channel":"email"}"#;
const ADS: &str = r#"{"purpose":"ads"}"#;

/// A user, and the visitor whom the user turns out to be.
fn pair(journeys: &str) -> (Person, Person) {
    let program = program("", journeys);
    (Person::new("winner", program.clone()), Person::new("loser", program))
}

/// Hands the loser over; what the winner's half changed.
fn merge(winner: &mut Person, loser: &mut Person, at: i64) -> Transition {
    // One journal: the offsets of both grow together.
    loser.offset = loser.offset.max(winner.offset);
    let handed = loser.entry(at, EntryBody::MergeAway { winner: winner.profile.id() });
    deliver(winner, loser, at, handed.relays)
}

fn deliver(winner: &mut Person, loser: &Person, at: i64, relays: Vec<Relay>) -> Transition {
    winner.offset = winner.offset.max(loser.offset);
    let [relay] = <[Relay; 1]>::try_from(relays).expect("one relay");
    assert_eq!(relay.to, winner.profile.id());
    winner.entry(at, relay.body)
}

#[test]
fn traits_set_later_stay_and_behaviour_adds_up() {
    let (mut winner, mut loser) = pair("");
    winner.event(1, identify(r#"{"plan":"free","email":"old@example.com"}"#));
    loser.event(2, identify(r#"{"email":"new@example.com","mark":"yes"}"#));
    winner.event(3, identify(r#"{"plan":"pro"}"#));
    winner.event(4, track("Order", r#"{"revenue":10.1}"#));
    loser.offset = 10;
    loser.event(5, track("Order", r#"{"revenue":20.2}"#));
    merge(&mut winner, &mut loser, 6);
    assert_eq!(*winner.profile.traits(), map(r#"{"plan":"pro","email":"new@example.com","mark":"yes"}"#));
    assert_eq!(winner.segments(), ["buyers", "marked"], "two orders, one of each");
    let spent = tidewater::engine::explain::fact_of(&winner.profile, &winner.program, "spent", minute(6));
    assert_eq!(spent, Some(tidewater::model::Value::Number(30.3)));
}

#[test]
fn a_message_that_the_loser_took_is_no_second_one_for_the_winner() {
    let (mut winner, mut loser) = pair("");
    let mut order = track("Order", "{}");
    order.message_id = "m".to_owned();
    loser.event(1, order.clone());
    merge(&mut winner, &mut loser, 2);
    assert!(!winner.event(3, order).recorded);
    assert!(winner.segments().is_empty(), "one order");
}

#[test]
fn a_message_of_either_is_known_also_where_both_took_many() {
    let (mut winner, mut loser) = pair("");
    let order = |id: String| tidewater::model::Event { message_id: id, ..track("Order", "{}") };
    for n in 0..600 {
        winner.event(n, order(format!("w{n}")));
        loser.event(n, order(format!("l{n}")));
    }
    merge(&mut winner, &mut loser, 600);
    for n in 400..600 {
        for id in [format!("w{n}"), format!("l{n}")] {
            assert!(!winner.event(601, order(id.clone())).recorded, "{id} comes again");
        }
    }
}

#[test]
fn the_tombstone_sends_on_what_still_comes() {
    let (mut winner, mut loser) = pair("");
    loser.event(1, track("Order", "{}"));
    merge(&mut winner, &mut loser, 2);
    assert!(loser.segments().is_empty() && loser.profile.wake().is_none());
    let late = loser.event(3, track("Order", "{}"));
    assert!(late.memberships.is_empty() && !late.recorded);
    let taken = deliver(&mut winner, &loser, 3, late.relays);
    assert!(taken.recorded);
    assert_eq!(winner.segments(), ["buyers"]);
    let kept = snapshot::decode(&snapshot::encode(&loser.profile)).expect("a tombstone can be kept");
    assert_eq!(kept, loser.profile);
}

#[test]
fn a_withdrawal_of_either_wins() {
    for winner_withdrew in [true, false] {
        let journey =
            "journey: j\ntopic: news\nenter: { event: Cart }\nsteps: [{ id: hi, email: { template: hello } }]\n";
        let (mut winner, mut loser) = pair(journey);
        winner.event(1, identify(r#"{"email":"ada@example.com"}"#));
        let (first, second) = if winner_withdrew { (&mut winner, &mut loser) } else { (&mut loser, &mut winner) };
        first.event(2, track("Unsubscribed", NEWS));
        second.event(3, track("Subscribed", NEWS));
        merge(&mut winner, &mut loser, 4);
        assert_eq!(mails(&winner.event(5, track("Cart", "{}"))), [""; 0], "the winner withdrew: {winner_withdrew}");
    }
}

#[test]
fn a_run_of_the_loser_goes_on_with_the_winner_unless_the_winner_has_one() {
    let journey = "journey: j\ntopic: orders\nenter: { event: Cart }\nsteps: [{ wait: 30 minutes }, { id: hi, email: { template: hello } }]\n";
    let (mut winner, mut loser) = pair(journey);
    winner.event(1, identify(r#"{"email":"ada@example.com"}"#));
    loser.event(10, track("Cart", "{}"));
    let run = loser.profile.runs()[0].id;
    merge(&mut winner, &mut loser, 20);
    assert!(loser.profile.runs().is_empty());
    let sent = winner.until(40);
    assert_eq!(mails(&sent), ["hi"]);
    assert_eq!(sent.effects[0].profile, winner.profile.id());
    assert_eq!(sent.effects[0].origin.as_ref().map(|origin| origin.run), Some(run));

    let (mut winner, mut loser) = pair(journey);
    winner.event(5, track("Cart", "{}"));
    loser.event(10, track("Cart", "{}"));
    let own = winner.profile.runs()[0].id;
    assert_eq!(ended(&merge(&mut winner, &mut loser, 20)), [("j", "merged")]);
    assert_eq!(winner.profile.runs().iter().map(|run| run.id).collect::<Vec<_>>(), [own]);
}

#[test]
fn a_merge_starts_no_journey_and_counts_as_a_start() {
    let journey =
        "journey: j\nenter: { segment: buyers }\nsteps: []\n---\njourney: k\nenter: { event: Cart }\nsteps: []\n";
    let (mut winner, mut loser) = pair(journey);
    winner.event(1, track("Order", "{}"));
    loser.event(2, track("Order", "{}"));
    loser.event(3, track("Cart", "{}"));
    assert_eq!(began(&merge(&mut winner, &mut loser, 4)), [""; 0]);
    assert_eq!(winner.segments(), ["buyers", "shopping"]);
    assert_eq!(began(&winner.event(5, track("Cart", "{}"))), [""; 0], "re_entry: never, and the loser was in `k`");
}

#[test]
fn re_entry_counts_from_the_last_start_of_either() {
    let (mut winner, mut loser) = pair("journey: j\nenter: { event: Cart, re_entry: after 60 minutes }\nsteps: []\n");
    winner.event(1, track("Cart", "{}"));
    loser.event(30, track("Cart", "{}"));
    merge(&mut winner, &mut loser, 40);
    assert_eq!(began(&winner.event(89, track("Cart", "{}"))), [""; 0]);
    assert_eq!(began(&winner.event(90, track("Cart", "{}"))), ["j"]);
}

/// Both addresses were told to the far side; after the merge only the winner's is ours to take out again.
#[test]
fn an_address_that_only_the_loser_had_is_taken_out_of_audiences() {
    let (mut winner, mut loser) = pair("");
    loser.event(1, identify(r#"{"plan":"free","email":"old@example.com"}"#));
    winner.event(2, identify(r#"{"plan":"free","email":"new@example.com"}"#));
    let merged = merge(&mut winner, &mut loser, 3);
    assert_eq!(told(&merged), ["-free_on_meta old@example.com"]);
    assert_eq!(told(&winner.event(4, identify(r#"{"plan":"pro"}"#))), ["-free_on_meta new@example.com"]);
}

#[test]
fn an_address_that_both_had_stays_where_it_is() {
    let (mut winner, mut loser) = pair("");
    loser.event(1, identify(r#"{"plan":"free","email":"ada@example.com"}"#));
    winner.event(2, identify(r#"{"plan":"free","email":"ada@example.com"}"#));
    assert_eq!(told(&merge(&mut winner, &mut loser, 3)), [""; 0]);
}

/// The loser withdrew: nothing that the merge brings about may hand the loser's address on.
#[test]
fn a_merge_adds_nobody_who_withdrew() {
    let (mut winner, mut loser) = pair("");
    winner.event(1, identify(r#"{"email":"old@example.com"}"#));
    winner.event(2, track("Consent Given", ADS));
    winner.event(3, track("Order", "{}"));
    assert_eq!(told(&winner.event(4, track("Order", "{}"))), ["+buyers_on_meta old@example.com"]);
    loser.event(5, track("Consent Withdrawn", ADS));
    loser.event(6, identify(r#"{"email":"new@example.com"}"#));
    assert_eq!(told(&merge(&mut winner, &mut loser, 7)), ["-buyers_on_meta old@example.com"]);
}

/// Who leaves a mirrored segment by the same call that brings a new address must not have that one told to anybody.
#[test]
fn an_audience_is_told_once_all_is_settled() {
    let (mut winner, _) = pair("");
    winner.event(1, identify(r#"{"plan":"free","email":"old@example.com"}"#));
    let left = winner.event(2, identify(r#"{"plan":"pro","email":"new@example.com"}"#));
    assert_eq!(told(&left), ["-free_on_meta old@example.com"]);
}

/// The event that tells of the outcome of the first audience effect.
fn outcome(transition: &Transition, name: &str) -> tidewater::model::Event {
    platform(name, &format!("{{\"effect_id\": \"{}\", \"channel\": \"audience_sync\"}}", transition.effects[0].id))
}

#[test]
fn what_became_of_an_audience_update_of_the_loser_reaches_the_winner() {
    let (mut winner, mut loser) = pair("");
    let added = loser.event(1, identify(r#"{"email":"ada@example.com","plan":"free"}"#));
    assert_eq!(told(&added), ["+free_on_meta ada@example.com"]);
    winner.event(1, identify(r#"{"mark":"no"}"#));
    assert_eq!(told(&merge(&mut winner, &mut loser, 2)), [] as [&str; 0], "the far side is told already");
    let again = winner.event(3, outcome(&added, "Audience Sync Failed"));
    assert_eq!(told(&again), ["+free_on_meta ada@example.com"], "it does not hold them after all");
    assert_eq!(told(&winner.event(4, outcome(&added, "Audience Sync Failed"))), [] as [&str; 0], "told twice");
}

#[test]
fn an_update_of_the_loser_that_arrives_late_is_taken_back() {
    let (mut winner, mut loser) = pair("");
    let added = loser.event(1, identify(r#"{"email":"old@example.com","plan":"free"}"#));
    winner.event(2, identify(r#"{"email":"new@example.com","plan":"free"}"#));
    assert_eq!(told(&merge(&mut winner, &mut loser, 3)), ["-free_on_meta old@example.com"]);
    // The removal may have overtaken it: each profile's changes are in an order of their own.
    let late = winner.event(4, outcome(&added, "Audience Synced"));
    assert_eq!(told(&late), ["-free_on_meta old@example.com"]);

    // A removal that arrives after the winner was added by the same address.
    let (mut winner, mut loser) = pair("");
    let added = loser.event(1, identify(r#"{"email":"ada@example.com","plan":"free"}"#));
    loser.event(2, outcome(&added, "Audience Synced"));
    let removed = loser.event(3, identify(r#"{"plan":"pro"}"#));
    assert_eq!(told(&removed), ["-free_on_meta ada@example.com"]);
    winner.event(4, identify(r#"{"email":"ada@example.com","plan":"free"}"#));
    merge(&mut winner, &mut loser, 5);
    let late = winner.event(6, outcome(&removed, "Audience Synced"));
    assert_eq!(told(&late), ["+free_on_meta ada@example.com"]);
}
