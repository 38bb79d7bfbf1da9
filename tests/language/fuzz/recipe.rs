//! Inputs that look like files of a workspace: a real file and changes to it, token by token.

use std::fs;
use std::path::{Path, PathBuf};

use bolero::TypeGenerator;

/// Files to begin with, and all their tokens to put in.
pub struct Seeds {
    files: Vec<String>,
    tokens: Vec<String>,
}

impl Seeds {
    pub fn of(files: Vec<String>) -> Self {
        let mut tokens: Vec<String> = files.iter().flat_map(|file| tokens_of(file)).map(str::to_owned).collect();
        tokens.extend(BORDERS.map(str::to_owned));
        tokens.sort();
        tokens.dedup();
        Self { files, tokens }
    }
}

/// What no real file holds, at the borders of what may stand in one.
const BORDERS: [&str; 29] = [
    "<",
    "<=",
    ">=",
    "!=",
    "==",
    "\"",
    "`",
    "“",
    "”",
    "#",
    "\\",
    "\u{0}",
    "\r\n",
    "\t",
    "\u{feff}",
    "é",
    "🌊",
    "0",
    "-0",
    "1e400",
    "99999999999999999999",
    "0.0000001",
    "((((((((",
    "))))))))",
    "not not not",
    "{{",
    "}}",
    "${",
    "---\n",
];

/// Which file, and what becomes of it.
#[derive(Debug, TypeGenerator)]
pub struct Recipe {
    file: u16,
    #[generator(bolero::generator::produce::<Vec<Edit>>().with().len(0_usize..6))]
    edits: Vec<Edit>,
}

#[derive(Debug, Clone, TypeGenerator)]
enum Edit {
    /// Puts a token of the seeds in.
    Put { at: u16, token: u16 },
    /// Puts another token in the place of one.
    Swap { at: u16, token: u16 },
    /// Puts another token of the same sort in the place of one: what was right mostly stays so.
    Like { sort: u8, at: u16, token: u16 },
    /// Takes tokens out.
    Cut { at: u16, length: u8 },
    /// Copies tokens from elsewhere in the seeds.
    Splice { at: u16, from: u16, start: u16, length: u8 },
    /// Says some tokens again and again.
    Repeat { at: u16, length: u8, times: u8 },
    /// Moves a line to another place.
    Move { line: u16, to: u16 },
    /// Changes one letter.
    Letter { at: u16, letter: char },
}

impl Recipe {
    /// One of the seeds, changed.
    pub fn text(&self, seeds: &Seeds) -> String {
        self.spliced(pick(&seeds.files, self.file), seeds)
    }

    /// This text, changed.
    pub fn spliced(&self, text: &str, seeds: &Seeds) -> String {
        let mut text = text.to_owned();
        for edit in &self.edits {
            text = edit.apply(&text, seeds);
        }
        text
    }
}

impl Edit {
    fn apply(&self, text: &str, seeds: &Seeds) -> String {
        let mut tokens = tokens_of(text);
        let end = tokens.len();
        let range = |at: u16, length: u8| {
            let start = usize::from(at) % (end + 1);
            start..(start + usize::from(length)).min(end)
        };
        match self {
            Self::Put { at, token } => tokens.insert(range(*at, 0).start, pick(&seeds.tokens, *token)),
            Self::Swap { at, token } => {
                tokens.splice(range(*at, 1), [pick(&seeds.tokens, *token)]);
            }
            Self::Like { sort, at, token } => {
                let places: Vec<usize> = (0..end).filter(|place| sort_of(tokens[*place]) == sort % SORTS).collect();
                let like: Vec<&String> = seeds.tokens.iter().filter(|token| sort_of(token) == sort % SORTS).collect();
                if !places.is_empty() && !like.is_empty() {
                    tokens[places[usize::from(*at) % places.len()]] = like[usize::from(*token) % like.len()];
                }
            }
            Self::Cut { at, length } => drop(tokens.drain(range(*at, length % 12))),
            Self::Splice { at, from, start, length } => {
                let other = tokens_of(pick(&seeds.files, *from));
                let start = usize::from(*start) % (other.len() + 1);
                let part = &other[start..(start + usize::from(*length)).min(other.len())];
                let at = range(*at, 0).start;
                tokens.splice(at..at, part.iter().copied());
            }
            Self::Repeat { at, length, times } => {
                let part = tokens[range(*at, length % 8)].to_vec();
                let at = range(*at, 0).start;
                tokens.splice(at..at, part.repeat(usize::from(times % 100)));
            }
            Self::Move { line, to } => {
                let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
                if !lines.is_empty() {
                    let line = lines.remove(usize::from(*line) % lines.len());
                    lines.insert(usize::from(*to) % (lines.len() + 1), line);
                }
                return lines.concat();
            }
            Self::Letter { at, letter } => {
                let mut letters: Vec<char> = text.chars().collect();
                if !letters.is_empty() {
                    let at = usize::from(*at) % letters.len();
                    letters[at] = *letter;
                }
                return letters.into_iter().collect();
            }
        }
        tokens.concat()
    }
}

