//! The workspace at the repository's root is the demo shop: it must be without a flaw.

use std::path::Path;

use tidewater::finding::Severity;
use tidewater::{lint, workspace};

fn shop() -> workspace::Loaded {
    workspace::load(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the repository's root is readable")
}

#[test]
fn the_demo_shop_has_no_errors_and_no_warnings() {
    let loaded = shop();
    let findings: Vec<String> = lint::check(&loaded)
        .iter()
        .filter(|finding| finding.severity != Severity::Note)
        .map(|finding| {
            let (path, at) = loaded.locate(finding.place);
            format!("{path}:{}:{}: {} {}", at.line, at.column, finding.code, finding.message)
        })
        .collect();
    assert_eq!(findings, Vec::<String>::new());
    let program = loaded.program.expect("a program");
    assert!(loaded.config.is_some());
    assert!(program.journeys.len() >= 5 && program.rules.segments.len() >= 12 && loaded.scenarios.len() >= 8);
}

#[test]
fn a_program_is_compiled_again_from_its_own_sources() {
    let program = shop().program.expect("a program");
    let again = workspace::recompile(&program.sources).expect("the same program");
    assert_eq!(again.version, program.version);
    assert_eq!(again.sources, program.sources);
    assert_eq!(format!("{:?}", again.rules.segments.len()), format!("{:?}", program.rules.segments.len()));
    assert!(!format!("{:?}", program.sources).contains("whsec_"), "secrets stay out of a program");
}

#[test]
fn all_scenarios_of_the_demo_shop_pass() {
    let loaded = shop();
    let program = loaded.program.as_deref().expect("a program");
    let mut failures = Vec::new();
    for scenario in &loaded.scenarios {
        let report = tidewater::engine::scenario::run(program, scenario);
        failures.extend(report.failures.iter().map(|failure| {
            let (path, at) = loaded.locate(failure.place);
            format!("{path}:{}: {}: {failure:?}", at.line, scenario.name)
        }));
        assert!(report.passed() == report.failures.is_empty());
    }
    assert_eq!(failures, Vec::<String>::new());
}

/// The least that is known when a template is filled: nobody has told their name, nothing was looked at.
#[test]
fn every_template_of_the_demo_shop_can_be_filled_for_someone_hardly_known() {
    use tidewater::channels::template::{Form, render};
    let program = shop().program.expect("a program");
    let variables: tidewater::model::value::ValueMap = serde_json::from_str(
        r#"{"email":"a@b.example","orders":1,"entry":{"order_id":"o 1","revenue":20},
            "unsubscribe_url":"https://shop.example/u/1","profile_id":"p","journey":"j"}"#,
    )
    .expect("variables");
    for (name, template) in &program.templates {
        for (body, form) in [(&template.html, Form::Html), (&template.text, Form::Text)] {
            let body = body.as_deref().unwrap_or_else(|| panic!("`{name}` has HTML and text"));
            let filled = render(name, body, form, &variables).unwrap_or_else(|error| panic!("{error}"));
            // In HTML the slashes may be written as entities.
            assert!(filled.replace("&#x2f;", "/").contains("https://shop.example/u/1"), "{name}");
            assert!(!filled.contains("{{") && !filled.contains("undefined"), "{name}: {filled}");
        }
    }
}

/// The year's scenario says when windows end to the second; moved by one second, it must fail.
#[test]
fn a_window_that_ends_a_second_off_fails_the_scenario() {
    let program = shop().program.expect("a program");
    let year = include_str!("../../scenarios/a-year.yaml");
    let exits = ["2026-02-04T12:00:00Z", "2026-03-06T12:00:00Z", "2026-04-05T12:00:00Z", "2026-07-04T12:00:00Z"];
    for exit in exits {
        let second_before = exit.replace("12:00:00", "11:59:59");
        let moved = year.replace(&format!("at: {exit}"), &format!("at: {second_before}"));
        let mut files = program.sources.clone();
        files.push(("scenarios/a-year.yaml".to_owned(), moved));
        let loaded = workspace::compile(files, &|_| None);
        let program = loaded.program.as_deref().expect("a program");
        let report = tidewater::engine::scenario::run(program, &loaded.scenarios[0]);
        assert!(!report.passed(), "{exit}: membership ended too early, or nothing was looked at");
    }
}

#[test]
fn the_example_workspaces_are_without_a_flaw_and_their_scenarios_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("examples") {
        let path = entry.expect("an entry").path();
        if !path.join("tidewater.yaml").exists() {
            continue;
        }
        seen += 1;
        let loaded = workspace::load(&path).expect("a readable folder");
        let flaws: Vec<String> = lint::check(&loaded)
            .iter()
            .filter(|finding| finding.severity != Severity::Note)
            .map(|finding| format!("{}: {} {}", path.display(), finding.code, finding.message))
            .collect();
        assert_eq!(flaws, Vec::<String>::new());
        let program = loaded.program.as_deref().expect("a program");
        for scenario in &loaded.scenarios {
            let report = tidewater::engine::scenario::run(program, scenario);
            assert!(report.passed(), "{}: {:?}", scenario.name, report.failures);
        }
    }
    assert!(seen > 0, "there are example workspaces");
}
