//! From a byte of a scalar's text to its place in the file, so that a finding inside a rule points at its own line.
//!
//! The parser gives a scalar's text and where the scalar stands, not where each character came from. So the raw text
//! is decoded once more, remembering that. If the outcome is not what the parser read, the scalar's start is given.

use crate::finding::{Locate, Place, SourceId, Span};

use super::yaml::{Scalar, Style};

/// Where each byte of a scalar's text stands in its file.
#[derive(Debug, Clone)]
pub struct ScalarPlaces {
    source: SourceId,
    /// Of each byte of the text: where its character begins and ends in the file.
    characters: Vec<Span>,
    whole: Span,
}

impl ScalarPlaces {
    /// `text` is the whole file that the scalar was read from.
    #[must_use]
    pub fn new(text: &str, scalar: &Scalar) -> Self {
        let whole = scalar.place.span;
        let characters = decode(text, scalar).unwrap_or_default();
        Self { source: scalar.place.source, characters, whole }
    }

    fn span(&self, span: Span) -> Span {
        let Some(last) = self.characters.last() else {
            return Span::new(self.whole.start, self.whole.start);
        };
        let start = self.characters.get(span.start).map_or(last.end, |character| character.start);
        let end = if span.end > span.start {
            self.characters.get(span.end - 1).map_or(last.end, |character| character.end)
        } else {
            start
        };
        Span::new(start, end.max(start))
    }
}

impl Locate for ScalarPlaces {
    fn place(&self, span: Span) -> Place {
        Place { source: self.source, span: self.span(span) }
    }
}

/// The places of all bytes of the scalar's text, or nothing where our reading differs from the parser's.
fn decode(text: &str, scalar: &Scalar) -> Option<Vec<Span>> {
    let span = scalar.place.span;
    let raw = text.get(span.start..span.end)?;
    match scalar.style {
        Style::Plain => flow(raw, span.start, None).matching(&scalar.text),
        Style::SingleQuoted | Style::DoubleQuoted => {
            let quote = raw.chars().next()?;
            let inner = raw.strip_prefix(quote)?.strip_suffix(quote)?;
            flow(inner, span.start + 1, Some(quote)).matching(&scalar.text)
        }
        Style::Literal | Style::Folded => block(text, scalar),
    }
}

/// Decoded characters, each with its place.
#[derive(Default)]
struct Decoded {
    text: String,
    characters: Vec<Span>,
}

impl Decoded {
    fn push(&mut self, character: char, start: usize, end: usize) {
        self.text.push(character);
        self.characters.resize(self.text.len(), Span::new(start, end));
    }

    /// Takes back white space down to `floor` bytes.
    fn trim_blanks(&mut self, floor: usize) {
        let kept = self.text[floor..].trim_end_matches([' ', '\t']).len() + floor;
        self.text.truncate(kept);
        self.characters.truncate(kept);
    }

    /// The places, if the text begins as the parser read it (trailing line breaks may be chomped).
    fn matching(mut self, expected: &str) -> Option<Vec<Span>> {
        let rest = self.text.strip_prefix(expected)?;
        if !rest.chars().all(|character| character == '\n') {
            return None;
        }
        self.characters.truncate(expected.len());
        Some(self.characters)
    }
}

/// Length of the line break at the start of the text, 0 if there is none.
fn line_break(text: &str) -> usize {
    match text.as_bytes() {
        [b'\r', b'\n', ..] => 2,
        [b'\n' | b'\r', ..] => 1,
        _ => 0,
    }
}

/// Plain and quoted scalars: lines are folded, escapes are read.
fn flow(raw: &str, base: usize, quote: Option<char>) -> Decoded {
    let mut out = Decoded::default();
    // White space before this many bytes came from an escape and is kept.
    let mut floor = 0;
    let mut at = 0;
    while let Some(character) = raw[at..].chars().next() {
        let length = character.len_utf8();
        if line_break(&raw[at..]) > 0 {
            out.trim_blanks(floor);
            at = fold(raw, at, base, &mut out, false);
            floor = out.text.len();
        } else if quote == Some('\'') && raw[at..].starts_with("''") {
            out.push('\'', base + at, base + at + 2);
            at += 2;
        } else if quote == Some('"') && character == '\\' {
            if line_break(&raw[at + 1..]) > 0 {
                at = fold(raw, at + 1, base, &mut out, true);
            } else {
                let (decoded, length) = escape(&raw[at..]);
                out.push(decoded, base + at, base + at + length);
                at += length;
            }
            floor = out.text.len();
        } else {
            out.push(character, base + at, base + at + length);
            at += length;
        }
    }
    out
}

