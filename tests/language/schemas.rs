//! The schemas that editors use, held against what reads the files: a document that one of them takes, the other takes.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use proptest::test_runner::{Config, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use tidewater::finding::{Code, Finding, SourceId};
use tidewater::journey::form::schema::Document;
use tidewater::journey::form::{self, Form, Key, Need, Shape};
use tidewater::journey::yaml;
use tidewater::workspace;
use tidewater::workspace::schema::{OF_JOURNEYS, OF_SCENARIOS, OF_SETTINGS};

/// A kind of file: its form, its schema in the repository, and where the reader looks for it.
struct Kind {
    document: &'static Document,
    schema: &'static str,
    path: &'static str,
    /// The real files of the workspaces of this repository.
    files: Vec<PathBuf>,
}

fn kinds() -> [Kind; 3] {
    let workspaces = [".", "examples/newsletter", "examples/cdnow", "examples/clickstream"];
    let in_folder = |folder: &str| {
        let folders = workspaces.iter().map(|workspace| root().join(workspace).join(folder));
        let mut files: Vec<PathBuf> = folders
            .flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
            .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
            .collect();
        files.sort();
        files
    };
    let settings = workspaces.iter().map(|workspace| root().join(workspace).join("tidewater.yaml")).collect();
    [
        Kind {
            document: &OF_JOURNEYS,
            schema: "schemas/journey.schema.json",
            path: "journeys/it.yaml",
            files: in_folder("journeys"),
        },
        Kind {
            document: &OF_SCENARIOS,
            schema: "schemas/scenario.schema.json",
            path: "scenarios/it.yaml",
            files: in_folder("scenarios"),
        },
        Kind {
            document: &OF_SETTINGS,
            schema: "schemas/tidewater.schema.json",
            path: "tidewater.yaml",
            files: settings,
        },
    ]
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_schemas_in_the_repository_are_those_of_the_program() {
    for kind in kinds() {
        let path = root().join(kind.schema);
        let current = serde_json::to_string_pretty(&kind.document.schema()).unwrap() + "\n";
        if env::var_os("UPDATE").is_some() {
            fs::write(&path, &current).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == current, "{} is not what the program reads now; UPDATE=1 writes it anew", kind.schema);
    }
}

#[test]
fn the_schemas_are_schemas() {
    for kind in kinds() {
        jsonschema::draft7::meta::validate(&kind.document.schema()).unwrap();
    }
}

#[test]
fn real_files_are_taken_by_the_schemas() {
    for kind in kinds() {
        let schema = validator(kind.document);
        for path in &kind.files {
            for value in values(&fs::read_to_string(path).unwrap()) {
                let wrong: Vec<String> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
                assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
            }
        }
    }
}

/// Every document of random ones: made after the form, or a real one, with some mistakes.
#[test]
fn the_schemas_and_the_reader_take_the_same_documents() {
    for kind in kinds() {
        let schema = validator(kind.document);
        let seeds: Vec<Value> = kind.files.iter().flat_map(|path| plain_values(path)).collect();
        let (mut taken, mut refused) = (0, 0);
        for_all(|draw| {
            let mut value = if draw.one_in(3) { draw.form(kind.document.form, 0) } else { draw.of(&seeds).clone() };
            for _ in 0..draw.below(4) {
                mutate(&mut value, draw);
            }
            let text = value.to_string();
            if compare(&kind, &schema, &text) { taken += 1 } else { refused += 1 }
        });
        println!("{}: {} random documents, {taken} taken and {refused} refused by both", kind.schema, taken + refused);
        assert!(taken * 10 > refused && refused * 10 > taken, "documents of one sort show little");
    }
}

/// Where a value comes from the environment, the editor cannot know it, and must not find fault with it.
#[test]
fn variables_may_stand_for_values() {
    let [_, _, kind] = kinds();
    let schema = validator(kind.document);
    let seeds: Vec<Value> = kind.files.iter().flat_map(|path| plain_values(path)).collect();
    let mut read = 0;
    for_all(|draw| {
        let mut value = draw.of(&seeds).clone();
        mutate(&mut value, draw);
        put_variables(&mut value, draw);
        let text = value.to_string();
        let loaded = workspace::compile(vec![(kind.path.to_owned(), text.clone())], &|_| None);
        // A value of a wrong notation is no wrong shape, but nothing that a schema must take.
        let is_wrong =
            |finding: &Finding| is_of_shape(finding) || [Code::BadConfig, Code::NotYet].contains(&finding.code);
        if !loaded.findings.iter().any(is_wrong) {
            read += 1;
            assert!(schema.is_valid(&value), "the reader takes this, the schema does not: {text}");
        }
    });
    println!("{read} documents with variables are taken by both");
    assert!(read > 0);
}

/// Whether both take a document; panics where they differ.
fn compare(kind: &Kind, schema: &Validator, text: &str) -> bool {
    let mut findings = Vec::new();
    let documents = yaml::parse(SourceId(0), text, &mut findings);
    let [document] = documents.as_slice() else { return false };
    if !findings.is_empty() || document.is_null() {
        return false;
    }
    let value = serde_json::to_value(document.to_value()).unwrap();
    form::check(document, kind.document.form, &mut findings);
    let wrong: Vec<String> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
    assert_eq!(findings.is_empty(), wrong.is_empty(), "{text}\nreader: {findings:#?}\nschema: {wrong:#?}");
    let loaded = workspace::compile(vec![(kind.path.to_owned(), text.to_owned())], &|_| None);
    let of_shape = loaded.findings.iter().find(|finding| is_of_shape(finding));
    assert!(of_shape.is_none() || !wrong.is_empty(), "the schema takes what the reader refuses: {text}\n{of_shape:?}");
    assert!(wrong.is_empty() || loaded.has_errors(), "the reader takes what the schema refuses: {text}\n{wrong:#?}");
    wrong.is_empty()
}

/// What only the reader can say, as it hangs on other parts of the document or on other files.
const BEYOND_A_SCHEMA: [&str; 4] = [
    "`on_leave` ends a run when",
    "an `email` needs `subject`",
    "`else` is the last arm",
    "a `branch` has at least one `if`",
];

fn is_of_shape(finding: &Finding) -> bool {
    matches!(finding.code, Code::UnknownKey | Code::MissingKey | Code::WrongShape)
        && !BEYOND_A_SCHEMA.iter().any(|start| finding.message.starts_with(start))
}

fn validator(document: &Document) -> Validator {
    jsonschema::draft7::new(&document.schema()).unwrap()
}

fn values(text: &str) -> Vec<Value> {
    let mut findings = Vec::new();
    let documents = yaml::parse(SourceId(0), text, &mut findings);
    assert_eq!(findings, []);
    documents.iter().map(|document| serde_json::to_value(document.to_value()).unwrap()).collect()
}

/// The documents of a file, with what variables stand for instead of them.
fn plain_values(path: &Path) -> Vec<Value> {
    let variable = regex::Regex::new(r#""\$\{\w+:-([^}]*)\}""#).unwrap();
    let text = fs::read_to_string(path).unwrap();
    values(&variable.replace_all(&text, |found: &regex::Captures<'_>| {
        let default = &found[1];
        if default.parse::<u32>().is_ok() { default.to_owned() } else { format!("{default:?}") }
    }))
}

/// Runs a test on many random draws; `PROPTEST_CASES` says on how many.
fn for_all(mut test: impl FnMut(&mut Draw)) {
    let cases = env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1500);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let mut runner = TestRunner::new(config);
    for _ in 0..cases {
        let mut draw = Draw(runner.new_rng());
        test(&mut draw);
    }
}

