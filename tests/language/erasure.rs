//! What the engine leaves of somebody who was erased.

use tidewater::engine::{Transition, is_forgotten, snapshot};
use tidewater::model::{Deploy, Entry, EntryBody, Offset, Target};

use crate::person::{Person, ended, identify, minute, platform, program, track};

const JOURNEYS: &str = "journey: nurture
topic: news
enter: { event: Cart, re_entry: always }
steps:
  - wait: 1 day
  - id: hello
    email: { template: hello, subject: Hello }
";
const CANARY: &str = "canary@example.com";

fn with_a_past() -> Person {
    let mut ada = Person::new("ada", program("", JOURNEYS));
    ada.event(0, identify(&format!(r#"{{"email": "{CANARY}", "plan": "free", "mark": "yes"}}"#)));
    ada.event(1, platform("Subscribed", r#"{"topic": "news", "channel": "email"}"#));
    ada.event(2, track("Cart", &format!(r#"{{"item": "{CANARY}"}}"#)));
    ada
}

fn holds_canary(bytes: impl AsRef<[u8]>) -> bool {
    bytes.as_ref().windows(6).any(|window| window == b"canary")
}

#[test]
fn all_ends_and_ad_platforms_let_go_by_what_they_know() {
    let mut ada = with_a_past();
    assert_eq!(ada.waits("nurture").len(), 1);
    let erased = ada.entry(3, EntryBody::Erase);
    assert_eq!(ended(&erased), [("nurture", "erased")]);
    let left: Vec<&str> = erased.memberships.iter().map(|change| change.segment.as_str()).collect();
    assert_eq!(left, ["free", "marked", "shopping"]);
    let [removal] = erased.effects.as_slice() else { panic!("one audience holds them: {:?}", erased.effects) };
    assert!(removal.body.is_removal() && removal.expires_at.is_none());
    let told = serde_json::to_string(removal).unwrap();
    assert!(!holds_canary(&told) && told.contains("sha256:"), "{told}");
    assert!(ada.profile.is_erased() && ada.profile.wake().is_none());
    let kept = serde_json::to_string(&ada.profile).unwrap();
    assert!(!holds_canary(&kept), "{kept}");
}

#[test]
fn what_still_comes_is_nothing_and_a_replay_of_what_is_left_ends_alike() {
    let mut ada = with_a_past();
    let mut journal: Vec<Entry> = Vec::new();
    let mut come = |ada: &mut Person, minutes: i64, body: EntryBody| -> Transition {
        let offset = Offset(ada.offset + 1);
        let target = Target::Profile(ada.profile.id());
        journal.push(Entry { offset, received_at: minute(minutes), target, body: body.clone() });
        ada.entry(minutes, body)
    };
    come(&mut ada, 5, EntryBody::Erase);
    let tombstone = ada.profile.clone();
    let version = "next".to_owned();
    for (minutes, body) in [
        (6, EntryBody::Event(track("Order", "{}"))),
        (7, EntryBody::Event(platform("Email Sent", "{}"))),
        (8, EntryBody::Deploy(Deploy { version, unknown: vec![1, 2] })),
        (9, EntryBody::ScheduleFired { journey: "nurture".to_owned(), at: minute(9) }),
        (10, EntryBody::Erase),
    ] {
        assert_eq!(come(&mut ada, minutes, body), Transition::default());
    }
    assert_eq!(ada.until(60 * 24 * 30), Transition::default());
    assert!(ada.profile.traits() == tombstone.traits() && ada.profile.is_erased());
    // The three entries before, and what came after: nothing is left of them.
    let mut replayed = Person::new("ada", program("", JOURNEYS));
    for minutes in 0..3 {
        assert_eq!(replayed.entry(minutes, EntryBody::Erased), Transition::default());
    }
    for entry in journal {
        let minutes = (entry.received_at.0 - minute(0).0) / 60_000;
        let is_his = !matches!(entry.body, EntryBody::Deploy(_) | EntryBody::ScheduleFired { .. });
        let body = if is_his && is_forgotten(&entry.body) { EntryBody::Erased } else { entry.body };
        replayed.entry(minutes, body);
    }
    assert_eq!(snapshot::encode(&replayed.profile), snapshot::encode(&ada.profile));
}

#[test]
fn an_erasure_waits_for_the_other_half_of_a_merge_and_takes_it_with_it() {
    let (mut winner, mut loser) = (with_a_past(), Person::new("visitor", program("", JOURNEYS)));
    loser.event(0, identify(r#"{"email": "other@example.com", "plan": "free"}"#));
    let id = loser.profile.id();
    let handed = loser.entry(3, EntryBody::MergeAway { winner: winner.profile.id() });
    loser.entry(4, EntryBody::Erase);
    assert!(loser.profile.is_erased(), "the tombstone too");
    winner.entry(3, EntryBody::Expect { loser: id });
    let waiting = winner.entry(4, EntryBody::Erase);
    assert!(waiting.effects.is_empty() && !winner.profile.is_erased());
    let done = winner.entry(5, handed.relays[0].body.clone());
    assert!(winner.profile.is_erased());
    // The far side held both: the one under whose name it had two, and the other.
    let removed: Vec<_> = done.effects.iter().filter(|effect| effect.body.is_removal()).collect();
    assert_eq!(removed.len(), 2, "{removed:?}");
}