/// Folds the line breaks at `at` and the white space after them; gives where the next text begins.
fn fold(raw: &str, at: usize, base: usize, out: &mut Decoded, escaped: bool) -> usize {
    let mut next = at;
    let mut breaks = 0;
    loop {
        let length = line_break(&raw[next..]);
        if length > 0 {
            breaks += 1;
            if breaks > 1 {
                out.push('\n', base + next, base + next + length);
            }
            next += length;
        } else if raw[next..].starts_with([' ', '\t']) {
            next += 1;
        } else {
            break;
        }
    }
    if breaks == 1 && !escaped {
        out.push(' ', base + at, base + next);
    }
    next
}

/// Reads one escape of a double-quoted scalar: its character and the length of its notation.
fn escape(raw: &str) -> (char, usize) {
    let mut characters = raw.chars();
    characters.next();
    let Some(sign) = characters.next() else { return ('\\', raw.len()) };
    let digits = match sign {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    if digits > 0 {
        let number = raw.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        return (number.and_then(char::from_u32).unwrap_or('\u{fffd}'), (2 + digits).min(raw.len()));
    }
    let decoded = match sign {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        other => other,
    };
    (decoded, 1 + sign.len_utf8())
}

/// One line of a block scalar: its place in the file without its line break.
struct Line {
    start: usize,
    end: usize,
    /// Where the next line begins.
    next: usize,
}

fn block(text: &str, scalar: &Scalar) -> Option<Vec<Span>> {
    let span = scalar.place.span;
    // The span may begin at the sign of the block or at its first line.
    let header_end = |from: usize| text[from..].find('\n').map_or(text.len(), |newline| from + newline + 1);
    let starts = if text[span.start..].starts_with(['|', '>']) {
        [header_end(span.start), line_start(text, span.start)]
    } else {
        [line_start(text, span.start), header_end(span.start)]
    };
    // What stands behind the scalar is not looked at, so that many scalars in one file stay cheap.
    let text = &text[..header_end(span.end)];
    starts.into_iter().filter(|start| *start <= text.len()).find_map(|start| {
        let lines = lines(text, start);
        let widest = lines.iter().map(|line| indent(&text[line.start..line.end])).max().unwrap_or(0);
        // The indentation may be given by a number that counts from the parent's, which we do not know: try them.
        let likely = lines.iter().map(|line| &text[line.start..line.end]).find(|line| !line.trim().is_empty());
        let likely = likely.map_or(0, indent);
        std::iter::once(likely).chain((0..=widest).filter(|width| *width != likely)).find_map(|width| {
            let decoded = match scalar.style {
                Style::Folded => folded(text, &lines, width),
                _ => literal(text, &lines, width),
            };
            let length = scalar.text.len();
            (decoded.text.get(..length) == Some(scalar.text.as_str())).then(|| decoded.characters[..length].to_vec())
        })
    })
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

fn lines(text: &str, start: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut at = start;
    while at < text.len() {
        let next = text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1);
        let content = text[at..next].trim_end_matches(['\n', '\r']).len();
        lines.push(Line { start: at, end: at + content, next });
        at = next;
    }
    lines
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The text of a line without its indentation, and where that begins.
fn content<'a>(text: &'a str, line: &Line, width: usize) -> (&'a str, usize) {
    let raw = &text[line.start..line.end];
    let cut = indent(raw).min(width);
    (&raw[cut..], line.start + cut)
}

/// Where the block goes on to a line that is indented less, it has ended.
fn ends_before(text: &str, line: &Line, width: usize) -> bool {
    let raw = &text[line.start..line.end];
    indent(raw) < width && !raw.trim().is_empty()
}

fn push_line(out: &mut Decoded, content: &str, start: usize) {
    for (offset, character) in content.char_indices() {
        out.push(character, start + offset, start + offset + character.len_utf8());
    }
}

fn literal(text: &str, lines: &[Line], width: usize) -> Decoded {
    let mut out = Decoded::default();
    for line in lines.iter().take_while(|line| !ends_before(text, line, width)) {
        let (content, start) = content(text, line, width);
        push_line(&mut out, content, start);
        out.push('\n', line.end, line.next);
    }
    out
}

fn folded(text: &str, lines: &[Line], width: usize) -> Decoded {
    let mut out = Decoded::default();
    // The line before, where it held text: its end, and whether it was indented further than the block.
    let mut before: Option<(&Line, bool)> = None;
    let mut blanks: Vec<&Line> = Vec::new();
    for line in lines.iter().take_while(|line| !ends_before(text, line, width)) {
        let (content, start) = content(text, line, width);
        if content.is_empty() {
            blanks.push(line);
            continue;
        }
        let deeper = content.starts_with([' ', '\t']);
        if let Some((previous, previous_deeper)) = before {
            if deeper || previous_deeper {
                out.push('\n', previous.end, previous.next);
            } else if blanks.is_empty() {
                out.push(' ', previous.end, start);
            }
        }
        for blank in blanks.drain(..) {
            out.push('\n', blank.end, blank.next);
        }
        push_line(&mut out, content, start);
        before = Some((line, deeper));
    }
    for last in before.map(|(line, _)| line).into_iter().chain(blanks) {
        out.push('\n', last.end, last.next);
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::finding::{LineColumn, SourceFile};
    use crate::journey::yaml::{NodeKind, parse};

    use super::*;

    /// The place at which `BAD` is found in the first value of the file, and where it truly stands.
    fn found_and_true(text: &str) -> (LineColumn, LineColumn) {
        let mut findings = Vec::new();
        let documents = parse(SourceId(0), text, &mut findings);
        assert_eq!(findings, [], "{text}");
        let NodeKind::Map(entries) = &documents[0].kind else { panic!("not a map: {text}") };
        let scalar = entries[0].1.as_scalar().expect("a scalar");
        let offset = scalar.text.find("BAD").expect("BAD in the text");
        let place = ScalarPlaces::new(text, scalar).place(Span::new(offset, offset + 3));
        let file = SourceFile { path: "a.yaml".into(), text: text.into() };
        assert_eq!(&text[place.span.start..place.span.end], "BAD", "{text}");
        (file.line_column(place.span.start), file.line_column(text.find("BAD").expect("BAD in the file")))
    }

    #[test]
    fn every_style_is_mapped_exactly() {
        for text in [
            "when: a BAD b\n",
            "when: é ü BAD\n",
            "when: one\n  two\n\n  three BAD x\nnext: 1\n",
            "when: 'it''s BAD'\n",
            "when: 'a\n   b\n\n   c BAD'\n",
            "when: \"a \\u00e9 \\t BAD\"\n",
            "when: \"a \\\n   b\n   c BAD\"\n",
            "when: |\n  one\n  two BAD\n",
            "when: |-\n  one\n\n    two BAD\nnext: 1\n",
            "when: |+\n  é one\n  BAD\n\n\nnext: 1\n",
            "when: |2\n   one\n  BAD\n",
            "when: >\n  one\n  two BAD\n",
            "when: >-\n  one\n\n  two\n    three\n    four\n  five BAD\nnext: 1\n",
            "when: > # with a comment\n  one\n  two\n\n\n  three BAD\n",
            "{ when: a BAD b, next: 1 }\n",
            "when: |\r\n  one\r\n  two BAD\r\n",
            "when: |\n  | one\n  BAD\n",
        ] {
            let (found, truth) = found_and_true(text);
            assert_eq!(found, truth, "{text}");
        }
    }

    proptest::proptest! {
        /// Whatever text stands in a block: each character is found where it is.
        #[test]
        fn blocks_of_any_lines_are_mapped(
            lines in proptest::collection::vec("[a-zé\"#: ]{0,12}", 1..6),
            folded in proptest::bool::ANY,
        ) {
            let body: String = lines.iter().map(|line| format!("  {line}\n")).collect();
            let text = format!("when: {}\n  x\n{body}  BAD\n", if folded { ">" } else { "|" });
            let (found, truth) = found_and_true(&text);
            proptest::prop_assert_eq!(found, truth);
        }

        #[test]
        fn any_yaml_text_is_mapped_or_left(text in "[a-z:'\"|>\\\\\n {}\\[\\]#é-]{0,80}") {
            let mut findings = Vec::new();
            for document in parse(SourceId(0), &text, &mut findings) {
                let mut stack = vec![document];
                while let Some(node) = stack.pop() {
                    match node.kind {
                        NodeKind::Scalar(scalar) => {
                            let place = ScalarPlaces::new(&text, &scalar).place(Span::new(0, scalar.text.len()));
                            proptest::prop_assert!(text.get(place.span.start..place.span.end).is_some());
                        }
                        NodeKind::List(items) => stack.extend(items),
                        NodeKind::Map(entries) => stack.extend(entries.into_iter().map(|(_, node)| node)),
                    }
                }
            }
        }
    }
}