struct Draw(TestRng);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        use proptest::prelude::Rng as _;
        (self.0.next_u64() % end.max(1) as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// A document of this form, mostly right.
    fn form(&mut self, form: &'static Form, depth: usize) -> Value {
        let mut map = Map::new();
        if !form.ways().is_empty() {
            let way = self.of(form.ways());
            self.key(&way.key, depth, &mut map);
            for key in way.with {
                self.key(key, depth, &mut map);
            }
        }
        for key in form.keys {
            self.key(key, depth, &mut map);
        }
        Value::Object(map)
    }

    fn key(&mut self, key: &'static Key, depth: usize, map: &mut Map<String, Value>) {
        let is_there = match key.need {
            Need::Required => !self.one_in(200),
            Need::Optional => self.one_in(2),
            Need::Later => self.one_in(300),
        };
        if is_there {
            let value = self.shape(&key.shape, depth + 1);
            map.insert(key.name.to_owned(), value);
        }
    }

    fn shape(&mut self, shape: &'static Shape, depth: usize) -> Value {
        match shape {
            Shape::Text => json!(*self.of(&["Order Completed", "x", "7 days", "in segment vip"])),
            Shape::Written(notation) => {
                let fitting: Vec<&&str> = WRITTEN.iter().filter(|text| (notation.fits)(text)).collect();
                json!(if self.one_in(100) { *self.of(&WRITTEN) } else { **self.of(&fitting) })
            }
            Shape::Word(words) => json!(*self.of(words.now)),
            Shape::Bool => json!(self.one_in(2)),
            Shape::Whole { from, to } => json!(*self.of(&[*from, *to, (*from + *to) / 2, *from + 1])),
            Shape::Positive => json!(*self.of(&[1.0, 0.86, 1e-9, 12345.0])),
            Shape::Nothing => Value::Null,
            Shape::List(_) if depth > 12 => json!([]),
            Shape::List(of) => (0..self.below(4)).map(|_| self.shape(of, depth + 1)).collect(),
            Shape::Map(form) => self.form(form, depth),
            Shape::Named(named) => {
                let mut map = Map::new();
                for key in named.keys {
                    if self.one_in(2) {
                        map.insert(key.name.to_owned(), self.shape(&key.shape, depth + 1));
                    }
                }
                let names = named.names.map_or_else(|| vec!["a", "b-c", "EUR", "é"], |names| names());
                for _ in 0..self.below(3) {
                    map.insert((*self.of(&names)).to_owned(), self.shape(&named.of, depth + 1));
                }
                Value::Object(map)
            }
            Shape::Values => json!({ "plan": "pro", "n": 3, "deep": { "list": [1, null] } }),
            Shape::Kinds(kinds) => {
                let (_, form) = *self.of(kinds.forms);
                self.form(form, depth)
            }
            Shape::Either(scalar, other) => {
                let shape = if self.one_in(2) { scalar } else { other };
                self.shape(shape, depth)
            }
        }
    }

    /// Any value at all.
    fn any(&mut self) -> Value {
        match self.below(9) {
            0 => Value::Null,
            1 => json!(self.one_in(2)),
            2 => json!(*self.of(&[0.0, 1.0, -1.0, 0.5, 5.0, 1e3, 65_535.0, 65_536.0, 4_294_967_296.0, 1e300])),
            3 => json!([]),
            4 => json!({}),
            5 => json!([self.any()]),
            6 => json!({ (*self.of(&keys())): self.any() }),
            _ => json!(*self.of(&WRITTEN)),
        }
    }
}

