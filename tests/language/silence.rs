//! Findings that a workspace turns up, down or off, and those that a comment silences with its reason.

use proptest::prelude::*;

use tidewater::finding::{Code, Severity};
use tidewater::lint::{self, Report};
use tidewater::workspace::load::{Loaded, compile};

const RULES: &str = "event \"Order Completed\" { order_id: text }\ntrait plan: text\n";

fn load(files: &[(&str, &str)]) -> Loaded {
    compile(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect(), &|_| None)
}

/// The report on rules that follow [`RULES`], two lines.
fn of_rules(settings: &str, rules: &str) -> Report {
    lint::report(&load(&[("tidewater.yaml", settings), ("rules/r.tide", &format!("{RULES}{rules}"))]))
}

/// Code and severity of each finding.
fn standing(report: &Report) -> Vec<(Code, Severity)> {
    report.findings.iter().map(|finding| (finding.code, finding.severity)).collect()
}

/// Code and reason of each silenced finding.
fn silenced(report: &Report) -> Vec<(Code, &str)> {
    report.silenced.iter().map(|one| (one.finding.code, one.reason.as_str())).collect()
}

/// `line:column code message (help)` of what is said of the settings.
fn of_settings(text: &str) -> Vec<String> {
    let loaded = load(&[("tidewater.yaml", text)]);
    let told = lint::report(&loaded).findings;
    told.iter()
        .map(|finding| {
            let (_, at) = loaded.locate(finding.place);
            let help = finding.help.as_deref().unwrap_or_default();
            format!("{}:{} {} {} ({help})", at.line, at.column, finding.code, finding.message)
        })
        .collect()
}

#[test]
fn a_severity_is_set_for_all_findings_of_a_code() {
    let strangers = "segment strangers = did not \"Order Completed\"\n";
    for (level, severity) in [
        ("note", Some(Severity::Note)),
        ("warning", Some(Severity::Warning)),
        ("error", Some(Severity::Error)),
        ("off", None),
    ] {
        let settings = format!("lint:\n  severities:\n    TW208: {level}\n    TW209: off\n");
        let report = of_rules(&settings, strangers);
        assert_eq!(
            standing(&report),
            severity.map(|severity| (Code::OnlyNegatives, severity)).into_iter().collect::<Vec<_>>()
        );
        assert_eq!(report.has_errors(), level == "error");
    }
    // Reading finds some itself, such as this: they are set in the same place.
    let template = |settings: &str| {
        let loaded = load(&[("tidewater.yaml", settings), ("rules/r.tide", RULES), ("templates/t.txt", "{{ plann }}")]);
        lint::report(&loaded).findings.iter().map(|finding| (finding.code, finding.severity)).collect::<Vec<_>>()
    };
    assert_eq!(template(""), [(Code::UnknownVariable, Severity::Warning)]);
    assert_eq!(template("lint: { severities: { TW403: error } }\n"), [(Code::UnknownVariable, Severity::Error)]);
    assert_eq!(template("lint: { severities: { TW403: off } }\n"), []);
}

#[test]
fn what_is_wrong_with_a_severity_is_told_at_its_line() {
    let settings = |line: &str| of_settings(&format!("lint:\n  severities:\n    {line}\n"));
    assert_eq!(settings("TW2O9: off"), ["3:5 TW004 `TW2O9` means nothing in `severities` (did you mean `TW209`?)"]);
    assert_eq!(
        settings("unused: off"),
        ["3:5 TW004 `unused` means nothing in `severities` (how bad each finding is, by its code, such as `TW209`)"]
    );
    let level = "3:12 TW006 `TW209` is `off`, `note`, `warning` or `error`; this is";
    assert_eq!(settings("TW209: warn"), [format!("{level} `warn` (did you mean `warning`?)")]);
    assert_eq!(settings("TW209: eror"), [format!("{level} `eror` (did you mean `error`?)")]);
    let help = "how bad each finding is, by its code, such as `TW209`";
    assert_eq!(settings("TW209: loud"), [format!("{level} `loud` ({help})")]);
    assert_eq!(settings("TW101: error"), Vec::<String>::new());
    assert_eq!(
        settings("TW101: warning"),
        [
            "3:5 TW501 TW101 stays an error: an event that nothing declares (a workspace with this mistake does not run, so \
          it cannot be turned down; mend it where it is found)"
        ]
    );
    assert_eq!(
        of_settings("lint: { TW209: off }\n"),
        ["1:9 TW004 `TW209` means nothing in `lint` (`lint` knows: severities)"]
    );
    assert_eq!(
        of_settings("lint: { severitys: { TW209: off } }\n"),
        ["1:9 TW004 `severitys` means nothing in `lint` (did you mean `severities`?)"]
    );
}

