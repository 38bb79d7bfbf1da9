//! The house rules, read off the source: imports point down, actors and doors stay in their rooms, the pure rooms know
//! no clock, chance or file, files are of one idea, and every finding has its page.

use std::fs;
use std::path::{Path, PathBuf};

/// Floors from the bottom up. A room may import rooms of lower floors; of its own floor only what `SAME_FLOOR` allows.
const FLOORS: &[&[&str]] = &[
    &["model", "finding", "lang"],
    &["journey", "workspace"],
    &["engine", "lint"],
    &["store"],
    &["intake", "channels", "analytics", "privacy"],
    &["actors"],
    &["http"],
    &["cli"],
];
const SAME_FLOOR: &[(&str, &str)] =
    &[("lang", "model"), ("lang", "finding"), ("workspace", "journey"), ("channels", "privacy")];
/// Rooms that decide: the same input gives the same output, on any machine, at any time.
const PURE: &[&str] = &["model", "finding", "lang", "journey", "engine", "lint"];
const IMPURE_WORDS: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "Utc::now",
    "Local::now",
    " rand::",
    "(rand::",
    "std::fs",
    "std::env",
    "std::net",
    "HashMap",
    "HashSet",
    "tokio::",
    "sea_orm",
    "thread_rng",
];
const LONGEST_FILE: usize = 600;
const ROOMS_WITHOUT_A_NAME: &[&str] = &["utils", "util", "helpers", "helper", "misc", "common"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no source under {}", folder.display());
    files
}

/// Path below `src`, room, and the text without comments and without what stands behind `#[cfg(test)]`.
fn sources() -> Vec<(String, String, String)> {
    let src = root().join("src");
    let files = rust_files(&src);
    let read = files.iter().map(|path| {
        let name = path.strip_prefix(&src).unwrap().display().to_string();
        let room = name.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(path).unwrap();
        let live = text.split("#[cfg(test)]").next().unwrap();
        let code: Vec<&str> = live.lines().map(|line| line.split("//").next().unwrap()).collect();
        (name, room, code.join("\n"))
    });
    read.filter(|(name, _, _)| !name.ends_with("tests.rs")).collect()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Rooms that a text names as `crate::room`, alone or in a group `crate::{a, b}`.
fn rooms_named(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = &group[..group.find("};").unwrap_or(group.len())];
                let mut depth = 0;
                let mut piece = String::new();
                for character in group.chars().chain([',']) {
                    match character {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => {
                            found.push(word(piece.trim()));
                            piece.clear();
                            continue;
                        }
                        _ => {}
                    }
                    piece.push(character);
                }
            }
            None => found.push(word(rest)),
        }
    }
    found.retain(|room| floor(room).is_some());
    found
}

#[test]
fn every_room_has_a_floor() {
    for (name, room, _) in sources() {
        assert!(matches!(room.as_str(), "lib" | "main") || floor(&room).is_some(), "{name} is in no room of the house");
    }
}

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for (name, room, code) in sources() {
        let Some(own) = floor(&room) else { continue };
        for other in rooms_named(&code) {
            let theirs = floor(&other).unwrap();
            let is_allowed = other == room || theirs < own || SAME_FLOOR.contains(&(room.as_str(), other.as_str()));
            if !is_allowed {
                wrong.push(format!("{name} names crate::{other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn the_check_of_imports_sees_arrows() {
    assert_eq!(rooms_named("use crate::store::Database;\nlet x = crate::http::serve();"), ["store", "http"]);
    assert_eq!(rooms_named("use crate::{model::{Event, Value}, engine};"), ["model", "engine"]);
}

#[test]
fn actors_and_doors_stay_in_their_rooms() {
    for (name, room, code) in sources() {
        let uses = |word: &str| code.contains(&format!("use {word}::")) || code.contains(&format!("{word}::prelude"));
        assert!(!uses("actix") || room == "actors", "{name} uses actix outside `actors`");
        // The demo holds the handle that stops the doors.
        let is_door = room == "http" || name == "cli/demo/play.rs";
        assert!(!uses("actix_web") || is_door, "{name} uses actix_web outside `http`");
    }
}

#[test]
fn the_pure_rooms_are_pure() {
    let mut wrong = Vec::new();
    for (name, room, code) in sources() {
        if PURE.contains(&room.as_str()) {
            wrong
                .extend(IMPURE_WORDS.iter().filter(|word| code.contains(**word)).map(|word| format!("{name}: {word}")));
        }
    }
    assert!(wrong.is_empty(), "a clock, chance, file or unordered map in the pure core:\n{}", wrong.join("\n"));
}

#[test]
fn files_are_of_one_idea() {
    for path in rust_files(&root().join("src")) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", path.display());
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(!ROOMS_WITHOUT_A_NAME.contains(&stem), "{} says nothing of what it holds", path.display());
    }
}

#[test]
fn every_finding_has_a_page_and_every_page_a_finding() {
    use tidewater::finding::Code;
    for code in Code::ALL {
        let page = code.page();
        assert!(page.starts_with(&format!("# {}", code.number())), "{code}: the page begins with its number");
        assert!(!page.contains("Not written yet") && page.len() > 300, "{code} has no real page");
    }
    for entry in fs::read_dir(root().join("docs/findings")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(Code::find(&stem).is_some(), "docs/findings/{stem}.md explains no finding");
    }
}

#[test]
fn finding_numbers_are_unique() {
    use tidewater::finding::Code;
    let mut numbers: Vec<&str> = Code::ALL.iter().map(|code| code.number()).collect();
    numbers.sort_unstable();
    let before = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), before);
}

#[test]
fn the_reasons_for_dependencies_are_told() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let guide = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let mut is_dependency = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_dependency = line.ends_with("dependencies]");
        } else if is_dependency && let Some((name, _)) = line.split_once(" = ") {
            assert!(guide.contains(&format!("`{name}`")), "CONTRIBUTING.md does not say why `{name}` is here");
        }
    }
}
