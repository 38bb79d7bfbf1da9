//! The reference of the language: all examples of `docs/language.md` are one workspace without errors and warnings, laid
//! out as `tidewater fmt` lays it out.

use tidewater::finding::Severity;
use tidewater::lang::format;
use tidewater::lint;

const REFERENCE: &str = include_str!("../../docs/language.md");

fn examples() -> Vec<&'static str> {
    REFERENCE.split("```tide\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn every_example_of_the_reference_is_right() {
    let rules = examples().join("\n");
    let loaded = super::corpus::workspace(&rules);
    let told: Vec<String> = lint::check(&loaded)
        .iter()
        .filter(|finding| finding.severity != Severity::Note)
        .map(|finding| {
            let (path, at) = loaded.locate(finding.place);
            format!("{path}:{}:{} {} {}", at.line, at.column, finding.code, finding.message)
        })
        .collect();
    assert_eq!(told, Vec::<String>::new());
    println!("{} examples of the reference are right", examples().len());
}

#[test]
fn every_example_of_the_reference_is_laid_out() {
    for example in examples() {
        assert_eq!(format(example), example);
    }
}
