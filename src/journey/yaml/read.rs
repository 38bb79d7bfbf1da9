//! From the parser's events to the tree, with a finding for all that is refused.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, Span as ParserSpan};

use crate::finding::{Code, Finding, Place, SourceId, Span};
use crate::model::limit::{SOURCE_BYTES, YAML_DEPTH, YAML_NODES};

use super::{Node, NodeKind, Scalar, Style};

/// Reads all documents of a file. After a syntax error the documents before it are kept.
pub fn parse(source: SourceId, text: &str, findings: &mut Vec<Finding>) -> Vec<Node> {
    if text.len() > SOURCE_BYTES {
        let place = Place { source, span: Span::new(0, 0) };
        let message = format!("the file has {} bytes; more than {SOURCE_BYTES} are not read", text.len());
        findings.push(Finding::new(Code::TooLarge, place, message).help("split it into several files"));
        return Vec::new();
    }
    let mut builder = Builder { source, text, stack: Vec::new(), documents: Vec::new(), nodes: 0, findings };
    for next in Parser::new_from_str(text) {
        let goes_on = match next {
            Ok((event, span)) => builder.take(event, &span),
            Err(error) => {
                builder.syntax_error(&error);
                false
            }
        };
        if !goes_on {
            break;
        }
    }
    builder.documents
}

/// The comments of a file, each from its `#` to the end of its line; those before a syntax error, where there is one.
#[must_use]
pub fn comments(text: &str) -> Vec<Span> {
    let events = Parser::new_from_str(text).map_while(Result::ok);
    let comments = events.filter(|(event, _)| matches!(event, Event::Comment(..)));
    let at = |marker: &granit_parser::Marker| marker.byte_offset().unwrap_or(0).min(text.len());
    comments.map(|(_, span)| Span::new(at(&span.start), at(&span.end))).collect()
}

/// A collection that is being read.
struct Open {
    start: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map(OpenMap),
}

/// A map whose end has not come.
#[derive(Default)]
struct OpenMap {
    entries: Vec<(Scalar, Node)>,
    /// Where each key stands first.
    places: BTreeMap<String, Place>,
    /// The key whose value comes next.
    key: Option<Scalar>,
    /// What stood in the place of a key was refused, and its value is left out.
    dropped_key: bool,
}

struct Builder<'a> {
    source: SourceId,
    text: &'a str,
    stack: Vec<Open>,
    documents: Vec<Node>,
    nodes: usize,
    findings: &'a mut Vec<Finding>,
}

