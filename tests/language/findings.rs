//! What a marketer reads: each mistake with its code, line and column, message and help, each once, in order.

use tidewater::finding::Severity;
use tidewater::workspace::load::compile;

/// `line:column code message (help)` of every finding of a rule file that is no note.
fn findings(rules: &str) -> Vec<String> {
    let files = vec![
        ("rules/r.tide".to_owned(), rules.to_owned()),
        ("tidewater.yaml".to_owned(), "sources: { s: key }\nrates: { EUR: 1, USD: 0.86 }\n".to_owned()),
    ];
    let loaded = compile(files, &|_| None);
    let told = loaded.findings.iter().filter(|finding| finding.severity != Severity::Note);
    told.map(|finding| {
        let (_, at) = loaded.locate(finding.place);
        let help = finding.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{} {} {}{help}", at.line, at.column, finding.code, finding.message)
    })
    .collect()
}

const GROUND: &str = "event \"Order Completed\" { order_id: text required, revenue: money by currency, currency: text }
event \"Product Viewed\" { category: text, price: number }
trait country: text one of (\"US\", \"GB\")
trait plan: text
trait age: number
trait birthday: date
trait member: bool
segment buyers = did \"Order Completed\"
";

#[track_caller]
fn check(rule: &str, expected: &[&str]) {
    let found = findings(&format!("{GROUND}{rule}\n"));
    assert_eq!(found, expected, "{rule}");
}

#[test]
fn names_that_nobody_declared_are_told_with_the_nearest() {
    check(
        "segment s = did \"Order Complete\"",
        &["9:17 TW101 unknown event `Order Complete` (did you mean `Order Completed`?)"],
    );
    check("segment s = cuntry is \"US\"", &["9:13 TW102 unknown trait `cuntry` (did you mean `country`?)"]);
    check("segment s = in segment buyer", &["9:24 TW103 unknown segment `buyer` (did you mean `buyers`?)"]);
    check(
        "segment s = did \"Product Viewed\" where categry is \"x\"",
        &["9:40 TW104 `Product Viewed` has no property `categry` (did you mean `category`?)"],
    );
    check(
        "segment s = buyers",
        &["9:13 TW102 unknown trait `buyers` (`buyers` is a segment: write `in segment buyers`)"],
    );
}

#[test]
fn values_of_another_kind_are_told() {
    check("segment s = age > \"5\"", &["9:19 TW201 `age` is a number, and this is a text (leave out the quotes: `5`)"]);
    check(
        "segment s = plan is 5",
        &["9:21 TW201 `plan` is a text, and this is a number (put it in double quotes: `\"5\"`)"],
    );
    check("segment s = country is \"UK\"", &["9:24 TW202 `country` is never `UK` (it is declared as one of US, GB)"]);
    check(
        "segment s = birthday > \"1 May\"",
        &["9:24 TW201 `birthday` is a date, and `1 May` is none (write it as `\"2026-03-31\"`)"],
    );
    check("segment s = member", &[]);
    check(
        "compute c = sum of revenue from \"Order Completed\"",
        &[
            "9:20 TW207 `revenue` comes in several currencies (say which one to reckon in: `sum of revenue as EUR from …`)",
        ],
    );
}

#[test]
fn meaning_that_is_not_clear_is_asked_for() {
    check(
        "segment s = age > 5 and plan is \"a\" or member",
        &["9:13 TW203 `and` and `or` are mixed without parentheses (say which belong together; as it stands it means \
           `(age > 5 and plan is \"a\") or member`)"],
    );
    check(
        "segment s = not plan is \"a\"",
        &[
            "9:13 TW205 `not` stands directly before a comparison (write `not (plan is \"a\")`, or `is not` to leave out \
           who has no plan)",
        ],
    );
    check(
        "segment s = did \"Order Completed\" in last 0 days",
        &["9:43 TW206 a stretch of time must be longer than nothing and shorter than a hundred years"],
    );
    check(
        "segment a = in segment b\nsegment b = in segment a",
        &["9:9 TW204 segments refer to each other in a circle: a → b → a (take one of the references out)"],
    );
}

#[test]
fn several_mistakes_of_one_rule_are_each_told() {
    check(
        "segment s = did Order and country is \"UK\" and plan is and (member or age > old) and in segmnt x",
        &[
            "9:17 TW001 expected an event in double quotes, or `any activity` but found `Order` (events stand in double \
             quotes: `did \"Order\"`)",
            "9:38 TW202 `country` is never `UK` (it is declared as one of US, GB)",
            "9:55 TW001 expected a value (a text in double quotes, a number, `true` or `false`) but found `and`",
            "9:76 TW102 unknown trait `old` (declare it in a rule file: `trait old: text`)",
            "9:88 TW001 expected `segment`, `list` or `journey` but found `segmnt` (did you mean `segment`?)",
        ],
    );
    check(
        "event \"X\" { a: txt, b: number requird, c text, d: list of number }\nsegment s = did \"X\" where e is 1",
        &[
            "9:16 TW001 expected a kind of value (`text`, `number`, `bool`, `date`, `time`, `money by …`, `list of …`) but \
             found `txt` (did you mean `text`?)",
            "9:31 TW001 expected `,`, `required` or `one of (…)` but found `requird` (did you mean `required`?)",
            "9:42 TW001 expected `:` but found `text`",
        ],
    );
}

#[test]
fn a_word_of_the_language_as_a_name_stands_between_backticks() {
    let found = "9:13 TW001 expected a property such as `price: number` but found `at` (it is a word of the language; as \
                 a name it stands between backticks)";
    check("event \"X\" { at: time, b: number }", &[found]);
    check("event \"X\" { `at`: number }\nsegment s = did \"X\" where `at` > 3", &[]);
}

#[test]
fn new_constructs_have_their_own_mistakes() {
    check(
        "segment s = did \"Product Viewed\" then \"Order Completed\" within 1 day",
        &["9:13 TW206 a sequence needs to know how far to look back (add `in last 7 days` after the first event)"],
    );
    check(
        "segment s = did \"Product Viewed\" in last 7 days then did not \"Order Completed\"",
        &["9:49 TW206 `then did not` needs to know how long to wait for it (add `within 2 days`)"],
    );
    check(
        "segment s = did \"Product Viewed\" in last 7 days as a then \"Order Completed\" where revenue > a.category",
        &["9:93 TW201 `revenue` is a number, and `a.category` is a text (compare values of one kind)"],
    );
    check("segment s = random 0%", &["9:20 TW201 a share must lie between 0% and 100% (such as `random 5%`)"]);
    check(
        "segment s = plan in next 7 days",
        &["9:13 TW201 `plan` is not a date (declare it as one: `trait plan: date`)"],
    );
    check(
        "compute c = average of category from \"Product Viewed\"",
        &["9:24 TW201 `category` is not a number (only numbers and amounts of money can be reckoned with)"],
    );
    check(
        "compute c = sum of price from \"Product Viewed\" where category is profile.plan",
        &[
            "9:66 TW201 what is added up here can look at the event alone (compare with a value or a constant, or ask for it in a segment)",
        ],
    );
    check(
        "compute a = b + 1\ncompute b = a * 2",
        &["9:9 TW204 computes refer to each other in a circle: a → b → a (take one of the references out)"],
    );
    check(
        "segment s = age in top 10% of segment buyer refreshed daily at \"25:00\"",
        &["9:64 TW001 `25:00` is no time of day (write it as `\"03:00\"`)"],
    );
    check(
        "segment s = plan has been \"free\"",
        &["9:33 TW001 expected `for at least` and a length of time but found the end of the rule"],
    );
}

#[test]
fn ten_mistakes_are_ten_findings_in_order() {
    let rules = format!(
        "{GROUND}segment a = did Order\nsegment b = country is US\nsgment c = member\nsegment d = age >\n\
         segment e = (member and age > 5\nsegment f = did \"Nothing\"\nsegment g = in segment h\n\
         trait x: txt\nsegment i = in segment a and age is \"old\"\ncompute c = count \"Order Completed\"\n"
    );
    let found = findings(&rules);
    let lines: Vec<&str> = found.iter().map(|one| one.split(' ').next().unwrap()).collect();
    let on_lines: Vec<&str> = lines.iter().map(|at| at.split(':').next().unwrap()).collect();
    assert_eq!(on_lines, ["9", "10", "11", "12", "13", "14", "15", "16", "17", "18"], "{found:#?}");
    for word in ["EOI", "rule::", "Rule", "token", "parse", "ident"] {
        assert!(found.iter().all(|one| !one.contains(word)), "`{word}` is no word for a marketer: {found:#?}");
    }
}

#[test]
fn deep_nesting_is_a_finding_and_not_a_crash() {
    let rules = format!("segment s = {}member{}\n", "(".repeat(100_000), ")".repeat(100_000));
    let found = findings(&format!("{GROUND}{rules}"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("TW007"), "{found:?}");
    let nots = format!("{GROUND}segment s = {}(member)\n", "not ".repeat(50_000));
    assert!(findings(&nots)[0].contains("TW007"));
}

mod any_text {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn never_breaks_reading_or_laying_out(text in "(segment|trait|event|compute|did|in|last|not|and|or|\"|\\(|\\)|[a-z]|[0-9]|[ \n#“é{}:=,<>]){0,60}") {
            let _ = super::findings(&text);
            let once = tidewater::lang::format(&text);
            prop_assert_eq!(tidewater::lang::format(&once), once);
        }
    }
}
