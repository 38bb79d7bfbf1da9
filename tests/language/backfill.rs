//! What an edit asks of the past: after the deploy a profile is as if the rules had always been what they are now.

use proptest::prelude::*;
use tidewater::engine::backfill::{Past, fill, is_unfilled, unknown, wanted};
use tidewater::engine::rehearse::Rehearsal;
use tidewater::engine::{Profile, Transition, snapshot};
use tidewater::model::{Deploy, Entry, EntryBody, Event, Offset, Target};

use crate::person::*;

/// Each looks at more of the past, or at another part of it, than the fixture's rules do.
const EDIT: &str = r#"
segment often = did "Order" at least 4 times
segment dear = did "Order" where revenue > 50 at least 2 times in last 3 hours
compute spent_2h = sum of revenue from "Order" in last 2 hours
segment spent_lately = spent_2h > 100
segment fast = did "Cart" in last 5 hours then "Order" within 30 minutes
compute last_item = last item from "Cart"
segment last_was_tea = last_item is "tea"
segment active = did any activity on at least 2 days in last 1 week
segment not_often = did "Order" and not in segment often
compute items = unique count of item from "Cart"
segment curious = items >= 2
"#;

fn edited(journeys: &str) -> tidewater::workspace::Program {
    program(EDIT, journeys)
}

/// A person, and all that counted so far.
struct Remembered {
    person: Person,
    past: Vec<Past>,
}

impl Remembered {
    fn new(program: tidewater::workspace::Program) -> Self {
        Self { person: Person::new("ada", program), past: Vec::new() }
    }

    fn event(&mut self, minutes: i64, event: Event) -> Transition {
        let mut event = event;
        event.timestamp = event.timestamp.min(minute(minutes));
        let done = self.person.event(minutes, event.clone());
        if done.recorded {
            let target = Target::Profile(self.person.profile.id());
            let (offset, received_at) = (Offset(self.person.offset), minute(minutes));
            self.past.extend(Past::of(&Entry { offset, received_at, target, body: EntryBody::Event(event) }));
        }
        done
    }

    /// Deploys a program, and brings the history where it is asked for.
    fn deploy(&mut self, minutes: i64, program: tidewater::workspace::Program) -> Transition {
        let person = &mut self.person;
        let unknown = unknown(&person.program.rules, &program.rules);
        let is_wanted = !unknown.is_empty();
        // Time up to a deploy belongs to the program before it.
        person.until_just_before(minutes);
        person.program = program;
        let mut done = person.entry(minutes, EntryBody::Deploy(Deploy { version: "next".to_owned(), unknown }));
        assert_eq!(is_unfilled(&person.profile), is_wanted);
        if is_wanted {
            assert_eq!(done, Transition::default(), "nothing is decided on half of the truth");
            let named = wanted(&person.profile, &person.program).expect("something").names;
            let is_named = |past: &Past| named.as_ref().is_none_or(|names| names.contains(&past.event.name));
            let history: Vec<Past> = self.past.iter().filter(|past| is_named(past)).cloned().collect();
            done = fill(&mut person.profile, &person.program, &history);
        }
        done
    }
}

