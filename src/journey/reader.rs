//! Reading the forms of YAML files: every key is asked for, and what nobody asked for is a finding. After a mistake
//! reading goes on, so that one run of lint shows all mistakes of a file.

use crate::finding::{Code, Finding, Place, did_you_mean};
use crate::model::{Span, Value};

use super::yaml::{Node, NodeKind, Scalar};
use crate::lang::duration::parse_span;

/// The keys of one map while it is read.
#[derive(Debug)]
pub struct Fields<'n> {
    /// What the map is, for messages: `a journey`, `the entry rule`.
    what: &'static str,
    place: Place,
    entries: Vec<(&'n Scalar, &'n Node, bool)>,
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The keys of a node that must be a map.
    pub fn of(node: &'n Node, what: &'static str, findings: &mut Vec<Finding>) -> Option<Self> {
        let NodeKind::Map(entries) = &node.kind else {
            findings.push(wrong_shape(node, &format!("{what} is a map of keys")));
            return None;
        };
        let entries = entries.iter().map(|(key, value)| (key, value, false)).collect();
        Some(Self { what, place: node.place, entries, known: Vec::new() })
    }

    /// Where the map stands; a missing key is shown at its first key.
    #[must_use]
    pub fn place(&self) -> Place {
        self.entries.first().map_or(self.place, |(key, _, _)| key.place)
    }

    /// The value of a key that may be left out. A key with nothing behind it counts as left out.
    pub fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.take_with_key(name).map(|(_, node)| node).filter(|node| !node.is_null())
    }

    /// The same with the key itself, and also where nothing stands behind it.
    pub fn take_with_key(&mut self, name: &'static str) -> Option<(&'n Scalar, &'n Node)> {
        self.known.push(name);
        let (key, node, used) = self.entries.iter_mut().find(|(key, _, _)| key.text == name)?;
        *used = true;
        Some((key, node))
    }

    /// The value of a key that must be there.
    pub fn require(&mut self, name: &'static str, findings: &mut Vec<Finding>) -> Option<&'n Node> {
        let found = self.take(name);
        if found.is_none() {
            findings.push(Finding::new(Code::MissingKey, self.place(), format!("{} needs `{name}`", self.what)));
        }
        found
    }

    /// The first of these keys that is there, with its place; more than one is a finding.
    pub fn one_of(
        &mut self,
        names: &[&'static str],
        findings: &mut Vec<Finding>,
    ) -> Option<(&'static str, &'n Scalar, &'n Node)> {
        let mut first: Option<(&'static str, &'n Scalar, &'n Node)> = None;
        for name in names {
            let Some((key, node)) = self.take_with_key(name) else { continue };
            match first {
                None => first = Some((name, key, node)),
                Some((chosen, chosen_key, _)) => findings.push(
                    Finding::new(
                        Code::WrongShape,
                        key.place,
                        format!("{} is either `{chosen}` or `{name}`, not both", self.what),
                    )
                    .label(chosen_key.place, "the other stands here"),
                ),
            }
        }
        first
    }

    /// Keys of the design that this version does not carry out: an error, so that no author counts on them.
    pub fn not_yet(&mut self, names: &[&'static str], findings: &mut Vec<Finding>) {
        for name in names {
            if let Some((key, _)) = self.take_with_key(name) {
                findings.push(
                    Finding::new(Code::NotYet, key.place, format!("`{name}` is not carried out yet"))
                        .help("leave it out; a journey must not promise what does not happen"),
                );
            }
        }
    }

    /// Reports a missing key, unless one that nobody asked for seems to be meant for it.
    pub fn finish_without(self, message: &str, findings: &mut Vec<Finding>) {
        let (before, place) = (findings.len(), self.place());
        self.finish(findings);
        if findings.len() == before {
            findings.push(Finding::new(Code::MissingKey, place, message));
        }
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(self, findings: &mut Vec<Finding>) {
        for (key, _, used) in &self.entries {
            if *used {
                continue;
            }
            let message = format!("`{}` means nothing in {}", key.text, self.what);
            let finding = Finding::new(Code::UnknownKey, key.place, message);
            findings.push(match did_you_mean(&key.text, self.known.iter().copied()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")).fix(key.place, near),
                None => finding.help(format!("{} knows: {}", self.what, self.known.join(", "))),
            });
        }
    }
}

/// A finding that a node has another form than `expected` says.
#[must_use]
pub fn wrong_shape(node: &Node, expected: &str) -> Finding {
    Finding::new(Code::WrongShape, node.place, format!("{expected}; this is {}", node.kind_name()))
}

/// A finding that a name is unknown, with the nearest known one.
pub fn unknown<'a>(
    code: Code,
    place: Place,
    message: String,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> Finding {
    let finding = Finding::new(code, place, message);
    match did_you_mean(name, known) {
        Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, near),
        None => finding,
    }
}

/// A text: any scalar that is not empty.
pub fn text<'n>(node: &'n Node, what: &str, findings: &mut Vec<Finding>) -> Option<&'n Scalar> {
    match node.as_scalar() {
        Some(scalar) if !scalar.is_null() && !scalar.text.trim().is_empty() => Some(scalar),
        _ => {
            findings.push(wrong_shape(node, &format!("{what} is a text")));
            None
        }
    }
}

/// `true` or `false`.
pub fn boolean(node: &Node, what: &str, findings: &mut Vec<Finding>) -> Option<bool> {
    match node.as_scalar().map(Scalar::value) {
        Some(Value::Bool(value)) => Some(value),
        _ => {
            findings.push(wrong_shape(node, &format!("{what} is `true` or `false`")));
            None
        }
    }
}

/// A whole number within bounds.
pub fn whole(
    node: &Node,
    what: &str,
    bounds: std::ops::RangeInclusive<u32>,
    findings: &mut Vec<Finding>,
) -> Option<u32> {
    let number = node.as_scalar().filter(|scalar| !scalar.is_null()).and_then(|scalar| scalar.text.parse::<u32>().ok());
    let number = number.filter(|number| bounds.contains(number));
    if number.is_none() {
        let expected = format!("{what} is a whole number from {} to {}", bounds.start(), bounds.end());
        findings.push(wrong_shape(node, &expected));
    }
    number
}

/// A length of time such as `2 days`, longer than none.
pub fn span(node: &Node, what: &str, findings: &mut Vec<Finding>) -> Option<Span> {
    let scalar = text(node, what, findings)?;
    let span = parse_span(&scalar.text).filter(|span| *span > Span(0));
    if span.is_none() {
        findings.push(
            Finding::new(Code::BadDuration, scalar.place, format!("`{}` is not a length of time", scalar.text))
                .help("write a number and a unit, such as `30 minutes`, `1 hour`, `2 days`"),
        );
    }
    span
}

/// The items of a list; a single value stands for a list of one.
#[must_use]
pub fn items(node: &Node) -> &[Node] {
    match &node.kind {
        NodeKind::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}
