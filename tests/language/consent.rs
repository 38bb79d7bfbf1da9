//! Words on consent that are entries of their own, and suppressions.

use tidewater::model::{ConsentChange, ConsentKey, ConsentSource, ConsentState, EntryBody};

use crate::person::{Person, identify, mails, minute, platform, program, told, track};

const WELCOME: &str = "journey: welcome
topic: news
enter: { event: Cart, re_entry: always }
steps:
  - id: hello
    email: { template: hello, subject: Hello }
---
journey: receipt
topic: orders
enter: { event: Order, re_entry: always }
steps:
  - id: thanks
    email: { template: hello, subject: Thanks }
";
const RULES: &str = "segment leavers = did \"Unsubscribed\"\nsegment readers = agrees to news\n";

fn word(id: &str, key: ConsentKey, state: ConsentState, at: i64) -> ConsentChange {
    ConsentChange {
        id: id.to_owned(),
        key,
        state,
        by: ConsentSource::Api,
        at: minute(at),
        note: None,
        message: Default::default(),
    }
}

fn news() -> ConsentKey {
    ConsentKey::Topic { topic: "news".to_owned(), channel: "email".to_owned() }
}

#[test]
fn an_entry_means_what_the_event_of_a_source_means() {
    use ConsentState::{Given, Withdrawn};
    let words = [("a", Given, 1, "Subscribed"), ("b", Withdrawn, 5, "Unsubscribed"), ("c", Given, 3, "Subscribed")];
    let [mut by_entry, mut by_event] = [(); 2].map(|()| Person::new("ada", program(RULES, WELCOME)));
    for person in [&mut by_entry, &mut by_event] {
        person.event(0, identify(r#"{"email": "ada@example.com"}"#));
    }
    for (id, state, at, name) in words {
        // The last comes late, and takes nothing back.
        let arrives = if id == "c" { 20 } else { at };
        let change = word(id, news(), state, at);
        let mut event = platform(name, r#"{"topic": "news", "channel": "email", "by": "api"}"#);
        (event.message_id, event.timestamp) = (id.to_owned(), minute(at));
        let told = by_entry.entry(arrives, EntryBody::Consent(change.clone()));
        assert_eq!(told, by_event.event(arrives, event), "{id}");
        assert!(told.recorded, "it belongs to the history");
        let again = by_entry.entry(arrives, EntryBody::Consent(change));
        assert!(!again.recorded && again.memberships.is_empty(), "a repeat is nothing");
        by_event.event(arrives, platform("Email Sent", "{}"));
    }
    assert_eq!(by_entry.segments(), ["leavers"]);
    assert_eq!(by_entry.profile.consents(), by_event.profile.consents());
}

/// Words (what, received, said) in the order of their coming, and what holds.
#[test]
fn no_yes_is_kept_against_a_withdrawal_that_was_received_later() {
    use ConsentState::{Given, Withdrawn};
    let year = 365 * 24 * 60;
    for (words, holds) in [
        // By a clock that is an hour behind, or of an import.
        (vec![(Given, 100, 100), (Withdrawn, 101, 41)], Withdrawn),
        (vec![(Given, 100, 100), (Withdrawn, 101, 101 - year)], Withdrawn),
        (vec![(Given, 100, 100), (Withdrawn, 100, 99)], Withdrawn),
        // By a clock that is behind a little, an hour, or a year.
        (vec![(Withdrawn, 100, 100), (Given, 101, 97)], Given),
        (vec![(Withdrawn, 100, 100), (Given, 101, 41)], Withdrawn),
        (vec![(Withdrawn, 100, 41), (Given, 101, 42)], Withdrawn),
        (vec![(Withdrawn, 100, 100), (Given, 101, 101 - year)], Withdrawn),
        // Of an hour ago, which is after the no.
        (vec![(Withdrawn, 100, 100), (Given, 300, 240)], Given),
        (vec![(Given, 100, 100 - year), (Withdrawn, 101, 101), (Given, 102, 102)], Given),
        (vec![(Withdrawn, 100, 100), (Given, 101, 101), (Given, 102, 102 - year), (Withdrawn, 103, 103)], Withdrawn),
        // Of one instant: as they came.
        (vec![(Withdrawn, 100, 100), (Given, 100, 100)], Given),
        (vec![(Given, 100, 100), (Withdrawn, 100, 100)], Withdrawn),
    ] {
        let mut ada = Person::new("ada", program(RULES, WELCOME));
        for (number, (state, received, said)) in words.iter().enumerate() {
            let change = word(&format!("w{number}"), news(), *state, *said);
            let told = ada.entry(*received, EntryBody::Consent(change));
            let is_yes = ada.profile.consent(&news()) == Some(Given);
            let lifted: Vec<_> = told.lifted.iter().map(|lifted| lifted.up_to).collect();
            let known = is_yes.then(|| ada.profile.applied());
            assert_eq!(lifted, known.into_iter().collect::<Vec<_>>(), "what the door hears: {words:?}");
        }
        assert_eq!(ada.profile.consent(&news()), Some(holds), "{words:?}");
    }
}

#[test]
fn who_is_suppressed_gets_nothing_of_any_topic_and_is_in_no_audience() {
    let mut ada = Person::new("ada", program(RULES, WELCOME));
    let joined = ada.event(0, identify(r#"{"email": "ada@example.com", "plan": "free"}"#));
    assert_eq!(told(&joined), ["+free_on_meta ada@example.com"]);
    ada.event(1, platform("Subscribed", r#"{"topic": "news", "channel": "email"}"#));
    assert_eq!(mails(&ada.event(2, track("Cart", "{}"))), ["hello"]);
    assert_eq!(mails(&ada.event(3, track("Order", "{}"))), ["thanks"]);
    assert!(ada.segments().contains(&"readers"));
    let change = word("s", ConsentKey::Everything, ConsentState::Withdrawn, 4);
    let suppressed = ada.entry(4, EntryBody::Consent(change));
    assert_eq!(told(&suppressed), ["-free_on_meta ada@example.com"]);
    assert!(!ada.segments().contains(&"readers") && ada.segments().contains(&"free"));
    // Nothing that is said of one topic takes it back.
    ada.event(5, platform("Subscribed", r#"{"topic": "news", "channel": "email"}"#));
    ada.event(6, platform("Consent Given", r#"{"purpose": "ads"}"#));
    assert_eq!(mails(&ada.event(7, track("Cart", "{}"))), [] as [&str; 0]);
    assert_eq!(mails(&ada.event(8, track("Order", "{}"))), [] as [&str; 0], "a transactional one neither");
    assert_eq!(told(&ada.event(9, track("Order", "{}"))), [] as [&str; 0]);
    assert!(ada.segments().contains(&"buyers"), "what is known goes on");
}
