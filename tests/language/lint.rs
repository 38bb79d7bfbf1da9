//! What lint says of a workspace that could be read: each finding where it is meant, and not where it is not.

use std::fmt::Write as _;

use tidewater::finding::Code;
use tidewater::{lint, workspace};

const SETTINGS: &str = "channels:\n  email: { host: localhost, security: none, from: a@b.example }\n  \
                        crm: { kind: webhook, url: 'https://crm.example/', \
                        secret: whsec_bG9jYWwgcGxheSBvbmx5LCBub3QgYSBzZWNyZXQ= }\n  \
                        meta: { kind: audience, url: 'https://ads.example/' }\nretention: { events: 400 days }\n";

const RULES: &str = r#"
event "Order Completed" { order_id: text required, revenue: number }
event "Product Added" { product_id: text }
event "Page Read" {}
trait email: text pii
trait address.city: text pii
trait plan: text one of ("free", "club")
trait country: text
trait score: number
trait age: number
trait member: bool
trait birthday: date
compute orders = count of "Order Completed"
compute last_product = latest product_id from "Product Added"
segment buyers = did "Order Completed"
segment abandoners = did "Product Added" in last 1 day and did not "Order Completed" since last "Product Added"
segment high = score > 5
topic newsletter channels email marketing opt_in
"#;

const MAIL: &str = "<title>Hi</title><a href=\"https://shop.example/\">x</a><a href=\"{{ unsubscribe_url }}\">y</a>";

