//! Where the words of a rule stand in its file. Compiled rules keep no places, so the words are looked for; what is not
//! there exactly once is not found.

use crate::finding::{Place, SourceFile, Sources, Span};

/// The stretch of a file in which a rule stands.
#[derive(Clone, Copy)]
pub(super) struct Region<'s> {
    file: &'s SourceFile,
    whole: Place,
}

impl<'s> Region<'s> {
    /// From this place to the end of the item or document that it stands in.
    pub(super) fn from(place: Place, sources: &'s Sources) -> Self {
        Self { file: sources.get(place.source), whole: place }
    }

    fn text(&self) -> &'s str {
        let rest = self.file.text.get(self.whole.span.start..).unwrap_or_default();
        let length = if self.file.path.ends_with(".tide") {
            item_length(rest)
        } else {
            rest.find("\n---").unwrap_or(rest.len())
        };
        &rest[..length]
    }

    /// Its words, each with its place.
    pub(super) fn words(&self) -> Vec<(Token<'s>, Place)> {
        let (source, start) = (self.whole.source, self.whole.span.start);
        let at = |span: Span| Place { source, span: Span::new(span.start + start, span.end + start) };
        tokens(self.text()).into_iter().map(|(token, span)| (token, at(span))).collect()
    }

    /// What is shown where nothing within it can be told apart.
    pub(super) fn whole(&self) -> Place {
        self.whole
    }

    /// Where these words stand; `None` where they do not, or more than once.
    pub(super) fn find(&self, words: &str) -> Option<Place> {
        let wanted: Vec<Token<'_>> = tokens(words).into_iter().map(|(token, _)| token).collect();
        let here = tokens(self.text());
        let mut found = here
            .windows(wanted.len().max(1))
            .filter(|window| window.iter().zip(&wanted).all(|((token, _), wanted)| token == wanted));
        let only = found.next().filter(|_| !wanted.is_empty())?;
        if found.next().is_some() {
            return None;
        }
        let span = only[0].1.to(only[only.len() - 1].1);
        let start = self.whole.span.start;
        Some(Place { source: self.whole.source, span: Span::new(span.start + start, span.end + start) })
    }

    /// From the first to the last of those that are found.
    pub(super) fn find_all<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Option<Place> {
        let places: Vec<Span> = words.into_iter().filter_map(|words| Some(self.find(words)?.span)).collect();
        let (start, end) = (places.iter().map(|span| span.start).min()?, places.iter().map(|span| span.end).max()?);
        Some(Place { source: self.whole.source, span: Span::new(start, end) })
    }
}

/// The length of the item of a rule file at the start of a text: it ends before the next line that begins with a letter.
pub(super) fn item_length(text: &str) -> usize {
    let mut lines = text.match_indices('\n').map(|(at, _)| at);
    lines.find(|at| text[at + 1..].starts_with(|sign: char| sign.is_ascii_alphabetic())).unwrap_or(text.len())
}

/// One word of a rule. A text between quotes is as it stands there, escapes and all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'t> {
    Word(&'t str),
    Number(f64),
    Quoted(&'t str),
    Sign(char),
}

/// The words of a rule with their spans, without blanks and comments.
fn tokens(text: &str) -> Vec<(Token<'_>, Span)> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = match first {
            '#' => (None, rest.find('\n').unwrap_or(rest.len())),
            '"' | '“' | '`' => quoted(rest, first),
            _ if is_word(first) || (first == '-' && rest[1..].starts_with(|sign: char| sign.is_ascii_digit())) => {
                word(rest)
            }
            _ if first.is_whitespace() => (None, first.len_utf8()),
            _ => (Some(Token::Sign(first)), first.len_utf8()),
        };
        tokens.extend(token.map(|token| (token, Span::new(at, at + length))));
        at += length;
    }
    tokens
}

fn is_word(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

/// A name or a number.
fn word(text: &str) -> (Option<Token<'_>>, usize) {
    let rest = text.find(|sign: char| !is_word(sign) && !matches!(sign, '.' | '-')).unwrap_or(text.len());
    let word = &text[..rest];
    let number = word.replace('_', "").parse().ok().filter(|_| !word.starts_with(char::is_alphabetic));
    (Some(number.map_or(Token::Word(word), Token::Number)), rest)
}

/// A text in quotes, or a name between backticks.
fn quoted(text: &str, quote: char) -> (Option<Token<'_>>, usize) {
    let inner = &text[quote.len_utf8()..];
    let mut escaped = false;
    let end = inner.char_indices().find(|(_, sign)| {
        let closes = !escaped && (*sign == quote || (quote == '“' && *sign == '”'));
        escaped = *sign == '\\' && !escaped;
        closes
    });
    let Some((end, close)) = end else { return (Some(Token::Sign(quote)), quote.len_utf8()) };
    let inside = &inner[..end];
    let token = if quote == '`' { Token::Word(inside) } else { Token::Quoted(inside) };
    (Some(token), quote.len_utf8() + end + close.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, words: &str) -> Option<String> {
        let mut sources = Sources::default();
        let source = sources.add("rules/a.tide", text);
        let place = Place { source, span: Span::new(0, 1) };
        let at = Region::from(place, &sources).find(words)?.span;
        Some(text[at.start..at.end].to_owned())
    }

    #[test]
    fn words_are_found_however_they_are_laid_out() {
        let text = "segment a =\n  plan is  not “pro” # no `plan` here\n  and score >= 1_000.0\nsegment b = x is set";
        assert_eq!(found(text, "plan is not \"pro\"").as_deref(), Some("plan is  not “pro”"));
        assert_eq!(found(text, "score >= 1000").as_deref(), Some("score >= 1_000.0"));
        assert_eq!(found(text, "x is set"), None, "it belongs to the next segment");
    }

    #[test]
    fn what_stands_twice_is_not_told_apart() {
        assert_eq!(found("segment a = x > 1 or (y and x > 1)", "x > 1"), None);
        assert_eq!(found("segment a = x > 1 or é is \"", "y"), None);
    }
}
