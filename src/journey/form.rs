//! What a YAML document may hold, declared once as data beside what reads it. [`check`] holds a document against its
//! form and says everything that does not fit; [`schema`] tells the same form to editors. What reads a document comes
//! after the check, takes what is there, and says nothing of shapes any more.

mod check;
pub mod notation;
pub mod schema;

pub use check::check;
pub use notation::Notation;

/// A map whose keys are known.
#[derive(Debug)]
pub struct Form {
    /// What the map is, in messages: `a journey`, `the entry rule`.
    pub what: &'static str,
    pub keys: &'static [Key],
    /// Keys of which exactly one is there.
    pub choice: Option<Choice>,
}

/// A key of a form, with what stands behind it.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub need: Need,
    pub shape: Shape,
    /// One sentence for its author: shown by editors, and as help where the value does not fit.
    pub about: &'static str,
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Required,
    /// A key with nothing behind it counts as left out.
    Optional,
    /// Belongs to the design, and this version does not carry it out: an error, so that no author counts on it.
    Later,
}

/// Keys of which exactly one is there, such as the kinds of steps.
#[derive(Debug)]
pub struct Choice {
    /// What to say where none of them is there.
    pub missing: &'static str,
    pub ways: &'static [Way],
}

/// One key of a choice, and the keys that go with it alone.
#[derive(Debug)]
pub struct Way {
    pub key: Key,
    pub with: &'static [Key],
}

/// What may stand behind a key or in a list.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Any value but a list, a map or nothing; numbers are taken as they are written.
    Text,
    /// A text written in a certain way.
    Written(&'static Notation),
    Word(&'static Words),
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds.
    Whole {
        from: u32,
        to: u32,
    },
    /// A number above 0.
    Positive,
    /// Nothing stands behind the key.
    Nothing,
    List(&'static Shape),
    Map(&'static Form),
    Named(&'static Named),
    /// A map of any names and values.
    Values,
    Kinds(&'static Kinds),
    /// A value that is neither list nor map and has the first shape, or else the second.
    Either(&'static Shape, &'static Shape),
}

/// One of a few words.
#[derive(Debug)]
pub struct Words {
    pub now: &'static [&'static str],
    /// Words that this version does not carry out.
    pub later: &'static [&'static str],
}

/// A map whose names the author gives.
#[derive(Debug)]
pub struct Named {
    /// Names that mean something of their own.
    pub keys: &'static [Key],
    /// The only names there are besides, if they are limited.
    pub names: Option<fn() -> Vec<&'static str>>,
    pub of: Shape,
}

/// A map whose form is chosen by a word in it.
#[derive(Debug)]
pub struct Kinds {
    pub what: &'static str,
    /// The key of that word.
    pub key: &'static str,
    pub forms: &'static [(&'static str, &'static Form)],
    pub about: &'static str,
}

impl Form {
    /// A form in which all keys stand for themselves.
    #[must_use]
    pub const fn of(what: &'static str, keys: &'static [Key]) -> Self {
        Self { what, keys, choice: None }
    }

    /// A form with these keys and exactly one of the ways.
    #[must_use]
    pub const fn choosing(
        what: &'static str,
        keys: &'static [Key],
        missing: &'static str,
        ways: &'static [Way],
    ) -> Self {
        Self { what, keys, choice: Some(Choice { missing, ways }) }
    }

    /// The ways of its choice.
    #[must_use]
    pub fn ways(&self) -> &'static [Way] {
        self.choice.as_ref().map_or(&[], |choice| choice.ways)
    }

    /// All keys, those of its choice included.
    pub fn all_keys(&self) -> impl Iterator<Item = &'static Key> {
        let of_ways = self.ways().iter().flat_map(|way| std::iter::once(&way.key).chain(way.with));
        of_ways.chain(self.keys)
    }
}

impl Key {
    /// A key that must be there.
    #[must_use]
    pub const fn required(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self { name, need: Need::Required, shape, about }
    }

    /// A key that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self { name, need: Need::Optional, shape, about }
    }

    /// A key that this version does not carry out.
    #[must_use]
    pub const fn later(name: &'static str) -> Self {
        Self { name, need: Need::Later, shape: Shape::Values, about: "" }
    }
}

impl Way {
    /// A way of one key.
    #[must_use]
    pub const fn of(key: Key) -> Self {
        Self { key, with: &[] }
    }

    /// A way with further keys.
    #[must_use]
    pub const fn with(key: Key, with: &'static [Key]) -> Self {
        Self { key, with }
    }
}

impl Words {
    /// Words that are all carried out.
    #[must_use]
    pub const fn of(now: &'static [&'static str]) -> Self {
        Self { now, later: &[] }
    }
}

impl Named {
    /// Any names, each with a value of this shape.
    #[must_use]
    pub const fn each(of: Shape) -> Self {
        Self { keys: &[], names: None, of }
    }
}

impl Shape {
    /// What it is, in words for people.
    #[must_use]
    pub fn says(&self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Written(notation) => notation.what.to_owned(),
            Self::Word(words) => alternatives(words.now),
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Whole { from, to } => format!("a whole number from {from} to {to}"),
            Self::Positive => "a number above 0".to_owned(),
            Self::Nothing => "followed by nothing".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) | Self::Kinds(_) => "a map of keys".to_owned(),
            Self::Named(_) | Self::Values => "a map".to_owned(),
            Self::Either(scalar, other) => format!("{} or {}", scalar.says(), other.says()),
        }
    }
}

/// Words as a sentence counts them up: "`a`, `b` or `c`".
#[must_use]
pub fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => quoted.concat(),
    }
}