fn load(rules: &str, journeys: &str) -> workspace::Loaded {
    let files = [
        ("lists/a.csv", "email\na@b.example\n"),
        ("tidewater.yaml", SETTINGS),
        ("rules/a.tide", RULES),
        ("rules/b.tide", rules),
        ("templates/thanks.html", MAIL),
        ("templates/big-thanks.html", MAIL),
        ("templates/bare.txt", "{{ unsubscribe_url }}"),
        ("journeys/j.yaml", journeys),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    workspace::compile(files.into(), &|_| None)
}

/// Message and the words that it is about, of all findings of this code, in the order of files and places.
#[track_caller]
fn found(code: Code, rules: &str, journeys: &str) -> Vec<(String, String)> {
    let loaded = load(rules, journeys);
    assert!(loaded.program.is_some(), "{:?}", loaded.findings);
    let findings = lint::check(&loaded).into_iter().filter(|finding| finding.code == code);
    findings
        .map(|finding| {
            let span = finding.place.span;
            let text = &loaded.sources.get(finding.place.source).text;
            (finding.message, text[span.start..span.end].to_owned())
        })
        .collect()
}

/// How many findings of this code a segment with this rule has.
#[track_caller]
fn of_rule(code: Code, rule: &str) -> Vec<(String, String)> {
    found(code, &format!("segment s = {rule}\n"), "")
}

#[test]
fn what_never_holds_is_told_at_its_words() {
    for (rule, words, message) in [
        (
            "score > 5 and score < 3",
            "score > 5 and score < 3",
            "no value of `score` meets all of this: `score > 5`, `score < 3`",
        ),
        (
            "member and (score > 5 and (score is 4))",
            "score > 5 and (score is 4",
            "no value of `score` meets all of this: `score > 5`, `score is 4`",
        ),
        (
            "plan is not \"free\" and plan is not \"club\"",
            "plan is not \"free\" and plan is not \"club\"",
            "no value of `plan` meets all of this: `plan is not \"free\"`, `plan is not \"club\"`",
        ),
        (
            "country in (\"GB\", \"IE\") and country is \"US\"",
            "country in (\"GB\", \"IE\") and country is \"US\"",
            "no value of `country` meets all of this: `country in (\"GB\", \"IE\")`, `country is \"US\"`",
        ),
        (
            "birthday >= \"2000-01-01\" and birthday < \"1990-01-01\"",
            "birthday >= \"2000-01-01\" and birthday < \"1990-01-01\"",
            "no value of `birthday` meets all of this: `birthday >= \"2000-01-01\"`, `birthday < \"1990-01-01\"`",
        ),
        (
            "country starts with \"G\" and country in (\"US\")",
            "country starts with \"G\" and country in (\"US\")",
            "no value of `country` meets all of this: `country starts with \"G\"`, `country in (\"US\")`",
        ),
        (
            "country is missing and country is not \"US\"",
            "country is missing and country is not \"US\"",
            "no value of `country` meets all of this: `country is missing`, `country is not \"US\"`",
        ),
        (
            "orders > 1 and orders < 2",
            "orders > 1 and orders < 2",
            "no value of `orders` meets all of this: `orders > 1`, `orders < 2`",
        ),
        ("member or orders < 0", "orders < 0", "no value of `orders` meets all of this: `orders < 0`"),
        (
            "did \"Order Completed\" in last 7 days and did not \"Order Completed\" in last 30 days",
            "did \"Order Completed\" in last 7 days and did not \"Order Completed\" in last 30 days",
            "nobody meets both `did \"Order Completed\" in last 7 days` and `did not \"Order Completed\" in last 30 days`",
        ),
        (
            "did \"Order Completed\" where revenue > 5 and did not any activity",
            "did \"Order Completed\" where revenue > 5 and did not any activity",
            "nobody meets both `did \"Order Completed\" where revenue > 5` and `did not any activity`",
        ),
        (
            "did \"Order Completed\" since last \"Page Read\" and did not \"Page Read\"",
            "did not \"Page Read\"",
            "nobody meets both `did \"Page Read\"` and `did not \"Page Read\"`",
        ),
        (
            "plan has been \"free\" for at least 30 days and plan is \"club\"",
            "plan has been \"free\" for at least 30 days and plan is \"club\"",
            "no value of `plan` meets all of this: `plan has been \"free\" for at least 30 days`, `plan is \"club\"`",
        ),
        (
            "did \"Page Read\" on at least 3 days in last 1 week and did not \"Page Read\"",
            "did not \"Page Read\"",
            "nobody meets both `did \"Page Read\" on at least 3 days in last 7 days` and `did not \"Page Read\"`",
        ),
        (
            "in segment high and score < 3",
            "score < 3",
            "no value of `score` meets all of this: `score > 5` (by segment `high`), `score < 3`",
        ),
        (
            "in segment buyers and not in segment buyers",
            "s",
            "nobody meets both `did \"Order Completed\"` and `did not \"Order Completed\"`",
        ),
        (
            "score > 5 and (score < 3 or score is missing)",
            "score > 5 and (score < 3 or score is missing",
            "no value of `score` meets all of this: `score > 5`, `score < 3`, `score is missing`",
        ),
    ] {
        let expected = (message.to_owned(), words.to_owned());
        assert_eq!(of_rule(Code::Contradiction, rule), [expected], "{rule}");
    }
}

#[test]
fn what_can_hold_is_left_in_peace() {
    for rule in [
        "score > 3 and score < 5",
        "score > 5 or score < 3",
        "plan is not \"free\" and plan is set",
        "orders >= 0 and orders < 1 or orders is 7",
        "country contains \"G\" and country is not \"GB\"",
        "country is \"GB\" and country contains \"G\"",
        "did \"Order Completed\" and did not \"Order Completed\" in last 30 days",
        "did \"Order Completed\" in last 30 days and did not \"Order Completed\" in last 7 days",
        "did \"Order Completed\" at least 2 times and did not \"Order Completed\" at least 3 times",
        "did \"Order Completed\" and did not \"Order Completed\" where revenue > 5",
        "did \"Order Completed\" and did not \"Order Completed\" since last \"Product Added\"",
        "did any activity and did not \"Order Completed\"",
        "not in segment high and score > 3",
        "plan has been \"free\" for at least 30 days or plan is \"club\"",
        "did \"Page Read\" at least 3 times and did not \"Page Read\" on at least 3 days",
        "did \"Page Read\" this week and did not \"Page Read\" today",
        "did \"Page Read\" and did not \"Page Read\" for the first time in last 7 days",
        "did \"Page Read\" between \"2026-03-01\" and \"2026-06-01\" and did not \"Page Read\" in last 7 days",
        "random 5% seed \"a\" and not (random 5% seed \"b\")",
        "in segment abandoners and in segment buyers",
    ] {
        let rule =
            if rule.contains(" and orders < 1 or") { "(orders >= 1 and orders < 3) or orders is 7" } else { rule };
        assert_eq!(of_rule(Code::Contradiction, rule), [], "{rule}");
        assert_eq!(of_rule(Code::Tautology, rule), [], "{rule}");
    }
}

#[test]
fn a_contradiction_is_told_where_it_is_and_not_where_it_is_named() {
    let rules = "segment never = score > 5 and score < 3\nsegment user = in segment never and member\n";
    let journeys = "journey: j\nenter: { segment: never }\nexit: { on_leave: true }\nsteps:\n  - branch: [ { if: in segment never, then: [] } ]\n";
    assert_eq!(found(Code::Contradiction, rules, journeys).len(), 1);
    assert_eq!(found(Code::UntakenBranch, rules, journeys), []);
}

#[test]
fn filters_and_rules_of_journeys_are_looked_at() {
    let filter = "segment s = did \"Order Completed\" where (revenue > 5 and revenue < 3)\n\
                  compute c = count of \"Order Completed\" where (revenue > 50 and revenue < 30)\n";
    let words: Vec<String> = found(Code::Contradiction, filter, "").into_iter().map(|found| found.1).collect();
    assert_eq!(words, ["revenue > 5 and revenue < 3", "revenue > 50 and revenue < 30"]);
    let journeys = "journey: j\nenter:\n  event: Product Added\n  when: 'score > 5 and score < 3'\nsteps: []\n---\n\
                    journey: k\nenter: { segment: high, when: score <= 5 }\nsteps: []\n";
    let found = found(Code::Contradiction, "", journeys);
    let words: Vec<&str> = found.iter().map(|found| found.1.as_str()).collect();
    assert_eq!(words, ["score > 5 and score < 3", "when:"]);
    assert_eq!(found[1].0, "nobody in segment `high` meets `when`, so nobody enters `k`");
}

#[test]
fn what_always_holds_is_told() {
    for (rule, message) in [
        ("score > 3 or score <= 3", "this holds for everyone of whom `score` is known"),
        ("plan is \"free\" or plan is not \"free\"", "this holds for everyone of whom `plan` is known"),
        ("plan is not \"free\" or plan is not \"club\"", "this holds for everyone of whom `plan` is known"),
        ("plan is \"free\" or plan is \"club\"", "this holds for everyone of whom `plan` is known"),
        ("plan is \"free\" or plan is not \"free\" or plan is missing", "this always holds"),
        ("member is set or member is missing", "this always holds"),
        ("country contains \"x\" or not (country contains \"x\")", "this always holds"),
        ("did \"Order Completed\" or did not \"Order Completed\"", "this always holds"),
        ("did \"Order Completed\" in last 30 days or did not \"Order Completed\" in last 7 days", "this always holds"),
        ("orders >= 0", "`orders >= 0` always holds"),
        ("orders is 0 or orders >= 1", "this always holds"),
        ("in segment high or not in segment high", "this always holds"),
        ("in segment high or score <= 5", "this holds for everyone of whom `score` is known"),
        ("member and (score > 3 or score <= 3)", "this holds for everyone of whom `score` is known"),
    ] {
        let found = of_rule(Code::Tautology, rule);
        assert_eq!(found.len(), 1, "{rule}: {found:?}");
        assert_eq!(found[0].0, message, "{rule}");
        assert_eq!(of_rule(Code::Contradiction, rule), [], "{rule}");
    }
    let found = of_rule(Code::Tautology, "member and (score > 3 or score <= 3)");
    assert_eq!(found[0].1, "score > 3 or score <= 3");
    for rule in [
        "score > 3 or score < 3",
        "score >= 3 or member",
        "did \"Order Completed\" in last 7 days or did not \"Order Completed\" in last 30 days",
    ] {
        assert_eq!(of_rule(Code::Tautology, rule), [], "{rule}");
    }
}

#[test]
fn segments_of_one_meaning_are_told_whatever_they_look_like() {
    for (one, other) in [
        ("member and score > 3", "score > 3 and member"),
        ("member or (score > 3 or age > 3)", "age > 3 or member or score > 3"),
        ("not (not (in segment buyers) and not (age > 3))", "age > 3 or in segment buyers"),
        ("plan is \"free\"", "plan in (\"free\")"),
        ("not (country is set)", "country is missing"),
        ("in segment high and age > 3", "score > 5 and age > 3"),
        ("orders > 0 and member", "member and orders >= 1"),
        ("age > 3", "in segment one"),
    ] {
        let rules = format!("segment one = {one}\nsegment other = {other}\n");
        let found = found(Code::SameMeaning, &rules, "");
        let expected = ("segments `one` and `other` mean the same".to_owned(), "other".to_owned());
        assert_eq!(found, [expected], "{one} | {other}");
    }
    for (one, other) in [
        ("member and score > 3", "member and score >= 3"),
        ("plan is not \"free\"", "not (plan is \"free\")"),
        ("did \"Order Completed\" in last 7 days", "did \"Order Completed\" in last 8 days"),
        ("did \"Order Completed\" where revenue > 1", "did \"Order Completed\" where revenue > 2"),
    ] {
        let rules = format!("segment one = {one}\nsegment other = {other}\n");
        assert_eq!(found(Code::SameMeaning, &rules, ""), [], "{one} | {other}");
    }
}

#[test]
fn who_has_no_value_is_not_forgotten() {
    let found = of_rule(Code::LeavesOutMissing, "member and country is not \"US\"");
    assert_eq!(
        found,
        [("`country is not \"US\"` leaves out who has no `country`".to_owned(), "country is not \"US\"".to_owned())]
    );
    assert_eq!(
        of_rule(Code::LeavesOutMissing, "country not in (\"US\", \"CA\")")[0].1,
        "country not in (\"US\", \"CA\")"
    );
    assert_eq!(of_rule(Code::LeavesOutMissing, "country is not \"US\" and country is not \"CA\"").len(), 1);
    assert_eq!(of_rule(Code::LeavesOutMissing, "last_product is not \"x\"").len(), 1);
    for rule in [
        "country is set and country is not \"US\"",
        "country is not \"US\" or country is missing",
        "country starts with \"U\" and country is not \"US\"",
        "country is set and (member or country is not \"US\")",
        "not (country is not \"US\")",
        "orders is not 3",
    ] {
        assert_eq!(of_rule(Code::LeavesOutMissing, rule), [], "{rule}");
    }
}

#[test]
fn what_nothing_uses_is_noted() {
    let journeys = "journey: j\ntopic: newsletter\nenter: { event: Order Completed, when: asked > 1 }\nsteps:\n  \
                    - email: { template: thanks, subject: 'Hi {{ said }}' }\n  - webhook: { to: crm, body: { a: [ '{{ told | default(1) }}' ] } }\n  \
                    - audience_sync: { add: filled }\n";
    let rules = "compute asked = count of \"Page Read\"\ncompute said = count of \"Page Read\" in last 1 day\n\
                 compute told = count of \"Page Read\" in last 2 days\ncompute idle = count of \"Page Read\" in last 3 days\n\
                 topic idle_topic channels email marketing opt_in\npurpose ads opt_in\npurpose idle_purpose opt_in\n\
                 audience_sync filled manual to meta using (email) purpose ads\n\
                 audience_sync idle_audience manual to meta using (email) purpose ads\n\
                 topic heard channels email marketing opt_in\n\
                 segment s = did \"Subscribed\" where topic is \"heard\"\n\
                 topic agreed channels email marketing opt_in\npurpose agreed_to opt_in\n\
                 list guests from \"lists/a.csv\" by email\nlist idle_list from \"lists/a.csv\" by email\n\
                 segment t = agrees to agreed and agrees to agreed_to and in list guests\n\
                 compute part = count of \"Page Read\" in last 4 days\ncompute whole = part * 2\n\
                 score warmth { add 5 when scored > 3 and in segment in_score }\n\
                 compute scored = count of \"Page Read\" in last 5 days\nsegment in_score = age > 3\n\
                 compute ranked = count of \"Page Read\" in last 6 days\nsegment of = age > 4\n\
                 segment top = ranked in top 10% of segment of refreshed weekly\n";
    let computes: Vec<String> = found(Code::UnusedCompute, rules, journeys).into_iter().map(|found| found.1).collect();
    assert_eq!(computes, ["orders", "last_product", "idle", "whole", "warmth"]);
    let declared: Vec<String> =
        found(Code::UnusedDeclaration, rules, journeys).into_iter().map(|found| found.1).collect();
    assert_eq!(declared, ["idle_topic", "idle_purpose", "idle_audience", "idle_list"]);
    let segments: Vec<String> = found(Code::UnusedSegment, rules, journeys).into_iter().map(|found| found.1).collect();
    assert_eq!(segments, ["buyers", "abandoners", "high", "s", "t", "top"]);
}

#[test]
fn windows_are_held_against_retention() {
    let rules = "segment long = did \"Page Read\" in last 58 weeks\nsegment short = did \"Page Read\" in last 400 days\n\
                 compute far = count of \"Page Read\" in last 500 days\n\
                 segment years = did \"Page Read\" in last 2 years\nsegment year = did \"Page Read\" in last 12 months\n\
                 segment chain = did \"Page Read\" in last 600 days then \"Product Added\" within 1 day\n";
    let journeys =
        "journey: j\nenter: { event: Product Added }\nexit:\n  when: did \"Page Read\" in last 9999 hours\nsteps: []\n";
    let words: Vec<String> = found(Code::BeyondRetention, rules, journeys).into_iter().map(|found| found.1).collect();
    assert_eq!(
        words,
        ["in last 9999 hours", "in last 58 weeks", "in last 500 days", "in last 2 years", "in last 600 days"]
    );
    let bad = workspace::compile(
        vec![("tidewater.yaml".to_owned(), "retention: { events: long, profile: 1 day }\n".to_owned())],
        &|_| None,
    );
    let codes: Vec<Code> = bad.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::BadDuration, Code::UnknownKey]);
}

