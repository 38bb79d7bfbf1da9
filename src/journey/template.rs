//! Checks of template texts: bodies of messages, subjects, and the texts of a webhook's body.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::Environment;

use crate::finding::{Code, Finding, Locate, Span, did_you_mean};
use crate::lang::Rules;

/// What templates may use beside traits and computes: who, in which journey, the event that the run began on, and the
/// way out.
pub const VARIABLES: [&str; 5] = ["user_id", "profile_id", "journey", "entry", "unsubscribe_url"];

/// What the template language itself brings along.
const BUILT_IN: [&str; 6] = ["range", "dict", "namespace", "debug", "loop", "self"];

/// The names that a template may use: traits (the first part of a dotted one), computes and [`VARIABLES`].
#[must_use]
pub fn known_variables(rules: &Rules) -> BTreeSet<String> {
    let traits = rules.traits.iter().map(|declared| declared.name.split('.').next().unwrap_or_default().to_owned());
    let computes = rules.computes.iter().map(|compute| compute.name.clone());
    traits.chain(computes).chain(VARIABLES.map(str::to_owned)).collect()
}

/// The variables that a template is filled with, as far as they reach into objects (`address.city`). None where it cannot
/// be read.
#[must_use]
pub fn variables(text: &str) -> BTreeSet<String> {
    let environment = Environment::new();
    let template = environment.template_from_str(text);
    template.map(|template| template.undeclared_variables(true).into_iter().collect()).unwrap_or_default()
}

/// Reads a template and reports what cannot be read (`TW402`) or would be empty for everyone (`TW403`).
pub fn check(text: &str, locate: &dyn Locate, known: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    let environment = Environment::new();
    let template = match environment.template_from_str(text) {
        Ok(template) => template,
        Err(error) => {
            findings.push(syntax(text, locate, &error));
            return;
        }
    };
    unknown_filters(&template, text, locate, findings);
    other_files(text, locate, findings);
    let used: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
    let uses = first_uses(text);
    for name in used {
        if known.contains(&name) || BUILT_IN.contains(&name.as_str()) {
            continue;
        }
        let place = locate.place(uses.get(name.as_str()).copied().unwrap_or_default());
        let message = format!("no trait and no compute is called `{name}`, so this would stay empty");
        let finding = Finding::new(Code::UnknownVariable, place, message);
        findings.push(match did_you_mean(&name, known.iter().map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, near),
            None => finding.help("declare it as a trait or compute in `rules/`, or leave it out"),
        });
    }
}

fn syntax(text: &str, locate: &dyn Locate, error: &minijinja::Error) -> Finding {
    let span = match error.range() {
        Some(range) if text.get(range.clone()).is_some() => Span::new(range.start, range.end),
        _ => {
            let line = error.line().unwrap_or(1).saturating_sub(1);
            let start = text.split_inclusive('\n').take(line).map(str::len).sum::<usize>().min(text.len());
            Span::new(start, start)
        }
    };
    let detail = error.detail().unwrap_or("the template breaks off");
    Finding::new(Code::TemplateSyntax, locate.place(span), format!("this template cannot be read: {detail}"))
}

/// Filters are looked up only when a template is filled; an author should hear of a misspelt one before.
fn unknown_filters(
    template: &minijinja::Template<'_, '_>,
    text: &str,
    locate: &dyn Locate,
    findings: &mut Vec<Finding>,
) {
    let mut state = template.new_state();
    for span in filters(text) {
        let name = &text[span.start..span.end];
        let outcome = state.apply_filter(name, &[]);
        if outcome.is_err_and(|error| error.kind() == minijinja::ErrorKind::UnknownFilter) {
            let message = format!("templates have no filter `{name}`");
            findings.push(Finding::new(Code::TemplateSyntax, locate.place(span), message));
        }
    }
}

