//! The examples of the findings' pages, put into the demo shop: what is shown as wrong raises its code there, what is
//! shown as right does not.

use std::collections::BTreeMap;
use std::path::Path;

use tidewater::finding::Code;
use tidewater::lint;
use tidewater::workspace::load::compile;

/// Pages whose examples are run beside the rules that they need: `lint.rs` and `journeys.rs`.
fn runs_elsewhere(code: Code) -> bool {
    let number: u32 = code.number()[2..].parse().unwrap();
    matches!(number, 210..=216 | 307..=311 | 407 | 1 | 101..=105 | 109..=112 | 201..=205 | 207 | 208 | 217 | 230)
}

/// Pages that show no file, or half of one: of files that cannot be read or are too large, of a topic whose message
/// stands elsewhere, and of what only data tells. All but the last have their case in the corpus.
fn shows_no_file(code: Code) -> bool {
    let number: u32 = code.number()[2..].parse().unwrap();
    matches!(number, 2 | 7 | 405 | 701..=799)
}

fn shop() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let loaded = tidewater::workspace::load(root).expect("the demo shop");
    loaded.sources.iter().map(|(_, file)| (file.path.clone(), file.text.to_string())).collect()
}

fn example(page: &str, heading: &str) -> String {
    let section = page.split(heading).nth(1).expect("the page has an example");
    let block = section.split("```").nth(1).expect("the example is a block");
    block.split_once('\n').expect("a language, then the example").1.to_owned()
}

/// The file that an example is a part of, whole.
fn file(code: Code, example: &str) -> (&'static str, String) {
    const HEAD: &str = "journey: example\ntopic: newsletter\nenter: { segment: cart_abandoner }\n";
    let number: u32 = code.number()[2..].parse().unwrap();
    let starts = |words: &[&str]| words.iter().any(|word| example.starts_with(word));
    let indented = || example.lines().map(|line| format!("  {line}\n")).collect::<String>();
    match number {
        500..=599 => ("tidewater.yaml", format!("sources: {{ shop: play-key }}\n{example}")),
        600..=699 => ("scenarios/example.yaml", format!("scenario: example\n{example}")),
        406 => ("templates/cart-reminder.html", example.to_owned()),
        402 | 403 => ("templates/example.html", example.to_owned()),
        _ if starts(&["journey:"]) => ("journeys/example.yaml", example.to_owned()),
        _ if starts(&["- ", "#"]) && example.contains("- ") && !example.contains("segment ") => {
            ("journeys/example.yaml", format!("{HEAD}steps:\n{}", indented()))
        }
        _ if starts(&["steps:"]) => ("journeys/example.yaml", format!("{HEAD}{example}")),
        _ if starts(&["enter:"]) => {
            ("journeys/example.yaml", format!("journey: example\ntopic: newsletter\n{example}steps: [ wait: 1 day ]\n"))
        }
        _ if starts(&["exit:", "goal:", "when:"]) => {
            ("journeys/example.yaml", format!("{HEAD}{example}steps: [ wait: 1 day ]\n"))
        }
        _ => ("rules/example.tide", example.to_owned()),
    }
}

#[test]
fn the_examples_of_the_pages_are_what_they_say_in_the_demo_shop() {
    let shop = shop();
    let raises = |code: Code, example: &str| {
        let (path, text) = file(code, example);
        let mut files = shop.clone();
        files.insert(path.to_owned(), text);
        let loaded = compile(files.into_iter().collect(), &|_| None);
        // A mail without its link is told at the step that sends it.
        let is_here = |place| code == Code::NoUnsubscribeLink || loaded.locate(place).0 == path;
        lint::check(&loaded).iter().any(|finding| finding.code == code && is_here(finding.place))
    };
    let mut untrue = Vec::new();
    let mut run = 0;
    for code in Code::ALL.iter().copied().filter(|code| !runs_elsewhere(*code) && !shows_no_file(*code)) {
        let (wrong, right) = (example(code.page(), "## Wrong"), example(code.page(), "## Right"));
        run += 1;
        if !raises(code, &wrong) {
            untrue.push(format!("{code} is not found in what is wrong:\n{wrong}"));
        }
        if raises(code, &right) {
            untrue.push(format!("{code} is found in what is right:\n{right}"));
        }
    }
    assert!(untrue.is_empty(), "{}", untrue.join("\n"));
    println!("the examples of {run} pages are what they say");
}
