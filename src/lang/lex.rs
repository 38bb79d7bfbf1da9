//! Text to tokens. Every byte belongs to a token or to white space; what is no token of the language is one of its own
//! kind, so that the parser can say where it stands.

use crate::finding::Span;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bare name or a word of the language; dots reach into objects (`address.city`).
    Word,
    /// A name between backticks.
    Quoted,
    /// A text between double quotes; the curly ones that word processors make are taken too.
    Text,
    /// A text whose closing quote is missing, up to the end of its line.
    OpenText,
    Number,
    Symbol,
    Comment,
    Break,
    /// A character that means nothing here.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
}

impl Token<'_> {
    pub(super) fn span(&self) -> Span {
        Span::new(self.start, self.start + self.text.len())
    }
}

/// All tokens of a text, comments and line breaks among them.
pub(super) fn lex(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        let rest = &text[start..];
        if first != '\n' && first.is_whitespace() {
            start += first.len_utf8();
            continue;
        }
        let (kind, length) = token(first, rest);
        tokens.push(Token { kind, text: &rest[..length], start });
        start += length;
    }
    tokens
}

fn token(first: char, rest: &str) -> (Kind, usize) {
    match first {
        '\n' => (Kind::Break, 1),
        '#' => (Kind::Comment, rest[..line_end(rest)].trim_end().len()),
        '"' => closed(Kind::Text, text_end(rest), rest),
        '“' | '”' => closed(Kind::Text, quoted_end(rest, &['“', '”']), rest),
        '`' => closed(Kind::Quoted, quoted_end(rest, &['`']), rest),
        '0'..='9' => (Kind::Number, number_end(rest)),
        c if c.is_alphabetic() || c == '_' => (Kind::Word, word_end(rest)),
        '<' | '>' | '=' | '!' if rest[1..].starts_with('=') => (Kind::Symbol, 2),
        '<' | '>' | '=' | '(' | ')' | '{' | '}' | ',' | ':' | '+' | '-' | '*' | '/' | '%' => (Kind::Symbol, 1),
        other => (Kind::Unknown, other.len_utf8()),
    }
}

fn closed(kind: Kind, end: Option<usize>, rest: &str) -> (Kind, usize) {
    end.map_or_else(|| (Kind::OpenText, line_end(rest)), |end| (kind, end))
}

/// Looked for only where a token goes on to the end of its line: a file may be one long line.
fn line_end(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

fn text_end(rest: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (position, character) in rest.char_indices().skip(1) {
        match character {
            '\n' => return None,
            '"' if !is_escaped => return Some(position + 1),
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    None
}

/// Where the first of these quotes closes what the first character opens, on the same line.
fn quoted_end(rest: &str, quotes: &[char]) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1);
    let (end, quote) = characters.find(|(_, character)| *character == '\n' || quotes.contains(character))?;
    (quote != '\n').then_some(end + quote.len_utf8())
}

/// `500`, `1_000`, `2.5`; a name that begins with a digit is taken whole, so that it is told of once.
fn number_end(rest: &str) -> usize {
    let mut end = 0;
    let mut has_point = false;
    let bytes = rest.as_bytes();
    while let Some(byte) = bytes.get(end) {
        let is_point = *byte == b'.' && !has_point && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        if !(byte.is_ascii_alphanumeric() || *byte == b'_' || is_point) {
            break;
        }
        has_point |= is_point;
        end += 1;
    }
    end
}

fn word_end(rest: &str) -> usize {
    let mut end = 0;
    let mut characters = rest.char_indices().peekable();
    while let Some((position, character)) = characters.next() {
        let is_inner_dot =
            character == '.' && characters.peek().is_some_and(|(_, next)| next.is_alphabetic() || *next == '_');
        if !(character.is_alphanumeric() || character == '_' || is_inner_dot) {
            break;
        }
        end = position + character.len_utf8();
    }
    end
}

/// What stands between the quotes of a text, or the backticks of a name.
pub(super) fn unquote(token: &str) -> String {
    let mut characters = token.chars();
    let first = characters.next();
    let inner = characters.as_str();
    let inner = inner.strip_suffix(['"', '“', '”', '`']).unwrap_or(inner);
    if first != Some('"') {
        return inner.to_owned();
    }
    let mut out = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_a_token_or_white_space() {
        let text = "segment vip = plan is “pro” and `First Name` >= -1_0.5 # so\n  \"a\\\"b\" ;é 3x \"open";
        let kinds: Vec<(Kind, &str)> = lex(text).iter().map(|token| (token.kind, token.text)).collect();
        assert_eq!(kinds[5], (Kind::Text, "“pro”"));
        assert_eq!(kinds[7], (Kind::Quoted, "`First Name`"));
        assert_eq!(&kinds[8..11], &[(Kind::Symbol, ">="), (Kind::Symbol, "-"), (Kind::Number, "1_0.5")]);
        assert_eq!(kinds[11], (Kind::Comment, "# so"));
        assert_eq!(kinds[13], (Kind::Text, "\"a\\\"b\""));
        assert_eq!(kinds[14].0, Kind::Unknown);
        assert_eq!(&kinds[16..], &[(Kind::Number, "3x"), (Kind::OpenText, "\"open")]);
        assert_eq!(unquote("\"a\\\"b\""), "a\"b");
        assert_eq!(unquote("“pro”"), "pro");
    }
}
