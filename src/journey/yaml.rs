//! YAML files as a tree that knows where everything stands. The only room that knows the YAML parser.
//!
//! Read as YAML 1.2's core schema: `no` and `on` stay texts, and only plain scalars can be numbers or booleans. What
//! people do not need in a file that is reviewed in git is refused with a word on why: aliases, tags, complex keys.

mod read;

use crate::finding::Place;
use crate::model::Value;
use crate::model::value::ValueMap;

pub use self::read::{comments, parse};

/// One value of a file and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub place: Place,
    pub kind: NodeKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file; no name stands twice.
    Map(Vec<(Scalar, Node)>),
}

/// A text of a file: a key, or a value that is no list and no map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    pub text: String,
    pub style: Style,
    /// With its quotes, or with the sign of its block.
    pub place: Place,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

impl Scalar {
    /// The scalar's meaning: plain ones may be numbers, booleans or nothing, all others are texts.
    #[must_use]
    pub fn value(&self) -> Value {
        if self.style != Style::Plain {
            return Value::Text(self.text.clone());
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            text => number(text).map_or_else(|| Value::Text(text.to_owned()), Value::Number),
        }
    }

    /// Whether it stands for nothing, as in `key:` with no value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.style == Style::Plain && self.value().is_null()
    }
}

/// A number as YAML 1.2's core schema and JSON agree on; `1_000`, `0x1F`, `.inf` and `+1` are texts to us.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let mut bytes = digits.bytes();
    if !bytes.next()?.is_ascii_digit()
        || !digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
        || (digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit())
    {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

impl Node {
    /// The scalar, if the node is one.
    #[must_use]
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            NodeKind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Whether it stands for nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(Scalar::is_null)
    }

    /// The keys and values, if the node is a map.
    #[must_use]
    pub fn entries(&self) -> &[(Scalar, Self)] {
        match &self.kind {
            NodeKind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// A key of a map with its value, also where nothing stands behind it.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<(&Scalar, &Self)> {
        self.entries().iter().find(|(key, _)| key.text == name).map(|(key, value)| (key, value))
    }

    /// The value of a key of a map. A key with nothing behind it counts as left out.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.entry(name).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// Where a map's first key stands: there a missing key is shown.
    #[must_use]
    pub fn first_key(&self) -> Place {
        self.entries().first().map_or(self.place, |(key, _)| key.place)
    }

    /// What kind of node this is, in words for people.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            NodeKind::Scalar(scalar) => scalar.value().kind_name(),
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a map",
        }
    }

    /// The node as a value, as JSON would have it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(scalar) => scalar.value(),
            NodeKind::List(items) => Value::List(items.iter().map(Self::to_value).collect()),
            NodeKind::Map(entries) => {
                Value::Map(entries.iter().map(|(key, node)| (key.text.clone(), node.to_value())).collect::<ValueMap>())
            }
        }
    }
}