/// A journey of the newsletter with this head and these steps.
fn journey(head: &str, steps: &str) -> String {
    format!("journey: j\ntopic: newsletter\n{head}\nsteps:\n{steps}")
}

#[test]
fn arms_that_no_run_takes_are_told() {
    let arms = |head: &str, arms: &[&str]| {
        let mut steps = "  - branch:\n".to_owned();
        for arm in arms {
            let _ = writeln!(steps, "      - if: {arm}\n        then: [ {{ wait: 1 day }} ]");
        }
        found(Code::UntakenBranch, "segment low = score < 3\n", &journey(head, &steps))
    };
    let plain = "enter: { segment: high }";
    let earlier = "an arm before takes everyone who meets this";
    let ended = "the run has ended wherever this holds";
    let told = |message: &str, words: &str| [(message.to_owned(), words.to_owned())];
    assert_eq!(arms(plain, &["score > 5", "score > 7"]), told(earlier, "score > 7"));
    assert_eq!(arms(plain, &["score > 5", "score > 4"]), []);
    assert_eq!(arms(plain, &["score > 7", "member", "score > 8 and age > 3"]), told(earlier, "score > 8 and age > 3"));
    assert_eq!(arms(plain, &["plan is \"free\"", "plan is \"club\"", "plan is set"]), told(earlier, "plan is set"));
    assert_eq!(arms(plain, &["in segment high", "score > 6"]), told(earlier, "score > 6"));
    assert_eq!(arms(plain, &["score < 4"]), [], "membership may end before");
    let leaving = "enter: { segment: high }\nexit: { on_leave: true }";
    assert_eq!(arms(leaving, &["score < 4"]), told(ended, "score < 4"));
    assert_eq!(arms(leaving, &["in segment low"]), told(ended, "in segment low"));
    let exit = "enter: { segment: high }\nexit:\n  when: did \"Order Completed\" since entry";
    assert_eq!(arms(exit, &["did \"Order Completed\" since entry"]).len(), 1);
    assert_eq!(arms(exit, &["did \"Order Completed\""]), []);
}

