//! Fuzzing of parser, formatter and lint with bolero: real files, spliced token by token so that inputs reach deep.
//!
//! In the ordinary tests a bounded number of inputs runs, and is printed. `BOLERO_RANDOM_ITERATIONS=1000000 cargo nextest
//! run --no-capture -E 'test(fuzz)'` runs more of them; `cargo bolero test fuzz::rule_files --rustc-bootstrap` lets
//! libFuzzer look for new paths. What fails prints `BOLERO_RANDOM_SEED=…`, by which it runs again.

mod recipe;
mod shapes;
mod work;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tidewater::finding::Code;
use tidewater::lang::format;
use tidewater::{lint, workspace};

use crate::meaning::of_rules;
use recipe::{Recipe, Seeds, rules_of_the_repository, workspaces_of_the_repository};

/// What inputs came to, so that a run that reaches nothing deep is seen.
#[derive(Default)]
struct Tally {
    inputs: AtomicUsize,
    /// Inputs that are right, so that they became a program.
    programs: AtomicUsize,
    /// Inputs with findings of meaning, beyond what cannot be read.
    deep: AtomicUsize,
}

impl Tally {
    fn count(&self, is_program: bool, mut codes: impl Iterator<Item = Code>) {
        self.inputs.fetch_add(1, Relaxed);
        self.programs.fetch_add(usize::from(is_program), Relaxed);
        self.deep.fetch_add(usize::from(codes.any(|code| code.number() > "TW010")), Relaxed);
    }

    fn told(&self, what: &str) {
        let [inputs, programs, deep] = [&self.inputs, &self.programs, &self.deep].map(|count| count.load(Relaxed));
        println!("{inputs} {what} fuzzed: {programs} became programs, {deep} raised findings of meaning");
        assert!(inputs > 0 && programs * 50 > inputs && deep * 10 > inputs, "these inputs reach nothing deep");
    }
}

/// Rule files never break the reader, have one layout, and keep their meaning in it.
#[test]
fn rule_files() {
    let seeds = Seeds::of(rules_of_the_repository());
    let tally = Tally::default();
    bolero::check!().with_iterations(1_200).with_type::<Recipe>().for_each(|recipe| {
        let text = recipe.text(&seeds);
        let meaning = of_rules(&text);
        tally.count(meaning.is_program, meaning.codes.iter().copied());
        let once = format(&text);
        assert_eq!(format(&once), once, "laying out again changes it:\n{text}");
        assert_eq!(of_rules(&once), meaning, "laying out changes the meaning:\n{text}\n---\n{once}");
    });
    tally.told("rule files");
}

/// Any file of a workspace may hold anything: it is read or refused, and lint looks at what was read.
#[test]
fn workspaces() {
    let all = workspaces_of_the_repository();
    let seeds = Seeds::of(all.iter().flatten().map(|(_, text)| text.clone()).collect());
    let tally = Tally::default();
    bolero::check!().with_iterations(800).with_type::<(u8, u8, Recipe)>().for_each(|(which, file, recipe)| {
        let mut files = all[usize::from(*which) % all.len()].clone();
        let spliced = usize::from(*file) % files.len();
        files[spliced].1 = recipe.spliced(&files[spliced].1, &seeds);
        let loaded = workspace::compile(files, &|_| None);
        let report = lint::report(&loaded);
        tally.count(loaded.program.is_some(), report.findings.iter().map(|finding| finding.code));
        for finding in &report.findings {
            let (_, at) = loaded.locate(finding.place);
            assert!(at.line > 0 && !finding.message.is_empty());
        }
        if let Some(program) = &loaded.program {
            let again = workspace::recompile(&program.sources).expect("a program's sources give it again");
            assert_eq!(again.version, program.version);
        }
    });
    tally.told("workspaces");
}

/// Bytes that are no rules at all.
#[test]
fn any_bytes() {
    let inputs = AtomicUsize::new(0);
    bolero::check!().with_iterations(1_000).with_max_len(8_192).for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let once = format(&text);
        assert_eq!(format(&once), once);
        let _ = of_rules(&text);
        let files = ["tidewater.yaml", "journeys/j.yaml", "scenarios/s.yaml", "templates/t.html", "lists/l.csv"];
        for path in files {
            let _ = workspace::compile(vec![(path.to_owned(), text.to_string())], &|_| None);
        }
        inputs.fetch_add(1, Relaxed);
    });
    println!("{} texts of any bytes fuzzed", inputs.load(Relaxed));
}

/// Nesting is bounded with a finding, in whatever way it is written.
#[test]
fn nesting_is_a_finding() {
    for (open, core, close) in [
        ("(", "did any activity", ")"),
        ("not ", "did any activity", ""),
        ("not (", "did any activity", ")"),
        ("(did any activity and ", "did any activity", ")"),
        ("(did any activity or not (", "did any activity", "))"),
        ("did \"E\" where (", "x is 1", ")"),
        ("did \"E\" where any xs (", "x is 1", ")"),
    ] {
        for depth in [100, 10_000] {
            let rule = format!("segment deep = {}{core}{}\n", open.repeat(depth), close.repeat(depth));
            let text = format!("event \"E\" {{ x: number }}\n{rule}");
            let codes = of_rules(&text).codes;
            assert!(codes.contains(&Code::TooLarge) || codes.contains(&Code::Syntax), "{open} {depth}: {codes:?}");
            assert!(codes.len() <= 3, "{open} {depth} is told too often: {codes:?}");
            assert_eq!(format(&format(&text)), format(&text));
        }
    }
    for (open, close) in [("(", ")"), ("-", ""), ("-(", ")"), ("1 + (", ")")] {
        let text = format!("compute deep = {}1{}\n", open.repeat(10_000), close.repeat(10_000));
        let codes = of_rules(&text).codes;
        assert!(codes.contains(&Code::TooLarge) || codes.contains(&Code::Syntax), "{open}: {codes:?}");
    }
    let text = format!("event \"E\" {{ x: {}text{} }}\n", "list of { x: ".repeat(10_000), " }".repeat(10_000));
    assert!(of_rules(&text).codes.contains(&Code::TooLarge), "{:?}", of_rules(&text).codes);
}
