//! Rules that YAML cut: a plain scalar ends at ` #`, and `: ` in it is taken for a key.

use crate::finding::{Code, Finding, Place, Span};

use super::yaml::{Scalar, Style};

/// Keys whose values are rules.
const RULE_KEYS: [&str; 4] = ["when", "where", "if", "to"];

const HELP: &str = "write the rule as a block: `|-` behind the key, and the rule indented on the next line";

/// A rule that could not be read because YAML took its rest for a comment.
#[must_use]
pub fn cut_by_comment(text: &str, scalar: &Scalar) -> Option<Finding> {
    let span = scalar.place.span;
    let rest = text.get(span.end..)?.split('\n').next()?;
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let cut = scalar.style == Style::Plain
        && blanks > 0
        && rest[blanks..].starts_with('#')
        // A comment may follow a rule; this one began inside a quoted text.
        && scalar.text.matches('"').count() % 2 == 1;
    if !cut {
        return None;
    }
    let at = span.end + blanks;
    let place = Place { source: scalar.place.source, span: Span::new(at, at + 1) };
    let finding = Finding::new(Code::YamlBrokeRule, place, "YAML takes what follows ` #` for a comment").help(HELP);
    let whole = Span::new(span.start, span.end + rest.trim_end().len());
    Some(with_fix(finding, text, Place { source: scalar.place.source, span: whole }))
}

/// Whether a syntax error at `at` comes from a rule that holds `: `, and what to say then.
#[must_use]
pub fn cut_by_colon(text: &str, at: Place) -> Option<Finding> {
    let offset = at.span.start.min(text.len());
    let start = text.get(..offset)?.rfind('\n').map_or(0, |newline| newline + 1);
    // The parser may only notice on the next line.
    let candidates = [start, text[..start.saturating_sub(1)].rfind('\n').map_or(0, |newline| newline + 1)];
    candidates.into_iter().find_map(|start| {
        let line = text[start..].split('\n').next()?.trim_end();
        let (value, length) = rule_value(line)?;
        let rule = &line[value..value + length];
        let colon = rule.find(": ")?;
        let place = Place { source: at.source, span: Span::new(start + value + colon, start + value + colon + 1) };
        let finding = Finding::new(Code::YamlBrokeRule, place, "YAML takes the `: ` in this rule for a key").help(HELP);
        let whole = Place { source: at.source, span: Span::new(start + value, start + value + length) };
        Some(with_fix(finding, text, whole))
    })
}

/// Where in a line the plain value of a rule key begins, and how long it is.
fn rule_value(line: &str) -> Option<(usize, usize)> {
    let key_at = RULE_KEYS.iter().find_map(|key| {
        let (at, found) = line.match_indices(&format!("{key}: ")).next().map(|(at, found)| (at, found.len()))?;
        let before = line[..at].chars().next_back();
        before.is_none_or(|sign| matches!(sign, ' ' | '{' | ',' | '-')).then_some(at + found)
    })?;
    let value = &line[key_at..];
    let start = key_at + value.len() - value.trim_start().len();
    let plain = !line[start..].starts_with(['"', '\'', '|', '>', '{', '[', '#']);
    (plain && start < line.len()).then(|| (start, line.len() - start))
}

/// Offers the block, where the key stands alone in its line; inside braces YAML has none.
fn with_fix(finding: Finding, text: &str, whole: Place) -> Finding {
    let line_start = text[..whole.span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let before = &text[line_start..whole.span.start];
    if before.contains(['{', '[']) {
        return finding;
    }
    // Under `- if: …` the key stands two further in than the dash.
    let indent = before.chars().take_while(|sign| matches!(sign, ' ' | '-')).count();
    let rule = text[whole.span.start..whole.span.end].trim_end();
    finding.fix(whole, format!("|-\n{}{rule}", " ".repeat(indent + 2)))
}
