//! Whole programs that are right: no finding but notes, one layout, and the meaning that the layout leaves alone.

use tidewater::finding::Severity;
use tidewater::lang::format;
use tidewater::lang::say::say;
use tidewater::workspace::Loaded;
use tidewater::workspace::load::compile;

const DESIGN: &str = include_str!("corpus/valid/design.tide");

pub(crate) fn workspace(rules: &str) -> Loaded {
    let files = [
        ("rules/r.tide", rules),
        ("lists/webinar-may.csv", "email,name\nAda@example.com ,Ada\n\"bo@example.com\",Bo\n"),
        ("journeys/welcome.yaml", "journey: welcome\nenter: { event: Signed Up }\nsteps: [ wait: 1 day ]\n"),
        ("templates/reminder.html", "<title>Still there?</title>"),
        ("templates/cart-reminder.html", "<title>Your cart</title>"),
        (
            "tidewater.yaml",
            "time_zone: Europe/Berlin\nweek_starts: monday\ndefault_country: US\nsources: { s: key }\n\
             rates: { EUR: 1, USD: 0.86 }\nchannels: { meta: { kind: audience, url: \"https://ads.example/a\" } }\n",
        ),
    ];
    compile(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect(), &|_| None)
}

#[test]
fn every_construct_of_the_language_is_read_and_checked() {
    let loaded = workspace(DESIGN);
    let told: Vec<String> = loaded
        .findings
        .iter()
        .filter(|finding| finding.severity != Severity::Note)
        .map(|finding| format!("{}: {finding:?}", loaded.locate(finding.place).1.line))
        .collect();
    assert_eq!(told, Vec::<String>::new());
    let program = loaded.program.expect("a program");
    assert_eq!(program.rules.lists[0].members.len(), 2);
    assert!(program.rules.segments.len() > 30);
    let again = tidewater::workspace::recompile(&program.sources).expect("the same program");
    assert_eq!(again.version, program.version, "lists are part of a program's sources");
    assert_eq!(again.rules.lists[0].members, program.rules.lists[0].members);
}

#[test]
fn the_layout_of_a_program_keeps_its_meaning() {
    let laid_out = format(DESIGN);
    assert_eq!(format(&laid_out), laid_out);
    let meaning = |text: &str| {
        let program = workspace(text).program.expect("a program");
        let conditions: Vec<_> = program.rules.segments.iter().map(|segment| segment.condition.clone()).collect();
        let formulas: Vec<_> = program.rules.computes.iter().map(|compute| compute.formula.clone()).collect();
        (conditions, formulas)
    };
    assert_eq!(meaning(&laid_out), meaning(DESIGN));
}

/// What the program says of its own rules is read as the same rules.
#[test]
fn what_is_said_of_a_condition_is_read_as_that_condition() {
    let program = workspace(DESIGN).program.expect("a program");
    let said: Vec<String> = program
        .rules
        .segments
        .iter()
        .map(|segment| format!("segment {} = {}", segment.name, say(&segment.condition, &program.rules)))
        .collect();
    let is_other =
        |line: &&str| !line.starts_with("segment ") && !line.starts_with("  did") && !line.starts_with("  and");
    let others: Vec<&str> = DESIGN.lines().filter(is_other).collect();
    let text = format!("{}\n{}\n", others.join("\n"), said.join("\n"));
    let again = workspace(&text);
    let told: Vec<String> = again
        .findings
        .iter()
        .map(|finding| format!("{}: {}", again.locate(finding.place).1.line, finding.message))
        .collect();
    let again = again.program.unwrap_or_else(|| panic!("{told:#?}\n{text}"));
    for (segment, twin) in program.rules.segments.iter().zip(&again.rules.segments) {
        let (ours, theirs) = (say(&segment.condition, &program.rules), say(&twin.condition, &again.rules));
        assert_eq!(theirs, ours);
        println!("{ours}");
    }
    // Trails are numbered as they come; the same texts in the same order give the same numbers.
    let conditions = |rules: &tidewater::lang::Rules| {
        rules.segments.iter().map(|segment| segment.condition.clone()).collect::<Vec<_>>()
    };
    assert_eq!(conditions(&again.rules), conditions(&program.rules));
}
