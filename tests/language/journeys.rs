//! Journeys, settings and scenarios: what is wrong is found at its line and column.

use proptest::prelude::*;
use tidewater::finding::Code;
use tidewater::journey::graph::{Enter, ReEntry, StepKind, Until};
use tidewater::{lint, workspace};

const SETTINGS: &str = "channels:\n  email: { host: localhost, security: none, from: a@b.example }\n  \
                        crm: { kind: webhook, url: 'https://crm.example/', \
                        secret: whsec_bG9jYWwgcGxheSBvbmx5LCBub3QgYSBzZWNyZXQ= }\n";

const RULES: &str = r#"
event "Order Completed" { order_id: text required, revenue: number }
event "Product Added" { product_id: text }
trait email: text
trait plan: text one of ("free", "pro")
trait score: number
compute orders = count of "Order Completed"
segment buyers = did "Order Completed"
segment abandoners = did "Product Added" in last 1 day
topic news channels email marketing opt_in
topic calls channels sms transactional
purpose ads opt_in
"#;

const HEAD: &str = "journey: j\ntopic: news\nenter: { event: Product Added }\n";

fn compile(files: &[(&str, &str)]) -> workspace::Loaded {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    workspace::compile(files, &|_| None)
}

fn with_journey(journey: &str) -> workspace::Loaded {
    compile(&[
        ("tidewater.yaml", SETTINGS),
        ("rules/all.tide", RULES),
        ("templates/hello.html", "<title>Hi</title><a href=\"{{ unsubscribe_url }}\">x</a>"),
        ("journeys/j.yaml", journey),
    ])
}

/// Code, line and column of all findings of a journey file.
fn found(journey: &str) -> Vec<(Code, usize, usize)> {
    places(&with_journey(journey))
}

fn places(loaded: &workspace::Loaded) -> Vec<(Code, usize, usize)> {
    let findings = loaded.findings.iter();
    findings
        .map(|finding| {
            let (_, at) = loaded.locate(finding.place);
            (finding.code, at.line, at.column)
        })
        .collect()
}

/// The findings of a step list below [`HEAD`]; the first line of `steps` is line 5.
fn found_in_steps(steps: &str) -> Vec<(Code, usize, usize)> {
    found(&format!("{HEAD}steps:\n{steps}"))
}

#[test]
fn a_good_journey_becomes_a_table_with_arrows() {
    let loaded = with_journey(
        "journey: j\ntopic: news\nenter: { event: Order Completed, where: revenue > 10, key: order_id }\n\
         steps:\n  - id: hi\n    email: { template: hello }\n  - wait_until:\n      clicked: hi\n      up_to: 2 days\n      \
         then: [exit]\n  - branch:\n      - { if: in segment buyers, then: [{ wait: 1 hour }] }\n      - else: []\n  \
         - random_split:\n      a: { share: 33.33%, steps: [{ update_profile: { plan: pro } }] }\n      \
         b: { share: 66.67% }\n  - webhook: { to: crm, body: { id: '{{ user_id }}' } }\n",
    );
    assert_eq!(places(&loaded), []);
    let program = loaded.program.expect("a program");
    let journey = program.journey("j").expect("the journey");
    assert_eq!(journey.re_entry, ReEntry::Never);
    assert!(matches!(&journey.enter, Enter::Event { key: Some(key), filter: Some(_), .. } if key == "order_id"));
    let ids: Vec<&str> = journey.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["hi", "1", "1.then.0", "2", "2.0.0", "3", "3.a.0", "4"]);
    assert!(matches!(&journey.steps[0].kind, StepKind::Email { email, next: Some(1) } if email.subject == "Hi"));
    let StepKind::WaitUntil { until: Until::Clicked(0), then: Some(2), timeout: Some(3), .. } = journey.steps[1].kind
    else {
        panic!("{:?}", journey.steps[1]);
    };
    let StepKind::Branch { arms, otherwise: Some(5) } = &journey.steps[3].kind else { panic!() };
    assert_eq!(arms[0].1, Some(4));
    let StepKind::RandomSplit { arms } = &journey.steps[5].kind else { panic!() };
    assert_eq!(arms.iter().map(|arm| (arm.share, arm.first)).collect::<Vec<_>>(), [(3333, Some(6)), (6667, Some(7))]);
    assert!(matches!(journey.steps[7].kind, StepKind::Webhook { next: None, .. }));
}