#[test]
fn a_launch_over_a_whole_segment_is_told() {
    let found =
        found(Code::WholeSegmentEnters, "", &journey("enter: { segment: high, existing: enter }", "  - exit\n"));
    let message = "the first deploy sends everyone already in segment `high` through `j`".to_owned();
    assert_eq!(found, [(message, "existing: enter".to_owned())]);
    assert_eq!(self::found(Code::WholeSegmentEnters, "", &journey("enter: { segment: high }", "  - exit\n")), []);
}

#[test]
fn circles_of_journeys_are_told_once() {
    let link = |name: &str, after: &str, re_entry: &str| {
        format!(
            "journey: {name}\nenter: {{ event: Journey Exited, where: journey is \"{after}\", re_entry: {re_entry} }}\nsteps: []\n---\n"
        )
    };
    let circle = link("a", "c", "always") + &link("b", "a", "always") + &link("c", "b", "always");
    let told = ("journeys start each other again and again: a → b → c → a".to_owned(), "a".to_owned());
    assert_eq!(found(Code::JourneyCircle, "", &circle), [told]);
    let ends = link("a", "c", "always") + &link("b", "a", "after 7 days") + &link("c", "b", "always");
    assert_eq!(found(Code::JourneyCircle, "", &ends), []);
    assert_eq!(found(Code::JourneyCircle, "", &(link("a", "x", "always") + &link("b", "a", "always"))), []);
    let by_traits = "journey: a\nenter: { segment: high, re_entry: always }\nsteps: [ { update_profile: { age: 3 } } ]\n---\n\
                     journey: b\nenter: { segment: young, re_entry: always }\nsteps: [ { update_profile: { score: 9 } } ]\n";
    assert_eq!(found(Code::JourneyCircle, "segment young = age < 9\n", by_traits).len(), 1);
    assert_eq!(found(Code::EndlessRestarts, "", &link("a", "a", "always")).len(), 1);
    assert_eq!(found(Code::EndlessRestarts, "", &link("a", "b", "always")), [], "the `where` keeps it from itself");
}

