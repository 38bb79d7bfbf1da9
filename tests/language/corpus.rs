//! The corpus: programs that are right, and for every finding files that raise it, beside what `tidewater lint` prints.
//!
//! A case NAME is a file `NAME.tide`, a folder `NAME/` of a workspace, or both. A case of `findings/` is laid over the
//! workspace `shop/`, one of `valid/` over its settings alone. What is printed of a finding stands in `NAME.txt`;
//! `UPDATE=1 cargo nextest run -E 'test(corpus)'` writes these files anew.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tidewater::finding::{Code, Severity};
use tidewater::lang::format;
use tidewater::lint;
use tidewater::workspace::{self, Loaded};

use crate::meaning::of_rules;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language/corpus")
}

/// All files below a folder, by path relative to it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The names of all cases of `findings/` or `valid/`.
fn cases(part: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(part)).unwrap().map(|entry| entry.unwrap().path());
    let cases = entries.filter(|path| path.is_dir() || path.extension().is_some_and(|ending| ending == "tide"));
    cases.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// A case as a workspace in a folder of its own.
fn workspace_of(part: &str, case: &str) -> tempfile::TempDir {
    let mut all = files(&root().join("shop"));
    if part == "valid" {
        all.retain(|path, _| path == Path::new("tidewater.yaml"));
    }
    let (file, folder) = (root().join(part).join(format!("{case}.tide")), root().join(part).join(case));
    if file.exists() {
        all.insert("rules/case.tide".into(), fs::read(file).unwrap());
    }
    if folder.is_dir() {
        all.extend(files(&folder));
    }
    let made = tempfile::tempdir().unwrap();
    for (path, bytes) in all {
        let path = made.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    made
}

/// These rules in the workspace of the reference program: with its lists, its journey and its templates.
pub(crate) fn workspace(rules: &str) -> Loaded {
    let beside = files(&root().join("valid/design")).into_iter();
    let beside = beside.map(|(path, bytes)| (path.display().to_string(), String::from_utf8(bytes).unwrap()));
    let all = beside.chain([("rules/r.tide".to_owned(), rules.to_owned())]).collect();
    workspace::compile(all, &|_| None)
}

/// What `tidewater lint` prints, with notes where the finding is one.
fn printed(folder: &Path, code: Code) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewater"));
    command.arg("lint").current_dir(folder).env_remove("RUST_LOG").env_remove("CLICOLOR_FORCE");
    if code.severity() == Severity::Note {
        command.arg("--notes");
    }
    let done = command.output().unwrap();
    String::from_utf8(done.stderr).unwrap() + &String::from_utf8(done.stdout).unwrap()
}

/// The code that a case of `findings/` is about: what its name begins with.
fn code_of(case: &str) -> Code {
    let number = case.split('-').next().unwrap();
    Code::find(number).unwrap_or_else(|| panic!("`{case}` begins with no code"))
}

#[test]
fn every_finding_is_printed_as_it_is_kept() {
    let mut differing = Vec::new();
    for case in cases("findings") {
        let folder = workspace_of("findings", &case);
        let printed = printed(folder.path(), code_of(&case));
        let kept = root().join("findings").join(format!("{case}.txt"));
        if env::var_os("UPDATE").is_some() {
            fs::write(&kept, &printed).unwrap();
        } else if fs::read_to_string(&kept).unwrap_or_default() != printed {
            differing.push(format!("{case}.txt should be:\n{printed}"));
        }
    }
    assert!(differing.is_empty(), "UPDATE=1 writes these anew; then read what changed:\n{}", differing.join("\n"));
}

/// A mistake is told as what it is, and nothing else is told because of it.
#[test]
fn every_case_raises_its_finding_and_no_other() {
    let mut wrong = Vec::new();
    for case in cases("findings") {
        let code = code_of(&case);
        let folder = workspace_of("findings", &case);
        let loaded = workspace::load(folder.path()).unwrap();
        let shown = code.severity().max(Severity::Warning);
        let told = lint::report(&loaded).findings;
        let codes: BTreeSet<Code> =
            told.iter().filter(|finding| finding.severity <= shown).map(|finding| finding.code).collect();
        if codes != BTreeSet::from([code]) {
            wrong.push(format!("{case} raises {codes:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_code_has_a_case_and_every_snapshot_too() {
    let cases = cases("findings");
    let covered: BTreeSet<Code> = cases.iter().map(|case| code_of(case)).collect();
    // What only data tells is raised on a database (tests/platform/against.rs).
    let here = Code::ALL.iter().filter(|code| !code.number().starts_with("TW7"));
    let bare: Vec<&Code> = here.filter(|code| !covered.contains(code)).collect();
    assert!(bare.is_empty(), "tests/language/corpus/findings has no case of {bare:?}");
    for entry in fs::read_dir(root().join("findings")).unwrap() {
        let path = entry.unwrap().path();
        let case = path.file_stem().unwrap().to_str().unwrap();
        assert!(cases.contains(case), "{} belongs to no case", path.display());
    }
}

#[test]
fn the_shop_itself_is_without_a_flaw() {
    let loaded = workspace::load(&root().join("shop")).unwrap();
    assert_eq!(lint::report(&loaded).findings, []);
}

#[test]
fn every_valid_program_is_read_without_a_warning() {
    for case in cases("valid") {
        let (_folder, loaded) = valid(&case);
        let told = lint::report(&loaded).findings;
        let told: Vec<String> = told
            .iter()
            .filter(|finding| finding.severity < Severity::Note)
            .map(|finding| format!("{case} {}: {finding:?}", loaded.locate(finding.place).1.line))
            .collect();
        assert_eq!(told, Vec::<String>::new());
        let program = loaded.program.expect("a program");
        let again = workspace::recompile(&program.sources).expect("the same program");
        assert_eq!(again.version, program.version, "{case}");
        assert_eq!(meaning_of(&again), meaning_of(&program), "{case}");
    }
}

fn valid(case: &str) -> (tempfile::TempDir, Loaded) {
    let folder = workspace_of("valid", case);
    let loaded = workspace::load(folder.path()).unwrap();
    (folder, loaded)
}

fn meaning_of(program: &workspace::Program) -> String {
    format!("{:?}", program.rules)
}

#[test]
fn the_language_is_whole_in_its_reference_program() {
    let (_folder, loaded) = valid("design");
    let program = loaded.program.expect("a program");
    assert_eq!(program.rules.lists[0].members.len(), 2);
    assert!(program.rules.segments.len() > 30);
}

/// One layout: laying out again changes nothing, and the meaning, or what is wrong, stays what it was.
#[test]
fn laying_out_changes_no_meaning() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["tests/language/corpus", "rules", "examples"].map(|folder| repository.join(folder));
    let all = folders.iter().flat_map(|folder| files(folder));
    let rules = all.filter(|(path, _)| path.extension().is_some_and(|ending| ending == "tide"));
    let mut count = 0;
    for (path, bytes) in rules {
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let once = format(&text);
        assert_eq!(format(&once), once, "{}", path.display());
        assert_eq!(of_rules(&once), of_rules(&text), "{}", path.display());
        count += 1;
    }
    println!("{count} rule files keep their meaning when they are laid out");
    assert!(count > 40);
}
