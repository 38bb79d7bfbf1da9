//! What the program says of rules, in words: the language again.

use tidewater::lang::say::say;

use crate::corpus::workspace;

const DESIGN: &str = include_str!("corpus/valid/design.tide");

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
