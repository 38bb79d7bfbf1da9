//! What a workspace says, apart from where it says it: so that two texts can be held against each other.

use std::sync::LazyLock;

use regex::Regex;
use tidewater::finding::Code;
use tidewater::lint;
use tidewater::workspace::{self, Loaded};

/// The findings of a workspace without their places, and its rules where it has any.
#[derive(Debug, PartialEq)]
pub struct Meaning {
    pub codes: Vec<Code>,
    pub rules: Option<String>,
}

pub fn meaning(loaded: &Loaded) -> Meaning {
    let mut codes: Vec<Code> = lint::report(loaded).findings.iter().map(|finding| finding.code).collect();
    // What stands in one place may stand in another order elsewhere.
    codes.sort();
    let rules = loaded.program.as_deref().map(|program| without_places(&format!("{:?}", program.rules)));
    Meaning { codes, rules }
}

/// The meaning of one rule file, beside the settings that the corpus uses.
pub fn of_rules(text: &str) -> Meaning {
    let settings = include_str!("corpus/shop/tidewater.yaml").to_owned();
    let files = vec![("tidewater.yaml".to_owned(), settings), ("rules/case.tide".to_owned(), text.to_owned())];
    meaning(&workspace::compile(files, &|_| None))
}

fn without_places(debug: &str) -> String {
    static PLACE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"Place \{ source: SourceId\(\d+\), span: Span \{ start: \d+, end: \d+ \} \}").unwrap()
    });
    PLACE.replace_all(debug, "PLACE").into_owned()
}