/// A template is one file: what asks for another would fail whenever a message is filled.
fn other_files(text: &str, locate: &dyn Locate, findings: &mut Vec<Finding>) {
    for statement in statements(text).filter(|statement| text[statement.start..].starts_with("{%")) {
        let inner = text[statement.start + 2..].trim_start_matches(['-', '+']).trim_start();
        let word = &inner[..inner.find(|sign: char| !sign.is_ascii_alphabetic()).unwrap_or(inner.len())];
        if ["include", "extends", "import", "from"].contains(&word) {
            let start = text.len() - inner.len();
            let place = locate.place(Span::new(start, start + word.len()));
            let message = format!("a template cannot take in another, as `{word}` asks");
            findings.push(Finding::new(Code::TemplateSyntax, place, message).help("copy what it holds into this file"));
        }
    }
}

/// The stretches `{{ …` and `{% …`, each up to what closes it.
fn statements(text: &str) -> impl Iterator<Item = Span> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let signs = text[at..].match_indices('{').map(|(offset, _)| at + offset);
        let open = signs.into_iter().find(|open| text[open + 1..].starts_with(['{', '%']))?;
        let close = if text[open + 1..].starts_with('{') { "}}" } else { "%}" };
        at = text[open..].find(close).map_or(text.len(), |length| open + length);
        Some(Span::new(open, at))
    })
}

/// Where filters are named: a word behind `|` in a statement, outside of quotes.
fn filters(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    for Span { start: open, end } in statements(text) {
        let mut quote = None;
        for (offset, sign) in text[open..end].char_indices() {
            match (quote, sign) {
                (None, '"' | '\'') => quote = Some(sign),
                (Some(opened), _) if opened == sign => quote = None,
                (None, '|') => {
                    let rest = &text[open + offset + 1..end];
                    let start = open + offset + 1 + (rest.len() - rest.trim_start().len());
                    let word = text[start..end].find(|sign: char| !sign.is_alphanumeric() && sign != '_');
                    let stop = word.map_or(end, |length| start + length);
                    if stop > start {
                        found.push(Span::new(start, stop));
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// Where each word stands first in a statement, as a name and not as a part of one behind a dot.
fn first_uses(text: &str) -> BTreeMap<&str, Span> {
    let is_word = |sign: char| sign.is_alphanumeric() || sign == '_';
    let mut uses = BTreeMap::new();
    for Span { mut start, end } in statements(text) {
        while let Some(begin) = text[start..end].find(is_word).map(|offset| start + offset) {
            let stop = text[begin..end].find(|sign| !is_word(sign)).map_or(end, |length| begin + length);
            if !text[..begin].ends_with('.') {
                uses.entry(&text[begin..stop]).or_insert(Span::new(begin, stop));
            }
            start = stop;
        }
    }
    uses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{SourceId, WholeFile};

    fn found(text: &str) -> Vec<(Code, Span)> {
        let known = ["email", "first_name", "user_id"].map(str::to_owned).into_iter().collect();
        let mut findings = Vec::new();
        check(text, &WholeFile(SourceId(0)), &known, &mut findings);
        findings.into_iter().map(|finding| (finding.code, finding.place.span)).collect()
    }

    #[test]
    fn unknown_variables_are_found_where_they_are_used() {
        assert_eq!(found("name {{ first_name | default('x') }} {% for i in range(3) %}{{ i }}{% endfor %}"), []);
        assert_eq!(found("a nam of {{ nam }}"), [(Code::UnknownVariable, Span::new(12, 15))]);
    }

    #[test]
    fn what_cannot_be_read_is_found() {
        assert_eq!(found("one\n{{ first_name").first().map(|found| found.0), Some(Code::TemplateSyntax));
        assert_eq!(found("{{ email | shout }}").first().map(|found| found.0), Some(Code::TemplateSyntax));
        assert_eq!(found("{% if x %}").first().map(|found| found.0), Some(Code::TemplateSyntax));
    }
}
