//! What is decided on given answers. That the answers are right is shown on real databases by `tests/platform/against.rs`.

use super::*;
use crate::finding::Code;
use crate::model::{Event, EventKind, Span};
use crate::workspace::load::{Loaded, compile};

const GROUND: &str = "event \"Order Completed\" { currency: text, revenue: number, coupon: text, products: list of { category: text }, \
                      tags: list of text }\n\
                      event \"Order Refunded\" { currency: text }\ntrait plan: text\ntrait email: text pii\ntrait interests: list of text\n";

/// How many lines stand before the rules of a test.
const LINES: usize = 5;

const NEWEST: Timestamp = Timestamp(1_780_000_000_000);

fn load(rules: &str, journey: &str) -> Loaded {
    let files = [("tidewater.yaml", ""), ("rules/r.tide", &format!("{GROUND}{rules}")), ("journeys/j.yaml", journey)];
    let loaded = compile(files.map(|(path, text)| (path.to_owned(), text.to_owned())).to_vec(), &|_| None);
    assert!(!loaded.has_errors(), "{:#?}", loaded.findings);
    loaded
}

fn event(name: &str, properties: &str) -> Event {
    let kind = if name == "Email Clicked" { EventKind::Platform } else { EventKind::Track };
    let (id, source) = ("m".to_owned(), "shop".to_owned());
    let nothing = crate::model::value::ValueMap::new();
    Event {
        message_id: id,
        kind,
        name: name.to_owned(),
        source,
        timestamp: NEWEST,
        user_id: None,
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        properties: serde_json::from_str(properties).expect("properties"),
        traits: nothing.clone(),
        context: nothing,
    }
}

/// A thousand orders in dollars of 1 to 1,000, and 31 in euros; two people.
fn usual(questions: &Questions) -> Answers {
    let mut tallies = questions.tallies();
    for number in 1..=1_000 {
        tallies.note_event(&event("Order Completed", &format!("{{\"currency\": \"USD\", \"revenue\": {number}}}")));
    }
    for _ in 0..31 {
        tallies.note_event(&event("Order Completed", "{\"currency\": \"EUR\", \"revenue\": null}"));
    }
    for traits in ["{\"plan\": \"free\", \"email\": \"ada@example.com\"}", "{\"plan\": \"Pro\"}"] {
        tallies.note_traits(&serde_json::from_str(traits).expect("traits"));
    }
    let names = ["Order Completed", "Order Refunded"];
    let total = EventTotal { times: 1_031, latest: NEWEST };
    Answers {
        tallies,
        events: names.map(|name| (name.to_owned(), total)).into(),
        newest: Some(NEWEST),
        profiles: 2,
        looked_at: LookedAt { events: 1_031, all_events: true, profiles: 2, all_profiles: true },
        ..Answers::default()
    }
}

/// `line:column code message (help)` of all that the answers say; lines count from behind [`GROUND`].
fn told(loaded: &Loaded, answers: impl FnOnce(&Questions) -> Answers) -> Vec<String> {
    let questions = Questions::of(loaded.program.as_deref().expect("a program"), &loaded.sources);
    let found = findings(&questions, &answers(&questions));
    let told = found.iter().map(|finding| {
        let (path, at) = loaded.locate(finding.place);
        let line = if path.ends_with(".tide") { at.line - LINES } else { at.line };
        let help = finding.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{line}:{} {} {}{help}", at.column, finding.code, finding.message)
    });
    told.collect()
}

#[track_caller]
fn check(rules: &str, expected: &[&str]) {
    assert_eq!(told(&load(rules, ""), usual), expected, "{rules}");
}

#[test]
fn a_value_in_other_letters_is_told_with_what_is_there() {
    check(
        "segment s =\n  did \"Order Refunded\" where currency is \"usd\"\n  and did \"Order Completed\" where currency is \"usd\"",
        &["3:47 TW701 no `Order Completed` had `currency` \"usd\"; 1,000 had \"USD\" (did you mean `\"USD\"`?)"],
    );
    check("segment s = did \"Order Completed\" where currency is any case \"usd\"", &[]);
    check("segment s = did \"Order Completed\" where currency in (\"USD\", \"EUR\")", &[]);
    check(
        "segment s = did not \"Order Completed\" where currency not in (\"USD\", \"eur\")",
        &["1:69 TW701 no `Order Completed` had `currency` \"eur\"; 31 had \"EUR\" (did you mean `\"EUR\"`?)"],
    );
    let loaded = load("segment s = did \"Order Completed\" where currency is \"usd\"", "");
    let questions = Questions::of(loaded.program.as_deref().expect("a program"), &loaded.sources);
    let found = findings(&questions, &usual(&questions));
    let fix = found[0].fix.as_ref().expect("a machine can know what is meant");
    let text = &loaded.sources.get(fix.place.source).text[fix.place.span.start..fix.place.span.end];
    assert_eq!((text, fix.replacement.as_str()), ("\"usd\"", "\"USD\""));
}

