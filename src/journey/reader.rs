//! Taking values out of a document whose form is checked (`form::check`): what is there and as it should be, or nothing.
//! What is wrong was told by the check, so nothing is said here.

use crate::finding::{Code, Finding, Place, did_you_mean};
use crate::model::{Span, Value};

use super::form::{Form, notation};
use super::yaml::{Node, NodeKind, Scalar};

/// Whether a scalar is a text: not nothing, and not only blanks.
#[must_use]
pub fn is_text(scalar: &Scalar) -> bool {
    !scalar.is_null() && !scalar.text.trim().is_empty()
}

/// A text: any scalar that is not empty.
#[must_use]
pub fn text(node: &Node) -> Option<&Scalar> {
    node.as_scalar().filter(|scalar| is_text(scalar))
}

/// A name as it stands in paths and commands.
#[must_use]
pub fn name(node: &Node) -> Option<&Scalar> {
    text(node).filter(|scalar| (notation::NAME.fits)(&scalar.text))
}

/// `true` or `false`.
#[must_use]
pub fn boolean(node: &Node) -> Option<bool> {
    match node.as_scalar().map(Scalar::value) {
        Some(Value::Bool(value)) => Some(value),
        _ => None,
    }
}

/// A whole number.
#[must_use]
pub fn whole(node: &Node) -> Option<u32> {
    node.as_scalar().and_then(whole_of)
}

/// The whole number that a scalar stands for.
#[must_use]
pub fn whole_of(scalar: &Scalar) -> Option<u32> {
    let number = scalar.value().as_number().filter(|number| number.fract() == 0.0)?;
    format!("{number}").parse().ok()
}

/// A length of time such as `2 days`, longer than none.
#[must_use]
pub fn span(node: &Node) -> Option<Span> {
    text(node).and_then(|scalar| notation::span(&scalar.text))
}

/// The items of a list; a single value stands for a list of one.
#[must_use]
pub fn items(node: &Node) -> &[Node] {
    match &node.kind {
        NodeKind::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// The key of a form's choice that is taken, with its value.
#[must_use]
pub fn chosen<'n>(node: &'n Node, form: &Form) -> Option<(&'n Scalar, &'n Node)> {
    form.ways().iter().find_map(|way| node.entry(way.key.name))
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