impl Builder<'_> {
    /// Takes one event; false where reading must stop.
    fn take(&mut self, event: Event<'_>, span: &ParserSpan) -> bool {
        let place = self.place(span);
        match event {
            Event::Scalar(text, style, _, _) => {
                let scalar = Scalar { text: text.into_owned(), style: style_of(style), place };
                self.refuse_tag(span);
                self.scalar(scalar)
            }
            Event::SequenceStart(..) => self.open(place, span, OpenKind::List(Vec::new())),
            Event::MappingStart(..) => self.open(place, span, OpenKind::Map(OpenMap::default())),
            Event::SequenceEnd | Event::MappingEnd => {
                self.close(place);
                true
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.findings.push(
                    Finding::new(Code::YamlSyntax, place, "aliases are not read here")
                        .help("write the value out where it is used"),
                );
                let nothing = Scalar { text: String::new(), style: Style::Plain, place };
                self.scalar(nothing)
            }
            _ => true,
        }
    }

    fn place(&self, span: &ParserSpan) -> Place {
        let at = |marker: &granit_parser::Marker| marker.byte_offset().unwrap_or(0).min(self.text.len());
        let (start, end) = (at(&span.start), at(&span.end));
        Place { source: self.source, span: Span::new(start, end.max(start)) }
    }

    fn syntax_error(&mut self, error: &granit_parser::ScanError) {
        let at = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
        let place = Place { source: self.source, span: Span::new(at, at) };
        let finding = super::super::broken_rule::cut_by_colon(self.text, place);
        self.findings.push(finding.unwrap_or_else(|| {
            Finding::new(Code::YamlSyntax, place, format!("this is not valid YAML: {}", error.info()))
        }));
    }

    fn refuse_tag(&mut self, span: &ParserSpan) {
        if let Some(tag) = span.tag_span() {
            let place = self.place(&tag);
            self.findings.push(
                Finding::new(Code::YamlSyntax, place, "YAML tags are not read here")
                    .help("leave the tag out; quotes make a text of a number"),
            );
        }
    }

    /// Counts a node; false where the file holds too many.
    fn count(&mut self, place: Place) -> bool {
        self.nodes += 1;
        if self.nodes > YAML_NODES || self.stack.len() >= YAML_DEPTH {
            let message = if self.nodes > YAML_NODES {
                format!("the file holds more than {YAML_NODES} values")
            } else {
                format!("values are nested more than {YAML_DEPTH} deep")
            };
            self.findings.push(Finding::new(Code::TooLarge, place, message));
            return false;
        }
        true
    }

    fn open(&mut self, place: Place, span: &ParserSpan, kind: OpenKind) -> bool {
        self.refuse_tag(span);
        if !self.count(place) {
            return false;
        }
        self.stack.push(Open { start: place.span.start, kind });
        true
    }

    fn close(&mut self, end: Place) {
        let Some(open) = self.stack.pop() else { return };
        // A block collection ends where the next thing begins; its own text ends before the white space.
        let end = end.span.end.max(open.start);
        let end = open.start + self.text[open.start..end].trim_end().len();
        let place = Place { source: self.source, span: Span::new(open.start, end) };
        let kind = match open.kind {
            OpenKind::List(items) => NodeKind::List(items),
            OpenKind::Map(map) => NodeKind::Map(map.entries),
        };
        self.attach(Node { place, kind });
    }

    fn scalar(&mut self, scalar: Scalar) -> bool {
        if !self.count(scalar.place) {
            return false;
        }
        if let Some(Open { kind: OpenKind::Map(map), .. }) = self.stack.last_mut()
            && map.key.is_none()
            && !map.dropped_key
        {
            if let Some(first) = map.places.get(&scalar.text) {
                let message = format!("`{}` stands here twice", scalar.text);
                self.findings.push(
                    Finding::new(Code::YamlSyntax, scalar.place, message)
                        .label(*first, "here it stands first")
                        .help("keep one of the two"),
                );
                map.dropped_key = true;
            } else {
                map.places.insert(scalar.text.clone(), scalar.place);
                map.key = Some(scalar);
            }
            return true;
        }
        let place = scalar.place;
        self.attach(Node { place, kind: NodeKind::Scalar(scalar) });
        true
    }

    fn attach(&mut self, node: Node) {
        match self.stack.last_mut().map(|open| &mut open.kind) {
            None => self.documents.push(node),
            Some(OpenKind::List(items)) => items.push(node),
            Some(OpenKind::Map(map)) => {
                if let Some(key) = map.key.take() {
                    map.entries.push((key, node));
                } else if map.dropped_key {
                    map.dropped_key = false;
                } else {
                    map.dropped_key = true;
                    self.findings.push(Finding::new(Code::YamlSyntax, node.place, "a key must be a text"));
                }
            }
        }
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Node>, Vec<Finding>) {
        let mut findings = Vec::new();
        let documents = parse(SourceId(0), text, &mut findings);
        (documents, findings)
    }

    fn json(text: &str) -> String {
        let (documents, findings) = read(text);
        assert_eq!(findings, [], "{text}");
        serde_json::to_string(&documents[0].to_value()).unwrap()
    }

    #[test]
    fn only_plain_scalars_are_numbers_and_no_is_a_text() {
        assert_eq!(
            json("a: no\nb: '1'\nc: 1\nd: 017\ne: 1_000\nf: true\ng:\nh: -1.5e3\ni: 12:30\n"),
            r#"{"a":"no","b":"1","c":1,"d":"017","e":"1_000","f":true,"g":null,"h":-1500,"i":"12:30"}"#
        );
    }

    #[test]
    fn several_documents_stand_in_one_file() {
        let (documents, findings) = read("a: 1\n---\n[b, {c: d}]\n");
        assert_eq!(findings, []);
        assert_eq!(documents.len(), 2);
        assert_eq!(serde_json::to_string(&documents[1].to_value()).unwrap(), r#"["b",{"c":"d"}]"#);
    }

    #[test]
    fn comments_are_told_from_texts_that_look_like_them() {
        let text = "# one\na: \"# no\" # two\nb: |  # three\n  # no\nc: x#no\n- : # four\n";
        let found: Vec<&str> = comments(text).iter().map(|span| &text[span.start..span.end]).collect();
        assert_eq!(found, ["# one", "# two", "# three"], "what stands behind a syntax error is not read");
    }

    #[test]
    fn a_key_that_stands_twice_is_found_and_the_first_is_kept() {
        let (documents, findings) = read("a: 1\na: {x: [1]}\nb: 2\n");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place.span, Span::new(5, 6));
        assert_eq!(serde_json::to_string(&documents[0].to_value()).unwrap(), r#"{"a":1,"b":2}"#);
    }

    #[test]
    fn aliases_tags_and_complex_keys_are_refused() {
        for text in ["a: &x [1]\nb: *x\n", "a: !!str 1\n", "? [a]\n: b\n", "a: *nowhere\n"] {
            let (_, findings) = read(text);
            assert!(findings.iter().any(|finding| finding.code == Code::YamlSyntax), "{text}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let (_, findings) = read(&"[".repeat(100_000));
        assert!(!findings.is_empty());
        let (_, findings) = read(&format!("[{}]", "1,".repeat(YAML_NODES + 1)));
        assert_eq!(findings[0].code, Code::TooLarge);
    }
}