/// Texts at the borders of what notations take.
const WRITTEN: [&str; 75] = [
    "",
    " ",
    "x",
    "a b",
    "é-1_",
    "日本",
    "a.b",
    "2 days",
    "512 MB",
    "100 per second",
    "600 per hour",
    "0 per day",
    "010 per day",
    "+10 per day",
    "1000000 per day",
    "10 per week",
    "10 per second ",
    "2GB",
    "0 GB",
    "2 gb",
    "1 hour 30 minutes",
    " 3  weeks ",
    "+5 minutes",
    "0 days",
    "0 days 1 second",
    "-1 day",
    "1 month",
    "1.5 hours",
    "day",
    "1 day 2",
    "5",
    "true",
    "null",
    "~",
    "never",
    "always",
    "after 7 days",
    "after  7 days",
    "after 0 days",
    "after",
    "before 1 day",
    "10:00",
    "9:5",
    "24:00",
    "23:59",
    "23:60",
    "+1:00",
    "10:000",
    "1:",
    ":1",
    "50%",
    "100%",
    "100.00%",
    "100.01%",
    "0%",
    "33.333%",
    "33.3%",
    "7.%",
    ".5%",
    "099%",
    "-1%",
    "5 %",
    "GB",
    "gb",
    "GBR",
    "ÄÖ",
    "exit",
    "wait",
    "follow",
    "pin",
    "skip",
    "off",
    "smtp",
    "webhook",
    "audience",
];