#[test]
fn findings_in_rules_point_into_every_kind_of_scalar() {
    let journey =
        |when: &str| found(&format!("journey: j\nenter:\n  event: Product Added\n  when: {when}\nsteps: []\n"));
    assert_eq!(journey("plan is \"pro\" and scor > 1"), [(Code::UnknownTrait, 4, 27)]);
    assert_eq!(journey("'plan is \"pro\" and scor > 1'"), [(Code::UnknownTrait, 4, 28)]);
    assert_eq!(journey("|\n    plan is \"pro\"\n    and scor > 1"), [(Code::UnknownTrait, 6, 9)]);
    assert_eq!(journey(">-\n    plan is \"pro\"\n    and scor > 1"), [(Code::UnknownTrait, 6, 9)]);
    assert_eq!(journey("plan is \"pro\"\n    and scor > 1"), [(Code::UnknownTrait, 5, 9)]);
    assert_eq!(journey("\"plan is \\\"pro\\\" and scor > 1\""), [(Code::UnknownTrait, 4, 30)]);
}

#[test]
fn names_are_looked_up() {
    assert_eq!(found("journey: j\nenter: { segment: buyer }\nsteps: []\n"), [(Code::UnknownSegment, 2, 19)]);
    assert_eq!(found("journey: j\nenter: { event: Order Complete }\nsteps: []\n"), [(Code::UnknownEvent, 2, 17)]);
    assert_eq!(found("journey: j\ntopic: newz\nenter: { segment: buyers }\nsteps: []\n"), [(Code::UnknownTopic, 2, 8)]);
    assert_eq!(found_in_steps("  - email: { template: helo }\n"), [(Code::MissingTemplate, 5, 24)]);
    assert_eq!(found_in_steps("  - webhook: { to: crn }\n"), [(Code::UnknownChannel, 5, 20)]);
    assert_eq!(found_in_steps("  - audience_sync: { add: vips }\n"), [(Code::UnknownAudience, 5, 27)]);
    assert_eq!(found_in_steps("  - update_profile: { plam: pro }\n"), [(Code::UnknownTrait, 5, 23)]);
    assert_eq!(found_in_steps("  - update_profile: { plan: gold }\n"), [(Code::NotOneOf, 5, 29)]);
    assert_eq!(found_in_steps("  - update_profile: { score: high }\n"), [(Code::TypeMismatch, 5, 30)]);
    assert_eq!(found_in_steps("  - update_profile: { orders: 3 }\n"), [(Code::UnknownTrait, 5, 23)]);
    assert_eq!(found_in_steps("  - wait_until: { clicked: hello, up_to: 1 day }\n"), [(Code::UnknownStep, 5, 28)]);
    assert_eq!(found_in_steps("  - email: { template: hello, topic: calls }\n"), [(Code::TopicNotOnChannel, 5, 14)]);
}

#[test]
fn forms_are_checked_and_all_findings_of_a_file_are_collected() {
    assert_eq!(
        found_in_steps("  - wait: 2 dayz\n  - wait: -1 day\n"),
        [(Code::BadDuration, 5, 11), (Code::BadDuration, 6, 11)]
    );
    assert_eq!(found_in_steps("  - emial: { template: hello }\n"), [(Code::UnknownKey, 5, 5)]);
    assert_eq!(
        found_in_steps("  - random_split: { a: { share: 50% }, b: { share: 40% } }\n"),
        [(Code::SharesNotWhole, 5, 21)]
    );
    assert_eq!(found("journey: j\ntitel: x\nsteps: []\n"), [(Code::MissingKey, 1, 1), (Code::UnknownKey, 2, 1)]);
    assert_eq!(found("journey: j\nenter: { schedule: '0 9 31 2 *' }\nsteps: []\n"), [(Code::BadSchedule, 2, 20)]);
    assert_eq!(found("journey: a b\nenter: { segment: buyers }\nsteps: []\n"), [(Code::WrongShape, 1, 10)]);
    assert_eq!(
        found("journey: j\nenter: { segment: buyers }\nsteps:\n  - email: { template: hello }\n"),
        [(Code::EmailWithoutTopic, 4, 14)]
    );
    assert_eq!(
        found_in_steps("  - { id: x, wait: 1 day }\n  - { id: x, wait: 1 day }\n"),
        [(Code::DuplicateName, 6, 14)]
    );
}

