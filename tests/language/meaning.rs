//! What a workspace says, apart from where it says it: so that two texts can be held against each other.

use std::sync::LazyLock;

use regex::Regex;
use tidewater::finding::{Code, SourceId};
use tidewater::lang::{Compiler, RuleFile, Settings};
use tidewater::lint;
use tidewater::workspace;

/// The findings of a workspace without their places, and its rules.
#[derive(Debug, PartialEq)]
pub struct Meaning {
    pub codes: Vec<Code>,
    /// Those that can be read, whatever is wrong with others.
    pub rules: String,
    pub is_program: bool,
}

/// The meaning of one rule file, beside the settings that the corpus uses.
pub fn of_rules(text: &str) -> Meaning {
    let settings = include_str!("corpus/shop/tidewater.yaml").to_owned();
    let files = vec![("tidewater.yaml".to_owned(), settings), ("rules/case.tide".to_owned(), text.to_owned())];
    let loaded = workspace::compile(files, &|_| None);
    let mut codes: Vec<Code> = lint::report(&loaded).findings.iter().map(|finding| finding.code).collect();
    // What stands in one place may stand in another order elsewhere.
    codes.sort();
    let settings =
        Settings { rates: [("EUR".to_owned(), 1.0), ("USD".to_owned(), 0.86)].into(), ..Settings::default() };
    let (compiler, _) = Compiler::new(&[RuleFile { source: SourceId(0), text }], &settings);
    let rules = without_places(&format!("{:?}", compiler.finish()));
    Meaning { codes, rules, is_program: loaded.program.is_some() }
}

fn without_places(debug: &str) -> String {
    static PLACE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"Place \{ source: SourceId\(\d+\), span: Span \{ start: \d+, end: \d+ \} \}").unwrap()
    });
    PLACE.replace_all(debug, "PLACE").into_owned()
}