#[test]
fn a_value_that_is_nowhere_is_told_in_every_kind_of_rule() {
    check(
        "compute c = count of \"Order Completed\" where currency is \"GBP\"",
        &["1:58 TW701 no `Order Completed` had `currency` \"GBP\"; 1,000 had \"USD\", 31 had \"EUR\""],
    );
    check(
        "compute last = latest currency from \"Order Completed\"\nsegment s = last is not \"EURO\"",
        &[
            "2:25 TW701 no `Order Completed` had `last` \"EURO\"; 1,000 had \"USD\", 31 had \"EUR\" (did you mean `\"EUR\"`?)",
        ],
    );
    check(
        "segment s = plan is \"pro\" or plan is \"free\"",
        &["1:21 TW701 no profile had `plan` \"pro\"; 1 had \"Pro\" (did you mean `\"Pro\"`?)"],
    );
    check(
        "segment s = did any activity where currency starts with \"X\"",
        &["1:57 TW701 no event had `currency starts with \"X\"`; 1,000 had \"USD\", 31 had \"EUR\""],
    );
    check(
        "segment s = did \"Order Completed\" where (revenue > 1_000 or revenue < 1 or revenue >= 1000)",
        &[
            "1:52 TW701 no `Order Completed` had `revenue > 1000`; the largest was 1000",
            "1:71 TW701 no `Order Completed` had `revenue < 1`; the smallest was 1",
        ],
    );
    check(
        "segment s = did \"Order Completed\" where (coupon is \"A\" or coupon is \"B\")",
        &[
            "1:9 TW701 none of 1,031 `Order Completed` had a `coupon` (ask whoever sends it whether it is called otherwise, or \
           is not sent yet)",
        ],
    );
}

