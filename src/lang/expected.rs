//! A parser's failure in a marketer's words.

use pest::error::{Error, ErrorVariant, InputLocation};

use crate::finding::{Code, Finding, Locate, Span, did_you_mean};

use super::parse::{ITEM_WORDS, LATER_ITEM_WORDS, Rule};

/// Words of the language that this version knows of and does not carry out yet, and what they begin.
const LATER_WORDS: &[(&str, &str)] = &[
    ("then", "sequences (`then`)"),
    ("within", "sequences (`within`)"),
    ("by", "sequences with a key (`by`)"),
    ("top", "ranks (`in top 10%`)"),
    ("bottom", "ranks (`in bottom 10%`)"),
    ("above", "ranks (`above median`)"),
    ("has", "durations of a state and lists (`has been`, `has any`, `has all`)"),
    ("most", "`at most n times`"),
    ("exactly", "`exactly n times`"),
    ("on", "`on at least n days`"),
    ("for", "`for the first time` and `for at least`"),
    ("matches", "patterns (`matches`)"),
    ("random", "random shares (`random 5%`)"),
    ("anniversary", "anniversaries"),
    ("next", "windows that look forward (`in next`)"),
    ("agrees", "`agrees to`"),
    ("got", "`got email`"),
    ("journey", "`in journey`"),
    ("list", "static lists (`in list`)"),
    ("any", "`any` over lists of objects"),
    ("all", "`all` over lists of objects"),
    ("average", "`average of`"),
    ("min", "`min of`"),
    ("max", "`max of`"),
    ("earliest", "`earliest`"),
    ("unique", "`unique count of`"),
    ("first", "`first`"),
    ("last", "`last` as a value"),
];

/// What each part of the grammar is called in a sentence; parts without a name here are not worth telling.
fn word_for(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::string => "a name in double quotes",
        Rule::name | Rule::bare_name => "a name",
        Rule::literal => "a value (a text in double quotes, a number, `true` or `false`)",
        Rule::chain | Rule::condition | Rule::comparison | Rule::group => {
            "a condition such as `country is \"US\"` or `did \"Order Completed\"`"
        }
        Rule::and | Rule::or => "`and` or `or`",
        Rule::test | Rule::is_test | Rule::symbol_test | Rule::in_test => {
            "a comparison (`is`, `is not`, `in (…)`, `>`, `<=`, `contains`, `is set`)"
        }
        Rule::duration | Rule::whole | Rule::unit => "a length of time such as `7 days`",
        Rule::in_last => "`in last` and a length of time",
        Rule::at_least | Rule::w_at => "`at least n times`",
        Rule::where_clause | Rule::w_where => "`where`",
        Rule::since_last | Rule::since_entry | Rule::w_since => "`since last \"…\"`",
        Rule::selector | Rule::any_activity | Rule::w_any => "an event in double quotes, or `any activity`",
        Rule::value_type | Rule::plain_type | Rule::money_type | Rule::list_type | Rule::object_type => {
            "a kind of value (`text`, `number`, `bool`, `date`, `time`, `money by …`, `list of …`)"
        }
        Rule::aggregate | Rule::count_of | Rule::sum_of | Rule::latest_of => {
            "`count of \"…\"`, `sum of … from \"…\"` or `latest … from \"…\"`"
        }
        Rule::class => "`marketing` or `transactional`",
        Rule::opt_in => "`opt_in`",
        Rule::members | Rule::manual => "`= members of …` or `manual`",
        Rule::using | Rule::w_using => "`using (…)` with the traits that identify people",
        Rule::property => "a property such as `price: number`",
        Rule::one_of | Rule::w_one => "`one of (…)`",
        Rule::cleaner => "a way of cleaning such as `trim`",
        _ => return None,
    })
}

/// The finding for a piece that did not parse.
pub(super) fn finding(error: &Error<Rule>, text: &str, locate: &dyn Locate) -> Finding {
    let (InputLocation::Pos(at) | InputLocation::Span((at, _))) = error.location;
    let at = skip_blank(text, at);
    let first = first_word(text);
    if LATER_ITEM_WORDS.contains(&first) {
        return not_yet(&format!("`{first}` declarations"), Span::new(0, first.len()), locate);
    }
    if !ITEM_WORDS.contains(&first) && is_item(error) {
        return unknown_item(first, locate);
    }
    if let Some(finding) = later_construct(text, at, locate) {
        return finding;
    }
    let (found, span) = found_at(text, at);
    let message = match expectations(error) {
        list if list.is_empty() => format!("{found} does not belong here"),
        list => format!("expected {} but found {found}", join(&list)),
    };
    let finding = Finding::new(Code::Syntax, locate.place(span), message);
    match hint(text, at) {
        Some(help) => finding.help(help),
        None => finding,
    }
}