/// All keys of all forms, and some that mean nothing.
fn keys() -> Vec<&'static str> {
    let mut keys = BTreeSet::from(["x", "step", "reentry", "broadcast", "TW209", "1"]);
    let mut seen = BTreeSet::new();
    for document in [&OF_JOURNEYS, &OF_SCENARIOS, &OF_SETTINGS] {
        keys_of_form(document.form, &mut keys, &mut seen);
    }
    keys.into_iter().collect()
}

fn keys_of_form(form: &'static Form, keys: &mut BTreeSet<&'static str>, seen: &mut BTreeSet<&'static str>) {
    if !seen.insert(form.what) {
        return;
    }
    for key in form.all_keys() {
        keys.insert(key.name);
        keys_of_shape(&key.shape, keys, seen);
    }
}

fn keys_of_shape(shape: &'static Shape, keys: &mut BTreeSet<&'static str>, seen: &mut BTreeSet<&'static str>) {
    match shape {
        Shape::List(of) => keys_of_shape(of, keys, seen),
        Shape::Map(form) => keys_of_form(form, keys, seen),
        Shape::Named(named) => {
            named.keys.iter().for_each(|key| keys_of_shape(&key.shape, keys, seen));
            keys_of_shape(&named.of, keys, seen);
        }
        Shape::Kinds(kinds) => kinds.forms.iter().for_each(|(_, form)| keys_of_form(form, keys, seen)),
        Shape::Either(scalar, other) => {
            keys_of_shape(scalar, keys, seen);
            keys_of_shape(other, keys, seen);
        }
        _ => {}
    }
}

/// Makes one change somewhere in a document.
fn mutate(value: &mut Value, draw: &mut Draw) {
    let place = draw.below(count(value));
    let Some(target) = at(value, &mut place.clone()) else { return };
    let keys = keys();
    match target {
        Value::Object(map) if !draw.one_in(4) => {
            let names: Vec<String> = map.keys().cloned().collect();
            match draw.below(4) {
                0 if !names.is_empty() => drop(map.remove(draw.of(&names))),
                1 if !names.is_empty() => {
                    if let Some(inner) = map.remove(draw.of(&names)) {
                        map.insert((*draw.of(&keys)).to_owned(), inner);
                    }
                }
                _ => drop(map.insert((*draw.of(&keys)).to_owned(), draw.any())),
            }
        }
        Value::Array(items) if !draw.one_in(4) => {
            if !items.is_empty() && draw.one_in(2) {
                items.remove(draw.below(items.len()));
            } else {
                items.push(draw.any());
            }
        }
        other => {
            let any = draw.any();
            *other = if draw.one_in(4) { json!([other.take()]) } else { any };
        }
    }
}

/// Puts variables for some of the values that are neither lists nor maps.
fn put_variables(value: &mut Value, draw: &mut Draw) {
    match value {
        Value::Object(map) => map.values_mut().for_each(|inner| put_variables(inner, draw)),
        Value::Array(items) => items.iter_mut().for_each(|inner| put_variables(inner, draw)),
        scalar if draw.one_in(2) => {
            let text = scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned);
            *scalar = json!(format!("${{NOT_SET:-{text}}}"));
        }
        _ => {}
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(map) => map.values().map(count).sum(),
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    }
}

/// The value at this position of a walk through the document.
fn at<'v>(value: &'v mut Value, place: &mut usize) -> Option<&'v mut Value> {
    if *place == 0 {
        return Some(value);
    }
    *place -= 1;
    let inner: Vec<&'v mut Value> = match value {
        Value::Object(map) => map.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    inner.into_iter().find_map(|inner| at(inner, place))
}