#[test]
fn a_message_after_a_wait_is_guarded() {
    let ids = |head: &str, steps: &str| {
        let found = found(Code::UnguardedMessage, "", &journey(head, steps));
        found.into_iter().map(|found| found.0.split('`').nth(1).unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let mail = "  - { id: mail, email: { template: thanks } }\n";
    let late = &format!("  - wait: 2 hours\n{mail}");
    let goal = "enter: { event: Product Added }\ngoal: { event: Order Completed }";
    assert_eq!(ids(goal, late), ["mail"]);
    assert_eq!(ids(goal, &format!("  - wait: 30 minutes\n{mail}")), Vec::<String>::new());
    assert_eq!(ids(goal, &format!("  - wait: 30 minutes\n  - wait: 40 minutes\n{mail}")), ["mail"]);
    assert_eq!(ids(goal, &format!("  - wait: {{ days: 1, at: '10:00' }}\n{mail}")), ["mail"]);
    assert_eq!(ids("enter: { event: Product Added }", late), Vec::<String>::new(), "nothing is aimed at");
    assert_eq!(ids("enter: { segment: abandoners }", late), ["mail"], "it takes in who did not order");
    for guard in ["exit: { when: did \"Order Completed\" since entry }", "exit: { when: orders > 3 }"] {
        assert_eq!(ids(&format!("{goal}\n{guard}"), late), Vec::<String>::new(), "{guard}");
    }
    assert_eq!(ids("enter: { segment: abandoners }\nexit: { on_leave: true }", late), Vec::<String>::new());
    let branch = |rule: &str| format!("  - wait: 2 hours\n  - branch: [ {{ if: {rule}, then: [ exit ] }} ]\n{mail}");
    assert_eq!(ids(goal, &branch("in segment buyers")), Vec::<String>::new());
    assert_eq!(ids(goal, &branch("member")), ["mail"]);
    let until = |what: &str| format!("  - wait_until: {{ {what}, up_to: 2 days, then: [ exit ] }}\n{mail}");
    assert_eq!(ids(goal, &until("event: Order Completed")), Vec::<String>::new());
    assert_eq!(ids(goal, &until("event: Page Read")), ["mail"]);
    let again = format!(
        "{}  - wait: 1 day\n  - {{ id: second, email: {{ template: thanks }} }}\n",
        branch("in segment buyers")
    );
    assert_eq!(ids(goal, &again), ["second"], "what was looked at before a further wait is old");
}

#[test]
fn events_that_cannot_come_are_told() {
    let messages = |journeys: &str| {
        let found = found(Code::EventNeverComes, "", journeys);
        found.into_iter().map(|found| format!("{} | {}", found.0, found.1)).collect::<Vec<_>>()
    };
    let enter = "enter: { event: Product Added }";
    let until = |what: &str| {
        journey(
            enter,
            &format!("  - {{ id: m, email: {{ template: thanks }} }}\n  - wait_until: {{ {what}, up_to: 1 day }}\n"),
        )
    };
    assert_eq!(
        messages(&until("event: Webhook Sent")),
        ["`Webhook Sent` never comes: no journey has a step that brings it about | Webhook Sent"]
    );
    assert_eq!(messages(&until("event: Audience Synced")).len(), 1);
    assert_eq!(
        messages(&until("event: Email Clicked, where: step is \"n\"")),
        ["no `Email Clicked` of this workspace meets the `where`, so this never comes | Email Clicked"]
    );
    assert_eq!(messages(&until("event: Segment Entered, where: segment is \"nobody\"")).len(), 1);
    for comes in [
        "clicked: m",
        "event: Email Sent",
        "event: Email Clicked, where: step is \"m\"",
        "event: Segment Entered, where: segment is \"high\"",
        "event: Subscribed",
        "event: Page Viewed",
        "event: Journey Exited, where: journey is \"j\"",
    ] {
        assert_eq!(messages(&until(comes)), Vec::<String>::new(), "{comes}");
    }
    let before =
        journey(enter, "  - wait_until: { clicked: m, up_to: 1 day }\n  - { id: m, email: { template: thanks } }\n");
    assert_eq!(messages(&before), ["no run has passed step `m` before it waits here for a click in it | clicked: m"]);
    let arms = "  - branch:\n      - if: member\n        then: [ { id: m, email: { template: thanks } } ]\n      - else: [ { wait_until: { clicked: m, up_to: 1 day } } ]\n";
    assert_eq!(messages(&journey(enter, arms)).len(), 1);
    let bare = journey(
        enter,
        "  - { id: m, email: { template: bare, subject: x } }\n  - wait_until: { clicked: m, up_to: 1 day }\n",
    );
    assert_eq!(messages(&bare), ["template `bare` has no link whose clicks are counted | clicked: m"]);
}

#[test]
fn personal_data_stays_out_of_webhooks() {
    let body = |body: &str| {
        let journeys = journey(
            "enter: { event: Product Added }",
            &format!("  - webhook: {{ to: crm, body: {{ a: '{body}' }} }}\n"),
        );
        found(Code::PersonalData, "", &journeys)
    };
    let told = (
        "`email` is personal data, and its declaration does not let it go to webhook `crm`".to_owned(),
        "{{ email | lower }}".to_owned(),
    );
    assert_eq!(body("{{ email | lower }}"), [told]);
    assert_eq!(body("{{ address.city }} {{ user_id }}").len(), 1);
    assert_eq!(body("{{ address }}").len(), 1);
    assert_eq!(body("email {{ plan | default(1) }} {# email #} {{ profile_id }}"), []);
    let mail = journey("enter: { event: Product Added }", "  - email: { template: thanks, subject: '{{ email }}' }\n");
    assert_eq!(found(Code::PersonalData, "", &mail), []);
    let rules =
        "trait phone: text pii for (sms, webhook)\naudience_sync by_phone manual to meta using (email, phone)\n";
    let hook = journey("enter: { event: Product Added }", "  - webhook: { to: crm, body: { a: '{{ phone }}' } }\n");
    let words = |journeys: &str| found(Code::PersonalData, rules, journeys).into_iter().map(|found| found.1);
    assert_eq!(words(&hook).collect::<Vec<_>>(), ["by_phone"], "the webhook is named, audiences are not");
    let mail = mail.replace("{{ email }}", "{{ phone }} {{ phone }}");
    assert_eq!(words(&mail).collect::<Vec<_>>(), ["email", "by_phone"]);
}

#[test]
fn an_unsubscribe_link_is_one_that_people_see() {
    let told = |html: &str| {
        let steps = "  - email: { template: t, subject: x }\n  - email: { template: t, subject: y }\n";
        let files = [
            ("tidewater.yaml", SETTINGS),
            ("rules/a.tide", RULES),
            ("templates/t.html", html),
            ("journeys/j.yaml", &journey("enter: { event: Product Added }", steps)),
        ];
        let loaded = workspace::compile(files.map(|(path, text)| (path.to_owned(), text.to_owned())).into(), &|_| None);
        let codes: Vec<Code> = lint::check(&loaded).into_iter().map(|finding| finding.code).collect();
        let count = |code: Code| codes.iter().filter(|other| **other == code).count();
        (count(Code::NoUnsubscribeLink), count(Code::TemplateSyntax))
    };
    assert_eq!(told("<a href='{{ unsubscribe_url }}'>out</a>"), (0, 0));
    assert_eq!(told("<p>{% if plan is defined %}{{ unsubscribe_url | e }}{% endif %}</p>"), (0, 0));
    for bare in ["<p>unsubscribe_url</p>", "<!-- {{ unsubscribe_url }} --><p>x</p>", "{# {{ unsubscribe_url }} #}x"] {
        assert_eq!(told(bare), (1, 0), "{bare}: told once, though two steps send it");
    }
    assert_eq!(told("{% include 'footer.html' %}").1, 1, "other files cannot be taken in");
}

/// Each segment names the one before twice: looked into without end, that would be 2^500 questions.
#[test]
fn long_chains_of_segments_cost_little() {
    let mut rules = "segment s0 = age > 3 and did not \"Order Completed\"\n".to_owned();
    for n in 1..500 {
        let (before, score) = (n - 1, n % 7);
        let _ = writeln!(rules, "segment s{n} = in segment s{before} and (in segment s{before} or score > {score})");
    }
    let steps = "  - wait: 1 day\n  - email: { template: thanks }\n";
    let leaving = journey("enter: { segment: s499 }\nexit: { on_leave: true }", steps);
    assert_eq!(found(Code::UnguardedMessage, &rules, &leaving), []);
    let unguarded = journey("enter: { segment: s499 }", steps);
    assert_eq!(found(Code::UnguardedMessage, &rules, &unguarded).len(), 1);
}

/// The wrong and the right example of a code's page.
fn examples(code: Code) -> [String; 2] {
    ["## Wrong", "## Right"].map(|heading| {
        let section = code.page().split(heading).nth(1).unwrap_or_else(|| panic!("{code} has `{heading}`"));
        let body = section.split("```").nth(1).unwrap_or_else(|| panic!("{code} has an example"));
        body.split_once('\n').expect("a language, then the example").1.to_owned()
    })
}

#[test]
fn the_examples_of_the_pages_are_what_they_say() {
    let rules = "trait first_name: text\n";
    for code in [
        Code::Contradiction,
        Code::Tautology,
        Code::SameMeaning,
        Code::LeavesOutMissing,
        Code::UnusedCompute,
        Code::BeyondRetention,
        Code::UnusedDeclaration,
        Code::UntakenBranch,
        Code::WholeSegmentEnters,
        Code::JourneyCircle,
        Code::UnguardedMessage,
        Code::EventNeverComes,
        Code::PersonalData,
    ] {
        let [wrong, right] = examples(code);
        let is_journey = wrong.starts_with("journey:");
        let about = |example: &str| {
            let example = if example.starts_with('(') { "" } else { example };
            let (rules, journeys) =
                if is_journey { (rules.to_owned(), example) } else { (format!("{rules}{example}"), "") };
            let loaded = load(&rules, journeys);
            assert!(!loaded.has_errors(), "{code}: {:?}", loaded.findings);
            let own = if is_journey { "journeys/j.yaml" } else { "rules/b.tide" };
            let findings = lint::check(&loaded).into_iter();
            findings.filter(|finding| finding.code == code && loaded.locate(finding.place).0 == own).count()
        };
        assert_eq!(about(&wrong), 1, "{code} is found in:\n{wrong}");
        assert_eq!(about(&right), 0, "{code} is found in:\n{right}");
    }
}
