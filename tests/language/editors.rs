//! What editors are given for rule files: well formed, and coloured to the last word of the language.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::Value;

const FOLDER: &str = "editors/vscode";

fn json(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER).join(name);
    let text = fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All patterns that colour a word, wherever they stand in the grammar.
fn patterns(value: &Value, found: &mut Vec<Regex>) {
    match value {
        Value::Object(entries) => {
            for (key, inner) in entries {
                if ["match", "begin", "end"].contains(&key.as_str()) {
                    found.push(Regex::new(inner.as_str().unwrap()).unwrap());
                }
                patterns(inner, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| patterns(item, found)),
        _ => {}
    }
}

/// The words that the parser asks for: the texts in its source.
fn words_of_the_language() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lang/parse");
    let literal = Regex::new(r#""([a-z][a-z_]+)""#).unwrap();
    let mut words = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let live = text.split("#[cfg(test)]").next().unwrap();
        for code in live.lines().map(|line| line.split("//").next().unwrap()) {
            words.extend(literal.captures_iter(code).map(|found| found[1].to_owned()));
        }
    }
    words
}

#[test]
fn every_word_of_the_language_has_a_colour() {
    let mut found = Vec::new();
    patterns(&json("syntaxes/tide.tmLanguage.json"), &mut found);
    let words = words_of_the_language();
    assert!(words.len() > 100 && words.contains("segment"), "{words:?}");
    let is_coloured = |word: &str| found.iter().any(|pattern| pattern.find(word).is_some_and(|it| it.as_str() == word));
    let plain: Vec<&String> = words.iter().filter(|word| !is_coloured(word)).collect();
    assert!(plain.is_empty(), "these words have no colour in {FOLDER}/syntaxes: {plain:?}");
}

#[test]
fn the_extension_names_files_that_are_there() {
    let package = json("package.json");
    let contributes = &package["contributes"];
    assert_eq!(contributes["languages"][0]["extensions"][0], ".tide");
    json(contributes["languages"][0]["configuration"].as_str().unwrap());
    let grammar = json(contributes["grammars"][0]["path"].as_str().unwrap());
    assert_eq!(grammar["scopeName"], contributes["grammars"][0]["scopeName"]);
    for pattern in grammar["patterns"].as_array().unwrap() {
        let include = pattern["include"].as_str().unwrap().trim_start_matches('#');
        assert!(grammar["repository"].get(include).is_some(), "the grammar has no `{include}`");
    }
}
