//! Finds the comments that speak to us, `# tidewater: …`, and what each is about.

use crate::finding::{Place, SourceFile, SourceId, Span};
use crate::journey::yaml;

use super::super::text::item_length;

/// The word that such a comment begins with.
const ADDRESS: &str = "tidewater:";

/// A comment that begins with `tidewater:`.
pub(super) struct Comment<'a> {
    /// From its first sign to the end of its text.
    pub(super) place: Place,
    /// What stands behind `tidewater:`.
    pub(super) words: &'a str,
    /// The text of which findings are meant. Empty where nothing stands directly below.
    pub(super) covers: Span,
}

/// How comments are written in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// From `#`, in rules.
    Rules,
    /// From `#`, in YAML.
    Yaml,
    /// Between `{#` and `#}`.
    Template,
}

/// The comments of a file that speak to us, in its order.
pub(super) fn read(source: SourceId, file: &SourceFile) -> Vec<Comment<'_>> {
    let text: &str = &file.text;
    if !text.contains(ADDRESS) {
        return Vec::new();
    }
    let (form, spans): (Form, Vec<Span>) = match file.path.rsplit_once('.') {
        Some((_, "tide")) => (Form::Rules, lines(text).filter_map(|line| rule_comment(text, line)).collect()),
        Some((_, "yaml" | "yml")) => (Form::Yaml, yaml::comments(text)),
        _ => (Form::Template, lines(text).filter_map(|line| template_comment(text, line)).collect()),
    };
    let to_us = spans.into_iter().filter_map(|span| {
        let words = text[span.start..span.end].trim_matches(['{', '#', '-', '}']).trim_start();
        let words = words.strip_prefix(ADDRESS)?.trim();
        Some(Comment { place: Place { source, span }, words, covers: covered(text, span, form) })
    });
    to_us.collect()
}

/// The lines of a text without what ends them.
fn lines(text: &str) -> impl Iterator<Item = Span> {
    text.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some(Span::new(start, start + line.trim_end().len()))
    })
}

/// From the first `#` outside quotes to the end of the line.
fn rule_comment(text: &str, line: Span) -> Option<Span> {
    let mut closing: Option<&[char]> = None;
    let mut is_escaped = false;
    for (at, sign) in text[line.start..line.end].char_indices() {
        match closing {
            Some(signs) => {
                if !is_escaped && signs.contains(&sign) {
                    closing = None;
                }
                is_escaped = sign == '\\' && !is_escaped;
            }
            None => match sign {
                '#' => return Some(Span::new(line.start + at, line.end)),
                '"' => closing = Some(&['"']),
                '`' => closing = Some(&['`']),
                '“' | '”' => closing = Some(&['“', '”']),
                _ => {}
            },
        }
    }
    None
}

/// `{# … #}` within one line.
fn template_comment(text: &str, line: Span) -> Option<Span> {
    let content = &text[line.start..line.end];
    let start = content.find("{#")?;
    let length = content[start..].find("#}")? + "#}".len();
    Some(Span::new(line.start + start, line.start + start + length))
}

/// The line of a comment at its end; else the line directly below, or the whole declaration that begins there.
fn covered(text: &str, comment: Span, form: Form) -> Span {
    let line_start = text[..comment.start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = |from: usize| text[from..].find('\n').map_or(text.len(), |newline| from + newline + 1);
    if !text[line_start..comment.start].trim().is_empty() {
        return Span::new(line_start, line_end(comment.end));
    }
    let mut start = line_end(comment.end);
    let sign = if form == Form::Template { "{#" } else { "#" };
    while text[start..line_end(start)].trim_start().starts_with(sign) {
        start = line_end(start);
    }
    if form == Form::Rules && text[start..].starts_with(|sign: char| sign.is_ascii_alphabetic()) {
        return Span::new(start, start + item_length(&text[start..]));
    }
    Span::new(start, line_end(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each comment says, and the first and last line that it covers.
    fn found(path: &str, text: &str) -> Vec<(String, usize, usize)> {
        let file = SourceFile { path: path.to_owned(), text: text.into() };
        let comments = read(SourceId(0), &file).into_iter();
        comments
            .map(|comment| {
                let line = |at: usize| file.line_column(at).line;
                (comment.words.to_owned(), line(comment.covers.start), line(comment.covers.end.max(1) - 1))
            })
            .collect()
    }

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[(&str, usize, usize)]) {
        let found = found(path, text);
        let found: Vec<_> = found.iter().map(|(words, first, last)| (words.as_str(), *first, *last)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn above_a_declaration_all_of_it_is_meant_and_at_a_line_s_end_that_line() {
        let text = "# tidewater: a\n# why\n# tidewater: b\nsegment x =\n  # tidewater: c\n  did \"A\"\n  and y # tidewater: d\n\nsegment z = m\n";
        check("r.tide", text, &[("a", 4, 7), ("b", 4, 7), ("c", 6, 6), ("d", 7, 7)]);
    }

    #[test]
    fn quotes_hide_what_looks_like_a_comment() {
        let text = "segment x = a is \"\\\"# tidewater: no\" and `b # tidewater: no` and c is “# tidewater: no” # tidewater: yes\n";
        check("r.tide", text, &[("yes", 1, 1)]);
        check("j.yaml", "a: \"# tidewater: no\"\nb: |\n  # tidewater: no\nc: 1 #tidewater:yes\n", &[("yes", 4, 4)]);
    }

    #[test]
    fn in_yaml_and_templates_the_next_line_is_meant() {
        check("j.yaml", "# tidewater: a\n\nsteps:\n  # tidewater: b\n  - wait: 1 day\n", &[("a", 2, 2), ("b", 5, 5)]);
        check(
            "t.html",
            "<p>\n{# tidewater: a #}\n{{ x }}\n{{ y }} {# tidewater: b #}</p>",
            &[("a", 3, 3), ("b", 4, 4)],
        );
        check("t.txt", "# tidewater: no comment here\n{# tidewater: a #}", &[("a", 2, 2)]);
    }
}