#[test]
fn a_comment_silences_a_declaration_or_a_line() {
    let rules = "# The ads team asked for it.\n# tidewater: allow TW208 because the ads team wants strangers too\n\
                 # tidewater: allow TW209 because it is looked at by hand\nsegment strangers =\n  did not \"Order Completed\"\n\
                 segment others = did not \"Order Completed\" in last 9 days # tidewater: allow TW208 because so\n";
    let report = of_rules("", rules);
    assert_eq!(
        standing(&report),
        [(Code::UnusedSegment, Severity::Note)],
        "of the other segment, on whose line only TW208 is allowed"
    );
    let wanted = [
        (Code::OnlyNegatives, "the ads team wants strangers too"),
        (Code::UnusedSegment, "it is looked at by hand"),
        (Code::OnlyNegatives, "so"),
    ];
    assert_eq!(silenced(&report), wanted);
    // A team that made it an error can still make an exception; what is off is not even counted as silenced.
    let report = of_rules("lint: { severities: { TW208: error, TW209: off } }\n", rules);
    assert_eq!((standing(&report), report.silenced.len()), (Vec::new(), 2));
}

#[test]
fn a_comment_silences_in_journeys_and_templates() {
    let journey = "journey: again # tidewater: allow TW305 because a person ends it\ntopic: news\n\
                   enter: { event: Journey Exited, re_entry: always }\nsteps:\n  - exit\n  \
                   # tidewater: allow TW303 because it is being built\n  - { id: late, wait: 1 day }\n";
    let topics = "topic news channels email transactional\n";
    let loaded = load(&[
        ("tidewater.yaml", ""),
        ("rules/r.tide", &format!("{RULES}{topics}")),
        ("journeys/j.yaml", journey),
        ("templates/t.html", "{# tidewater: allow TW403 because the shop fills it in #}\n<p>{{ basket }}</p>\n"),
    ]);
    let report = lint::report(&loaded);
    assert_eq!(report.findings, []);
    let codes: Vec<Code> = report.silenced.iter().map(|one| one.finding.code).collect();
    assert_eq!(codes, [Code::EndlessRestarts, Code::UnreachableStep, Code::UnknownVariable]);
}

#[test]
fn a_comment_that_cannot_be_followed_is_a_finding() {
    let segment = "segment strangers = did not \"Order Completed\"\n";
    let said = |comment: &str| {
        let report = of_rules("lint: { severities: { TW209: off } }\n", &format!("# tidewater: {comment}\n{segment}"));
        assert!(report.silenced.is_empty(), "{comment}");
        assert!(report.findings.iter().any(|finding| finding.code == Code::OnlyNegatives), "{comment}");
        let others = report.findings.iter().filter(|finding| finding.code != Code::OnlyNegatives);
        others.map(|finding| (finding.code, finding.message.clone())).collect::<Vec<_>>()
    };
    let reason = |code: &str| vec![(Code::SilencedWithoutReason, format!("this does not say why {code} is silenced"))];
    assert_eq!(said("allow TW208"), reason("TW208"));
    assert_eq!(said("allow TW208 because"), reason("TW208"));
    assert_eq!(said("allow TW208 because …"), reason("TW208"));
    assert_eq!(said("allow TW208 as the ads team reads it"), reason("TW208"));
    let word = (Code::SilencedWithoutReason, "`permit` is nothing that a comment can ask for".to_owned());
    assert_eq!(said("permit TW208 because x"), [word]);
    let unknown = (Code::CannotSilence, "no finding has the code `TW2O8`".to_owned());
    assert_eq!(said("allow TW2O8 because x"), [unknown]);
    let error = "TW101 is an error and cannot be silenced: an event that nothing declares".to_owned();
    assert_eq!(said("allow TW101 because x"), [(Code::CannotSilence, error)]);
    let left = (Code::SilencesNothing, "there is no TW210 here to silence".to_owned());
    assert_eq!(said("allow TW210 because x"), [left]);
}

#[test]
fn an_error_stands_whatever_the_comment_says() {
    let report = of_rules("", "segment s = did \"Nothing\" # tidewater: allow TW101 because it is planned\n");
    let codes: Vec<Code> = report.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::UnknownEvent, Code::CannotSilence]);
    assert!(report.has_errors() && report.silenced.is_empty());
}

#[test]
fn nothing_is_called_left_over_where_lint_could_not_run() {
    let rules = "# tidewater: allow TW208 because strangers are welcome\nsegment s = did not \"Order Completed\"\nsgment t = x\n";
    let codes: Vec<Code> = of_rules("", rules).findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::Syntax]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// Wherever such a comment stands: no panic, and each place inside its file.
    #[test]
    fn comments_anywhere_are_read_or_told(
        text in "(# tidewater: allow TW20[89] because x|# tidewater:|\\{#|#\\}|\"|`|“|segment s = |plan|: |[|é\n #a-]){0,40}",
    ) {
        let files = ["tidewater.yaml", "rules/r.tide", "journeys/j.yaml", "templates/t.txt"].map(|path| (path, text.as_str()));
        let loaded = load(&files);
        let report = lint::report(&loaded);
        for finding in report.findings.iter().chain(report.silenced.iter().map(|one| &one.finding)) {
            let file = loaded.sources.get(finding.place.source);
            prop_assert!(file.text.get(finding.place.span.start..finding.place.span.end).is_some(), "{finding:?}");
        }
    }
}