#[test]
fn keys_of_another_kind_of_entry_and_empty_branches_are_refused() {
    assert_eq!(
        found("journey: j\nenter: { segment: buyers, key: order_id }\nsteps: []\n"),
        [(Code::UnknownKey, 2, 27)]
    );
    assert_eq!(
        found("journey: j\nenter: { event: Product Added, existing: enter }\nsteps: []\n"),
        [(Code::UnknownKey, 2, 32)]
    );
    assert_eq!(
        found("journey: j\nenter: { segment: buyers, event: Product Added }\nsteps: []\n"),
        [(Code::WrongShape, 2, 10)]
    );
    assert_eq!(found_in_steps("  - branch: [{ else: [] }]\n"), [(Code::MissingKey, 5, 13)]);
}

#[test]
fn what_is_not_carried_out_yet_is_an_error() {
    let journey = "journey: j\nholdout: 5%\nfrequency_cap: { messages: 3, in: 7 days }\non_edit: pin\n\
                   enter: { date: renewal }\nsteps:\n  - update_profile: { score: { rule: score + 1 } }\n---\nbroadcast: b\n";
    let codes: Vec<_> = found(journey).into_iter().filter(|found| found.0 == Code::NotYet).collect();
    assert_eq!(
        codes,
        [
            (Code::NotYet, 2, 1),
            (Code::NotYet, 3, 1),
            (Code::NotYet, 4, 10),
            (Code::NotYet, 5, 10),
            (Code::NotYet, 7, 32),
            (Code::NotYet, 9, 1)
        ]
    );
}

#[test]
fn a_rule_that_yaml_cut_is_explained_and_mended() {
    for (journey, at, mended) in [
        (
            "journey: j\nenter:\n  segment: buyers\n  when: plan is \"a: b\"\nsteps: []\n",
            (4, 19),
            "  when: |-\n    plan is \"a: b\"\nsteps",
        ),
        (
            "journey: j\nenter:\n  segment: buyers\n  when: email is \"a #1\"\nsteps: []\n",
            (4, 21),
            "  when: |-\n    email is \"a #1\"\nsteps",
        ),
    ] {
        let loaded = with_journey(journey);
        let finding = loaded.findings.iter().find(|finding| finding.code == Code::YamlBrokeRule);
        let finding = finding.unwrap_or_else(|| panic!("{:?}", loaded.findings));
        let (_, place) = loaded.locate(finding.place);
        assert_eq!((place.line, place.column), at);
        let fix = finding.fix.as_ref().expect("a fix");
        let mut text = journey.to_owned();
        text.replace_range(fix.place.span.start..fix.place.span.end, &fix.replacement);
        assert!(text.contains(mended), "{text}");
        assert!(!found(&text).iter().any(|found| matches!(found.0, Code::YamlBrokeRule | Code::YamlSyntax)), "{text}");
    }
}

#[test]
fn templates_in_subjects_and_bodies_are_checked() {
    assert_eq!(
        found_in_steps("  - email: { template: hello, subject: 'Hi {{ nam }}' }\n"),
        [(Code::UnknownVariable, 5, 47)]
    );
    assert_eq!(
        found_in_steps("  - webhook: { to: crm, body: { a: [{ b: '{{ nam }}' }] } }\n"),
        [(Code::UnknownVariable, 5, 46)]
    );
    let loaded = compile(&[("tidewater.yaml", SETTINGS), ("templates/a.html", "<p>\n{% if x %}")]);
    assert_eq!(loaded.findings[0].code, Code::TemplateSyntax);
    assert!(loaded.program.is_none());
}

#[test]
fn settings_are_checked_and_secrets_are_not_shown() {
    let settings = |text: &str| places(&compile(&[("tidewater.yaml", text)]));
    assert_eq!(settings("listen: 127.0.0.1:0\n"), []);
    assert_eq!(settings("liste: 127.0.0.1:0\n"), [(Code::UnknownKey, 1, 1)]);
    assert_eq!(settings("listen: nowhere\n"), [(Code::BadConfig, 1, 9)]);
    assert_eq!(settings("time_zone: Europe/Berlim\n"), [(Code::BadConfig, 1, 12)]);
    assert_eq!(settings("sources: { web: '${KEY}' }\n"), [(Code::MissingVariable, 1, 17)]);
    assert_eq!(settings("sources: { web: '${KEY:-x}', app: x }\n"), [(Code::BadConfig, 1, 30)]);
    assert_eq!(
        settings("channels: { email: { host: mail.example, security: none, user: u, password: p, from: a@b.c } }\n"),
        [(Code::BadConfig, 1, 28)]
    );
    assert_eq!(settings("channels: { x: { kind: audience, url: 'http://x.example/' } }\n"), [(Code::BadConfig, 1, 39)]);
    let loaded = compile(&[("tidewater.yaml", "sources: { web: hunter2 }\napi_key: hunter2\n")]);
    assert!(!format!("{:?}", loaded.config.expect("settings")).contains("hunter2"));
}