fn order(revenue: i64) -> Event {
    track("Order", &format!(r#"{{"order_id":"o","revenue":{revenue}}}"#))
}

fn cart(item: &str) -> Event {
    track("Cart", &format!(r#"{{"item":"{item}"}}"#))
}

#[derive(Debug, Clone)]
enum Said {
    Order(i64),
    Cart(bool),
    Plan(bool),
}

impl Said {
    fn event(&self) -> Event {
        match self {
            Self::Order(revenue) => order(*revenue),
            Self::Cart(is_tea) => cart(if *is_tea { "tea" } else { "cup" }),
            Self::Plan(is_free) => identify(if *is_free { r#"{"plan":"free"}"# } else { r#"{"plan":"pro"}"# }),
        }
    }
}

fn said() -> impl Strategy<Value = (i64, i64, Said)> {
    let what = prop_oneof![
        (1_i64..120).prop_map(Said::Order),
        any::<bool>().prop_map(Said::Cart),
        any::<bool>().prop_map(Said::Plan)
    ];
    (0_i64..400, 0_i64..200, what)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whoever was there before an edit is decided from then on as if the rules had always been the edited ones.
    #[test]
    fn an_edited_program_knows_the_past(before in prop::collection::vec(said(), 1..25), after in prop::collection::vec(said(), 0..8)) {
        let (mut edited_later, mut always) = (Remembered::new(program("", "")), Remembered::new(edited("")));
        let mut now = 0;
        let say = |person: &mut Remembered, now: i64, late: i64, said: &Said| person.event(now, happened(said.event(), now - late));
        for (pause, late, said) in &before {
            now += pause;
            say(&mut edited_later, now, *late, said);
            say(&mut always, now, *late, said);
        }
        now += 1;
        edited_later.deploy(now, edited(""));
        always.person.until(now);
        prop_assert_eq!(edited_later.person.segments(), always.person.segments());
        for (pause, late, said) in &after {
            now += pause;
            say(&mut edited_later, now, *late, said);
            say(&mut always, now, *late, said);
            prop_assert_eq!(edited_later.person.segments(), always.person.segments());
        }
        // And so it stays while windows end.
        for later in [30, 100, 300, 2_000, 12_000] {
            edited_later.person.until(now + later);
            always.person.until(now + later);
            prop_assert_eq!(edited_later.person.segments(), always.person.segments());
        }
    }
}

fn loyal() -> Remembered {
    let mut ada = Remembered::new(program("", ""));
    for minutes in 1..=4 {
        ada.event(minutes, order(10));
    }
    ada
}

#[test]
fn an_edit_back_and_forth_counts_nothing_twice_and_misses_nothing() {
    let mut ada = loyal();
    ada.deploy(5, edited(""));
    ada.event(6, order(90));
    assert!(!ada.person.segments().contains(&"dear"), "one dear order");
    ada.deploy(7, program("", ""));
    ada.event(8, order(95));
    ada.deploy(9, edited(""));
    assert!(ada.person.segments().contains(&"dear"), "the order while the rule was away counts as well");
    let sum = tidewater::engine::explain::fact_of(&ada.person.profile, &ada.person.program, "spent", minute(9));
    assert_eq!(sum, Some(tidewater::model::Value::Number(225.0)));
}

#[test]
fn what_comes_before_the_history_is_there_waits_for_it() {
    let mut ada = loyal();
    let unknown = unknown(&ada.person.program.rules, &edited("").rules);
    ada.person.program = edited("");
    ada.person.entry(5, EntryBody::Deploy(Deploy { version: "next".to_owned(), unknown }));
    assert_eq!(ada.person.event(6, order(90)), Transition::default());
    assert!(ada.person.profile.wake().is_none());
    let kept: Profile = snapshot::decode(&snapshot::encode(&ada.person.profile)).expect("it can be kept");
    assert_eq!(kept, ada.person.profile);
    let filled = fill(&mut ada.person.profile, &ada.person.program, &ada.past);
    assert_eq!(filled.released.len(), 1, "and counts then");
    assert!(ada.person.segments().contains(&"often"));
}

#[test]
fn who_is_put_into_a_segment_by_an_edit_starts_nothing_unless_asked() {
    let journey = |how: &str| {
        format!("journey: thanks\ntopic: news\nenter: {{ segment: often{how} }}\nsteps: [{{ wait: 1 day }}]\n")
    };
    for (how, started) in [("", vec![]), (", backfill: skip", vec![]), (", backfill: trigger", vec!["thanks"])] {
        let mut ada = loyal();
        let deployed = ada.deploy(5, edited(&journey(how)));
        assert_eq!(began(&deployed), started, "{how}");
        let mut new = Remembered::new(edited(&journey(how)));
        let last = (1..=4).map(|minutes| new.event(minutes, order(10))).last();
        assert_eq!(began(&last.expect("four")), ["thanks"], "who does it now starts");
    }
}

#[test]
fn a_rehearsal_tells_what_a_deploy_would_do_and_does_nothing() {
    let journey = "journey: thanks\ntopic: orders\nenter: { segment: often, existing: enter }\nsteps: [{ id: hi, email: { template: hello } }]\n";
    let mut ada = loyal();
    ada.event(4, identify(r#"{"email":"ada@example.com"}"#));
    let (before, after) = (ada.person.program.clone(), edited(journey));
    let unknown = unknown(&before.rules, &after.rules);
    let rehearsal = Rehearsal { before: &before, after: &after, unknown: &unknown, now: minute(5) };
    let untouched = ada.person.profile.clone();
    let tried = rehearsal.try_on(&ada.person.profile, &ada.past).expect("she is there");
    assert_eq!(ada.person.profile, untouched);
    let done = ada.deploy(5, after.clone());
    assert_eq!((mails(&tried.transition), began(&tried.transition)), (mails(&done), began(&done)));
    assert_eq!(mails(&done), ["hi"]);
    assert_eq!(tried.after.iter().map(String::as_str).collect::<Vec<_>>(), ada.person.segments());
    assert!(tried.before.contains("buyers") && !tried.before.contains("often"));
}