#[test]
fn lists_sequences_states_and_scores_are_walked_too() {
    let some = |questions: &Questions| {
        let mut tallies = questions.tallies();
        let order =
            r#"{"currency": "USD", "products": [{"category": "shoes"}, {"category": "hats"}], "tags": ["gift"]}"#;
        tallies.note_event(&event("Order Completed", order));
        tallies.note_event(&event("Order Refunded", r#"{"currency": "USD"}"#));
        tallies.note_traits(&serde_json::from_str(r#"{"plan": "free", "interests": ["trail"]}"#).expect("traits"));
        Answers { tallies, looked_at: usual(questions).looked_at, ..Answers::default() }
    };
    let check = |rules: &str, expected: &[&str]| assert_eq!(told(&load(rules, ""), some), expected, "{rules}");
    check(
        "segment s = did \"Order Completed\" where any products (category in (\"Shoes\", \"hats\"))",
        &["1:68 TW701 no `Order Completed` had `category` \"Shoes\"; 1 had \"shoes\" (did you mean `\"shoes\"`?)"],
    );
    check(
        "segment s = did \"Order Completed\" where tags has any (\"gift\", \"gifts\") and interests has all (\"trail\", \"run\")",
        &[
            "1:63 TW701 no `Order Completed` had `tags` \"gifts\"; 1 had \"gift\" (did you mean `\"gift\"`?)",
            "1:104 TW701 no profile had `interests` \"run\"; 1 had \"trail\"",
        ],
    );
    check(
        "segment s = did \"Order Completed\" where currency is \"USD\" in last 7 days as a\n  \
         then \"Order Refunded\" where (currency is \"EUR\" and a.currency is \"usd\") within 1 day",
        &[
            "2:44 TW701 no `Order Refunded` had `currency` \"EUR\"; 1 had \"USD\"",
            "2:68 TW701 no `Order Completed` had `currency` \"usd\"; 1 had \"USD\" (did you mean `\"USD\"`?)",
        ],
    );
    check(
        "segment s = did \"Order Completed\" where (currency is profile.plan and coupon is \"X\")",
        &[
            "1:9 TW701 none of 1 `Order Completed` had a `coupon` (ask whoever sends it whether it is called otherwise, or is \
           not sent yet)",
        ],
    );
    check(
        "segment s = plan has been \"Free\" for at least 30 days",
        &["1:27 TW701 no profile had `plan` \"Free\"; 1 had \"free\" (did you mean `\"free\"`?)"],
    );
    check(
        "score keen {\n  add 5 when plan is \"pro\"\n  add 1 for each \"Order Completed\" where currency is \"EUR\" in last 7 days\n}",
        &[
            "2:22 TW701 no profile had `plan` \"pro\"; 1 had \"free\"",
            "3:54 TW701 no `Order Completed` had `currency` \"EUR\"; 1 had \"USD\"",
        ],
    );
}

#[test]
fn what_people_have_instead_stays_private_where_it_is() {
    check(
        "segment s = email is \"ADA@example.com\" or email contains \"@nowhere\"",
        &[
            "1:22 TW701 no profile had `email` \"ADA@example.com\"",
            "1:58 TW701 no profile had `email contains \"@nowhere\"`",
        ],
    );
}

#[test]
fn how_much_was_looked_at_is_said_where_it_was_not_all() {
    let loaded = load("segment s = did \"Order Completed\" where currency is \"GBP\" or plan is \"x\"", "");
    let some = |questions: &Questions| {
        let looked_at = LookedAt { events: 1_031, all_events: false, profiles: 2, all_profiles: false };
        Answers { looked_at, ..usual(questions) }
    };
    let wanted = [
        "1:53 TW701 no `Order Completed` had `currency` \"GBP\"; 1,000 had \"USD\", 31 had \"EUR\" (of the newest 1,031 looked at)",
        "1:70 TW701 no profile had `plan` \"x\"; 1 had \"Pro\", 1 had \"free\" (of the 2 looked at)",
    ];
    assert_eq!(told(&loaded, some), wanted);
}

#[test]
fn events_that_never_came_or_stopped_are_told_where_they_are_read() {
    let journey = "journey: j\nenter: { event: Order Refunded, where: 'currency is \"usd\"' }\ngoal: { event: Order Completed }\n\
                   steps:\n  - id: w\n    wait_until: { event: Email Clicked, up_to: 1 day, then: [], timeout: [] }\n";
    let rules = "segment a = did \"Order Refunded\"\n  and did not \"Order Completed\" since last \"Order Refunded\"\n\
                 segment b = did \"Segment Entered\" and in segment a\n";
    let loaded = load(rules, journey);
    let days_ago = |days: i64| EventTotal { times: 12_031, latest: NEWEST - Span::DAY.times(days) };
    let at = |refunded: EventTotal| {
        move |questions: &Questions| Answers {
            events: [("Order Refunded".to_owned(), refunded)].into(),
            tallies: questions.tallies(),
            newest: Some(NEWEST),
            ..Answers::default()
        }
    };
    let never = |event: &str, place: &str| {
        let help = "ask whoever sends the events whether it is called otherwise, or is not sent yet";
        format!("{place} TW702 no `{event}` ever came ({help})")
    };
    let others = [never("Email Clicked", "6:26"), never("Order Completed", "2:15"), never("Order Completed", "3:16")];
    assert_eq!(told(&loaded, at(days_ago(30))), others);
    let stopped = told(&loaded, at(days_ago(31)));
    assert_eq!(&stopped[..3], others);
    let help = "ask whoever sends the events whether something broke or the name has changed";
    let message = "no `Order Refunded` in the last 30 days; 12,031 came before, the latest on 2026-04-27";
    assert_eq!(stopped[3..], ["1:17", "2:17"].map(|place| format!("{place} TW703 {message} ({help})")));
    assert_eq!(
        told(&loaded, |questions| Answers { tallies: questions.tallies(), ..Answers::default() }),
        Vec::<String>::new()
    );
}

#[test]
fn sizes_are_told_of_segments_that_are_in_force() {
    let loaded = load(
        "segment never = plan is \"free\"\nsegment left = plan is \"free\"\nsegment all = plan is set\n\
         segment some = plan is \"free\"\nsegment changed = plan is \"free\"\n",
        "",
    );
    let sizes = |profiles: u64| {
        move |questions: &Questions| Answers {
            profiles,
            members: [("all", profiles), ("some", profiles / 2), ("changed", 0)]
                .map(|(name, n)| (name.to_owned(), n))
                .into(),
            entered: [("all", 9), ("some", 9), ("left", 1_234)].map(|(name, n)| (name.to_owned(), n)).into(),
            deployed: ["never", "left", "all", "some"].map(str::to_owned).into(),
            ..usual(questions)
        }
    };
    let told_of = |profiles: u64| {
        let all = told(&loaded, sizes(profiles));
        all.into_iter().map(|one| one.split(" (").next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let wanted = [
        "1:9 TW704 nobody is in segment `never`, and nobody ever was; there are 2,000 profiles",
        "2:9 TW706 nobody is in segment `left` now; it was entered 1,234 times",
        "3:9 TW705 everybody is in segment `all`: all 2,000 profiles",
    ];
    assert_eq!(told_of(2_000), wanted);
    assert_eq!(told_of(0), Vec::<String>::new());
}

#[test]
fn a_segment_is_in_force_as_written_if_all_that_it_names_is() {
    let rules = "compute c = count of \"Order Completed\"\nsegment a = c > 1\nsegment b = in segment a\nsegment d = plan is \"x\"\n";
    let here = load(rules, "");
    let as_in = |there: &str| {
        let there = load(there, "");
        let of = |loaded: &Loaded| loaded.program.clone().expect("a program");
        let same = as_deployed((&of(&here), &here.sources), (&of(&there), &there.sources));
        same.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(as_in(&rules.replace("segment a = c > 1", "# why\nsegment a =\n  c > 1 # so")), ["a", "b", "d"]);
    assert_eq!(as_in(&rules.replace("\"Order Completed\"", "\"Order Completed\" in last 1 day")), ["d"]);
    assert_eq!(as_in(&rules.replace("c > 1", "c > 2")), ["d"]);
    assert_eq!(as_in(&rules.replace("segment d", "segment e")), ["a", "b"]);
    let with = |constant: &str| format!("constant most = {constant}\n{}", rules.replace("c > 1", "c > most"));
    let (here, there) = (load(&with("1"), ""), load(&with("2"), ""));
    let of = |loaded: &Loaded| loaded.program.clone().expect("a program");
    let same = as_deployed((&of(&here), &here.sources), (&of(&there), &there.sources));
    assert_eq!(same.into_iter().collect::<Vec<_>>(), ["d"]);
}

/// The wrong example of a page is found in the data that it speaks of, and the right one is not.
#[test]
fn the_examples_of_the_pages_are_what_they_say() {
    let example = |code: Code, heading: &str| {
        let section = code.page().split(heading).nth(1).expect("the heading");
        let body = section.split("```").nth(1).expect("an example");
        body.split_once('\n').expect("a language, then the example").1.to_owned()
    };
    for code in OF_DATA {
        let found = |heading: &str| {
            let loaded = load(&example(code, heading), "");
            let program = loaded.program.clone().expect("a program");
            let questions = Questions::of(&program, &loaded.sources);
            let stopped = EventTotal { times: 9, latest: NEWEST - Span::DAY.times(90) };
            let mut answers = usual(&questions);
            answers.events.remove("Order Refunded");
            if code == Code::EventStopped {
                answers.events.insert("Order Refunded".to_owned(), stopped);
            }
            answers.members = [("buyers", 1), ("everyone", 2)].map(|(name, n)| (name.to_owned(), n)).into();
            answers.entered =
                [("buyers", 1), ("everyone", 2), ("spring", 1)].map(|(name, n)| (name.to_owned(), n)).into();
            answers.deployed = program.rules.segments.iter().map(|segment| segment.name.clone()).collect();
            findings(&questions, &answers).iter().any(|finding| finding.code == code)
        };
        assert!(found("## Wrong"), "{code} is not found");
        assert!(!found("## Right"), "{code} is found");
    }
}

#[test]
fn numbers_are_written_to_be_read() {
    assert_eq!([0, 999, 1_000, 12_031, 1_234_567].map(counted), ["0", "999", "1,000", "12,031", "1,234,567"]);
}