#[test]
fn a_missing_variable_leaves_the_program_but_no_settings() {
    let loaded = compile(&[("tidewater.yaml", "api_key: '${NOT_SET}'\n"), ("rules/a.tide", RULES)]);
    assert!(loaded.program.is_some() && loaded.config.is_none() && loaded.has_errors());
}

#[test]
fn the_version_is_of_what_decides() {
    let version = |files: &[(&str, &str)]| compile(files).program.expect("a program").version.clone();
    let base = version(&[("tidewater.yaml", "listen: 127.0.0.1:1\n"), ("rules/a.tide", RULES)]);
    assert_eq!(base.len(), 32);
    assert_eq!(base, version(&[("rules/a.tide", RULES), ("tidewater.yaml", "listen: 127.0.0.1:2\n")]));
    assert_ne!(base, version(&[("tidewater.yaml", "time_zone: Europe/Rome\n"), ("rules/a.tide", RULES)]));
    assert_ne!(base, version(&[("tidewater.yaml", ""), ("rules/b.tide", RULES)]));
}

#[test]
fn scenarios_are_checked_against_the_program() {
    let text = "scenario: s\nsteps:\n  - at: 1 hour\n    track: Order Complete\n  - at: 5 minutes\n    \
                expect: { in: [buyers] }\n  - at: 1 hour 5 minutes\n    expect: { in: [buyer], sent: [{ emial: x }] }\n  \
                - at: soon\n    expect: {}\n";
    let loaded = compile(&[("tidewater.yaml", SETTINGS), ("rules/a.tide", RULES), ("scenarios/s.yaml", text)]);
    let places: Vec<_> = places(&loaded);
    assert_eq!(
        places,
        [
            (Code::UnknownEvent, 4, 12),
            (Code::BadScenario, 5, 5),
            (Code::UnknownSegment, 8, 20),
            (Code::UnknownKey, 8, 37),
            (Code::BadScenario, 9, 9),
        ]
    );
    assert!(loaded.program.is_some(), "a scenario with mistakes leaves the program");
}

#[test]
fn lint_sees_what_cannot_be_meant() {
    let rules = format!(
        "{RULES}segment strangers = did not \"Order Completed\"\nsegment never = score > 5 and score < 3\n\
         segment never_text = plan is \"free\" and plan in (\"pro\")\n"
    );
    let journey = format!(
        "{HEAD}steps:\n  - exit\n  - {{ id: late, wait: 1 day }}\n  - email: {{ template: bare }}\n---\n\
                   journey: again\ntopic: news\nenter: {{ event: Journey Exited, re_entry: always }}\nsteps: []\n"
    );
    let loaded = compile(&[
        (
            "tidewater.yaml",
            "channels: { email: { host: localhost, from: a@b.example } }\nlint: { severities: { TW208: error, TW209: off } }\n",
        ),
        ("rules/all.tide", &rules),
        ("templates/bare.html", "<title>Hi</title>"),
        ("journeys/j.yaml", &journey),
    ]);
    let found: Vec<Code> = lint::check(&loaded).into_iter().map(|finding| finding.code).collect();
    for (code, times) in [
        (Code::OnlyNegatives, 1),
        (Code::UnusedSegment, 0),
        (Code::Contradiction, 2),
        (Code::UnreachableStep, 2),
        (Code::EndlessRestarts, 1),
        (Code::NoUnsubscribeLink, 1),
    ] {
        assert_eq!(found.iter().filter(|other| **other == code).count(), times, "{code} in {found:?}");
    }
    let negatives = lint::check(&loaded).into_iter().find(|finding| finding.code == Code::OnlyNegatives);
    assert!(negatives.expect("TW208").is_error(), "the workspace made it an error");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// Whatever stands in the files: findings, never a panic, and places inside the files.
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z:'\"|>\\\\\n {}\\[\\],#é%&*!?0-9-]{0,120}", keyed in any::<bool>()) {
        let journey = if keyed { format!("{HEAD}exit:\n  when: {text}\nsteps: [{text}]\n") } else { text.clone() };
        let loaded = compile(&[
            ("tidewater.yaml", &text), ("rules/a.tide", RULES), ("journeys/a.yaml", &journey),
            ("scenarios/a.yaml", &text), ("templates/a.html", &text),
        ]);
        for finding in &loaded.findings {
            let file = loaded.sources.get(finding.place.source);
            prop_assert!(file.text.get(finding.place.span.start..finding.place.span.end).is_some(), "{finding:?}");
        }
    }

    /// Parts of real journeys, cut and put together at will.
    #[test]
    fn shuffled_lines_of_a_journey_are_read_or_refused(order in proptest::collection::vec(0_usize..60, 0..40)) {
        let real = include_str!("../../journeys/cart-recovery.yaml");
        let lines: Vec<&str> = real.lines().collect();
        let text: String = order.iter().map(|index| format!("{}\n", lines[index % lines.len()])).collect();
        let _ = with_journey(&text);
    }
}