fn is_item(error: &Error<Rule>) -> bool {
    match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => {
            positives.iter().any(|rule| matches!(rule, Rule::item | Rule::event_item | Rule::trait_item))
        }
        ErrorVariant::CustomError { .. } => false,
    }
}

fn unknown_item(first: &str, locate: &dyn Locate) -> Finding {
    let place = locate.place(Span::new(0, first.len()));
    let finding = Finding::new(Code::Syntax, place, format!("`{first}` does not begin a rule"));
    match did_you_mean(first, ITEM_WORDS.iter().copied()) {
        Some(word) => finding.help(format!("did you mean `{word}`?")).fix(place, word),
        None => finding.help("a rule begins with `event`, `trait`, `compute`, `segment`, `topic`, `purpose` or `audience_sync` in the first column; lines that continue it are indented"),
    }
}

/// Whether the author wrote something that the language has and this version does not carry out.
fn later_construct(text: &str, at: usize, locate: &dyn Locate) -> Option<Finding> {
    let here = text.get(at..)?;
    let word = first_word(here);
    if let Some((_, what)) = LATER_WORDS.iter().find(|(later, _)| *later == word) {
        return Some(not_yet(what, Span::new(at, at + word.len()), locate));
    }
    if here.starts_with(['+', '-', '*', '/']) {
        return Some(not_yet("arithmetic", Span::new(at, at + 1), locate));
    }
    let before = text[..at].trim_end();
    let start = before.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |found| found + 1);
    let previous = &before[start..];
    let (_, what) = LATER_WORDS.iter().find(|(later, _)| *later == previous && *later != "last")?;
    Some(not_yet(what, Span::new(start, start + previous.len()), locate))
}

pub(super) fn not_yet(what: &str, span: Span, locate: &dyn Locate) -> Finding {
    Finding::new(Code::NotYet, locate.place(span), format!("{what} cannot be used yet"))
        .help("this version of Tidewater knows the words and does not carry them out; leave them out for now")
}

fn expectations(error: &Error<Rule>) -> Vec<&'static str> {
    let mut words = Vec::new();
    if let ErrorVariant::ParsingError { positives, .. } = &error.variant {
        for word in positives.iter().filter_map(|rule| word_for(*rule)) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
    }
    words.truncate(4);
    words
}

fn join(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [init @ .., last] => format!("{}, or {last}", init.join(", ")),
    }
}

/// Help for the mistakes that people make most.
fn hint(text: &str, at: usize) -> Option<String> {
    let here = &text[at..];
    let before = text[..at].trim_end();
    if before.ends_with("did") || before.ends_with("not") && before.contains("did not") {
        return Some(format!("events stand in double quotes: `did \"{}\"`", first_word(here)));
    }
    if before.ends_with("is") || before.ends_with(['=', '<', '>']) || before.ends_with('(') {
        return Some(format!("texts stand in double quotes: `\"{}\"`", first_word(here)));
    }
    if here.starts_with(['\'', '‘', '’']) {
        return Some("texts stand in double quotes".to_owned());
    }
    if text[..at].matches('(').count() > text[..at].matches(')').count() && here.trim().is_empty() {
        return Some("a closing parenthesis `)` is missing".to_owned());
    }
    None
}

fn skip_blank(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let rest = &text[at..];
    let blank = rest.len() - rest.trim_start().len();
    if blank == rest.len() { at } else { at + blank }
}

fn found_at(text: &str, at: usize) -> (String, Span) {
    let here = &text[at..];
    if here.trim().is_empty() {
        // Point just behind the last thing that is there, not at a line that follows.
        let end = text[..at].trim_end().len();
        let width = text[end..].chars().next().map_or(0, char::len_utf8).min(1);
        return ("the end of the rule".to_owned(), Span::new(end, end + width));
    }
    let word = first_word(here);
    let length = if word.is_empty() { here.chars().next().map_or(0, char::len_utf8) } else { word.len() };
    (format!("`{}`", &here[..length]), Span::new(at, at + length))
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}