const SORTS: u8 = 6;

/// What a token is: a number, a text, a comparison, a sum, a word, or something else.
fn sort_of(token: &str) -> u8 {
    match token.chars().next() {
        Some(first) if first.is_ascii_digit() => 0,
        Some('"') => 1,
        Some('<' | '>' | '=' | '!') => 2,
        Some('+' | '-' | '*' | '/') => 3,
        Some(first) if first.is_alphabetic() => 4,
        _ => 5,
    }
}

fn pick(all: &[String], which: u16) -> &str {
    &all[usize::from(which) % all.len()]
}

/// A text cut into words, texts in quotes, signs and blanks; together they are the text again.
fn tokens_of(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let while_true = |fits: fn(char) -> bool| rest.find(|sign: char| !fits(sign)).unwrap_or(rest.len());
        let length = match first {
            '"' | '`' => rest[1..].find([first, '\n']).map_or(rest.len(), |end| {
                let is_closed = rest[1 + end..].starts_with(first);
                1 + end + usize::from(is_closed)
            }),
            sign if sign.is_alphanumeric() || sign == '_' => while_true(|sign| sign.is_alphanumeric() || sign == '_'),
            ' ' => while_true(|sign| sign == ' '),
            '<' | '>' | '=' | '!' => while_true(|sign| matches!(sign, '<' | '>' | '=' | '!')),
            sign => sign.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = &rest[length..];
    }
    tokens
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

/// All rule files: of the corpus, the demo shop and the examples.
pub fn rules_of_the_repository() -> Vec<String> {
    let mut paths = Vec::new();
    for folder in ["tests/language/corpus", "rules", "examples"] {
        files_below(&root().join(folder), &mut paths);
    }
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "tide"));
    // What is right is begun with more often: mistakes are made to it anyway.
    let is_finding = |path: &Path| path.components().any(|part| part.as_os_str() == "findings");
    let right: Vec<PathBuf> = paths.iter().filter(|path| !is_finding(path)).cloned().collect();
    paths.extend((0..4).flat_map(|_| right.clone()));
    paths.iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
}

/// All workspaces, each as files by path.
pub fn workspaces_of_the_repository() -> Vec<Vec<(String, String)>> {
    let folders = [".", "examples/newsletter", "examples/cdnow", "examples/clickstream", "tests/language/corpus/shop"];
    let all = folders.iter().map(|folder| {
        let folder = root().join(folder);
        let mut paths = vec![folder.join("tidewater.yaml")];
        for part in ["rules", "journeys", "templates", "scenarios", "lists"] {
            if folder.join(part).is_dir() {
                files_below(&folder.join(part), &mut paths);
            }
        }
        let file = |path: &PathBuf| {
            let name = path.strip_prefix(&folder).unwrap().display().to_string();
            (name, fs::read_to_string(path).unwrap())
        };
        paths.iter().map(file).collect()
    });
    all.collect()
}