/// The wrong and the right example of a code's page.
fn examples(code: Code) -> (String, String) {
    let page = code.page();
    let example = |heading: &str| {
        let section = page.split(heading).nth(1).unwrap_or_else(|| panic!("{code} has `{heading}`"));
        let body = section.split("```").nth(1).unwrap_or_else(|| panic!("{code} has an example"));
        body.split_once('\n').expect("a language, then the example").1.to_owned()
    };
    (example("## Wrong"), example("## Right"))
}

#[test]
fn every_code_has_a_page_of_the_one_form() {
    for code in Code::ALL {
        let page = code.page();
        assert!(page.starts_with(&format!("# {code}: {}\n", code.summary())), "{code}");
        for heading in ["## What it means", "## Why it matters", "## Wrong", "## Right", "## When to silence it"] {
            assert!(page.contains(heading), "{code} lacks `{heading}`");
        }
        let (wrong, right) = examples(*code);
        assert!(!wrong.trim().is_empty() && wrong != right, "{code}");
    }
}

/// What the pages show as wrong is found as that, and what they show as right is not.
#[test]
fn the_examples_of_the_pages_are_what_they_say() {
    let rules = r#"
trait country: text
trait plan: text one of ("free", "club")
trait score: number
trait revenue_note: text
compute orders = count of "Order Completed"
compute lifetime_value = count of "Order Completed"
event "Order Completed" { order_id: text required, revenue: money by currency, currency: text }
"#;
    // Of each code: what stands before the example in a rule file.
    let before = |code: Code| match code {
        Code::UnknownEvent => "",
        Code::UnknownTrait => "event \"X\" {}\n",
        Code::UnknownSegment | Code::DuplicateName | Code::SegmentCycle | Code::Contradiction => rules,
        Code::Syntax | Code::AndOrMixed | Code::NotBeforeComparison | Code::MixedCurrencies | Code::OnlyNegatives => {
            rules
        }
        Code::SilencedWithoutReason | Code::CannotSilence | Code::SilencesNothing => rules,
        Code::UnknownJourney | Code::UnknownList | Code::UnknownConstant | Code::BadPattern => rules,
        _ => "",
    };
    for code in [
        Code::Syntax,
        Code::UnknownEvent,
        Code::UnknownTrait,
        Code::UnknownSegment,
        Code::UnknownProperty,
        Code::DuplicateName,
        Code::UnknownCleaner,
        Code::TypeMismatch,
        Code::NotOneOf,
        Code::AndOrMixed,
        Code::SegmentCycle,
        Code::NotBeforeComparison,
        Code::MixedCurrencies,
        Code::OnlyNegatives,
        Code::Contradiction,
        Code::SilencedWithoutReason,
        Code::CannotSilence,
        Code::SilencesNothing,
    ] {
        let (wrong, right) = examples(code);
        let found = |example: &str| {
            let text = format!("{}{example}", before(code));
            let loaded = compile(&[("tidewater.yaml", "rates: { EUR: 1 }\n"), ("rules/a.tide", &text)]);
            lint::check(&loaded).iter().any(|finding| finding.code == code)
        };
        assert!(found(&wrong), "{code} is not found in:\n{wrong}");
        assert!(!found(&right), "{code} is found in:\n{right}");
    }
}
