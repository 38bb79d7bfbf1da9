//! Holds a document against its form. Every mistake is told once, and a missing key is not told beside the misspelt one
//! that was meant for it.

use crate::finding::{Code, Finding, did_you_mean};
use crate::journey::reader::{is_text, whole_of};
use crate::journey::yaml::{Node, NodeKind, Scalar};
use crate::model::Value;

use super::{Form, Key, Kinds, Named, Need, Notation, Shape, Words, alternatives};

type Entries<'n> = &'n [(Scalar, Node)];

/// Tells everything in a document that is not as its form says.
pub fn check(document: &Node, form: &'static Form, findings: &mut Vec<Finding>) {
    Checker { findings }.form(document, form, "");
}

struct Checker<'f> {
    findings: &'f mut Vec<Finding>,
}

/// What a value is called, and what its author may read about it.
#[derive(Clone, Copy)]
struct Subject<'s> {
    name: &'s str,
    about: &'s str,
}

impl Checker<'_> {
    fn shape(&mut self, node: &Node, shape: &Shape, subject: Subject<'_>) {
        match (shape, &node.kind) {
            (Shape::Text, NodeKind::Scalar(scalar)) if is_text(scalar) => {}
            (Shape::Written(notation), NodeKind::Scalar(scalar)) if is_text(scalar) => {
                self.written(node, scalar, notation, subject);
            }
            (Shape::Word(words), NodeKind::Scalar(scalar)) if is_text(scalar) => self.word(scalar, words, subject),
            (Shape::Bool, NodeKind::Scalar(scalar)) if matches!(scalar.value(), Value::Bool(_)) => {}
            (Shape::Whole { from, to }, NodeKind::Scalar(scalar))
                if whole_of(scalar).is_some_and(|number| (*from..=*to).contains(&number)) => {}
            (Shape::Positive, NodeKind::Scalar(scalar)) if scalar.value().as_number().is_some_and(|it| it > 0.0) => {}
            (Shape::Nothing, _) if node.is_null() => {}
            (Shape::List(of), NodeKind::List(items)) => {
                let name = format!("each of {}", subject.name);
                for item in items {
                    self.shape(item, of, Subject { name: &name, about: subject.about });
                }
            }
            (Shape::Map(form), NodeKind::Map(_)) => self.form(node, form, subject.about),
            (Shape::Named(named), NodeKind::Map(entries)) => self.named(entries, named, subject),
            (Shape::Values, NodeKind::Map(_)) => {}
            (Shape::Kinds(kinds), NodeKind::Map(_)) => self.kinds(node, kinds),
            (Shape::Either(scalar, other), kind) => match kind {
                NodeKind::Scalar(text) if is_text(text) => match (scalar, other) {
                    (Shape::Word(words), Shape::Map(form)) => self.bare_word(text, words, form),
                    _ => self.shape(node, scalar, subject),
                },
                _ if takes(other, kind) => self.shape(node, other, subject),
                _ => self.wrong(node, shape, subject),
            },
            _ => self.wrong(node, shape, subject),
        }
    }

    fn wrong(&mut self, node: &Node, shape: &Shape, subject: Subject<'_>) {
        let this = match (shape, node.as_scalar()) {
            // A number that is too large or too small is shown as it is.
            (Shape::Whole { .. } | Shape::Positive, Some(scalar)) if is_number(scalar) => format!("`{}`", scalar.text),
            _ => node.kind_name().to_owned(),
        };
        let message = match shape {
            Shape::Nothing => format!("{} has nothing behind it; this is {this}", subject.name),
            _ => format!("{} is {}; this is {this}", subject.name, shape.says()),
        };
        self.findings.push(explained(Finding::new(Code::WrongShape, node.place, message), subject.about));
    }

    fn written(&mut self, node: &Node, scalar: &Scalar, notation: &Notation, subject: Subject<'_>) {
        if !(notation.fits)(&scalar.text) {
            let message = format!("`{}` is not {}", scalar.text, notation.what);
            self.findings.push(Finding::new(notation.code, scalar.place, message).help(notation.help));
        } else if !matches!(scalar.value(), Value::Text(_)) {
            let message = format!("{} is a text; this is {}", subject.name, node.kind_name());
            let finding = Finding::new(Code::WrongShape, scalar.place, message);
            self.findings.push(finding.help("put quotes around it").fix(scalar.place, format!("\"{}\"", scalar.text)));
        }
    }

    fn word(&mut self, scalar: &Scalar, words: &Words, subject: Subject<'_>) {
        let text = scalar.text.as_str();
        if words.now.contains(&text) {
            return;
        }
        if words.later.contains(&text) {
            let message = format!("{} is not carried out as `{text}` yet", subject.name);
            self.findings.push(explained(Finding::new(Code::NotYet, scalar.place, message), subject.about));
            return;
        }
        let message = format!("{} is {}; this is `{text}`", subject.name, alternatives(words.now));
        let finding = Finding::new(Code::WrongShape, scalar.place, message);
        // `warn` is the beginning of a word, if too short to be near it.
        let lower = text.to_lowercase();
        let begun = words.now.iter().copied().find(|word| text.len() > 2 && word.starts_with(&lower));
        self.findings.push(match begun.or_else(|| did_you_mean(text, words.now.iter().copied())) {
            Some(near) => finding.help(format!("did you mean `{near}`?")).fix(scalar.place, near),
            None => explained(finding, subject.about),
        });
    }

    fn form(&mut self, node: &Node, form: &'static Form, about: &str) {
        let NodeKind::Map(entries) = &node.kind else {
            return self.wrong(node, &Shape::Map(form), Subject { name: form.what, about });
        };
        let misspelt = self.unknown_keys(entries, form);
        self.choice(node, entries, form, misspelt.is_empty());
        let chosen = form.ways().iter().filter(|way| find(entries, way.key.name).is_some());
        let keys: Vec<&Key> = chosen.flat_map(|way| way.with).chain(form.keys).collect();
        // Beside what is not carried out yet, nobody knows what else is needed.
        let is_later = has_later(entries, form);
        for key in keys.iter().filter(|key| key.need == Need::Required && !is_later) {
            let is_there = find(entries, key.name).is_some_and(|(_, value)| !value.is_null());
            if !is_there && !misspelt.contains(&key.name) {
                let message = format!("{} needs `{}`", form.what, key.name);
                self.findings.push(explained(Finding::new(Code::MissingKey, node.first_key(), message), key.about));
            }
        }
        for (name, value) in entries {
            if let Some(key) = form.all_keys().find(|key| key.name == name.text) {
                // A key of a choice counts by standing there; any other with nothing behind it is as good as left out.
                let counts = form.ways().iter().any(|way| way.key.name == key.name && way.key.need == Need::Required);
                self.key(name, value, key, counts);
            }
        }
    }

    fn key(&mut self, name: &Scalar, value: &Node, key: &'static Key, counts_alone: bool) {
        if key.need == Need::Later {
            let message = format!("`{}` is not carried out yet", key.name);
            let help = "leave it out; a file must not promise what does not happen";
            self.findings.push(Finding::new(Code::NotYet, name.place, message).help(help));
        } else if counts_alone || !value.is_null() {
            self.shape(value, &key.shape, Subject { name: &format!("`{}`", key.name), about: key.about });
        }
    }

    /// Tells the keys that mean nothing here; gives those that they seem to be meant for.
    fn unknown_keys(&mut self, entries: Entries<'_>, form: &'static Form) -> Vec<&'static str> {
        let known = || form.all_keys().filter(|key| key.need != Need::Later).map(|key| key.name);
        let mut meant = Vec::new();
        for (name, _) in entries {
            if form.all_keys().any(|key| key.name == name.text) {
                continue;
            }
            let message = format!("`{}` means nothing in {}", name.text, form.what);
            let finding = Finding::new(Code::UnknownKey, name.place, message);
            let near = did_you_mean(&name.text, known());
            meant.push(near.unwrap_or_default());
            self.findings.push(match near {
                Some(near) => finding.help(format!("did you mean `{near}`?")).fix(name.place, near),
                None => {
                    let list: Vec<&str> = known().collect();
                    finding.help(format!("{} knows: {}", form.what, list.join(", ")))
                }
            });
        }
        meant
    }

    /// Exactly one way is taken, and no key stands beside it that goes with another.
    fn choice(&mut self, node: &Node, entries: Entries<'_>, form: &'static Form, all_known: bool) {
        let Some(choice) = &form.choice else { return };
        let mut taken = choice.ways.iter().filter_map(|way| find(entries, way.key.name));
        let Some((first, _)) = taken.next() else {
            if all_known && !has_later(entries, form) {
                self.findings.push(Finding::new(Code::MissingKey, node.first_key(), choice.missing));
            }
            return;
        };
        for (second, _) in taken {
            let message = format!("{} is either `{}` or `{}`, not both", form.what, first.text, second.text);
            let finding = Finding::new(Code::WrongShape, second.place, message);
            self.findings.push(finding.label(first.place, "the other stands here"));
        }
        for way in choice.ways.iter().filter(|way| find(entries, way.key.name).is_none()) {
            for (name, key) in way.with.iter().filter_map(|key| Some((&find(entries, key.name)?.0, key))) {
                let message = format!("in {}, `{}` goes with `{}`", form.what, key.name, way.key.name);
                self.findings.push(explained(Finding::new(Code::UnknownKey, name.place, message), key.about));
            }
        }
    }

    fn named(&mut self, entries: Entries<'_>, named: &'static Named, subject: Subject<'_>) {
        for (name, value) in entries {
            if let Some(key) = named.keys.iter().find(|key| key.name == name.text) {
                self.key(name, value, key, true);
            } else if let Some(names) = named.names.map(|names| names()).filter(|names| !names.contains(&&*name.text)) {
                let message = format!("`{}` means nothing in {}", name.text, subject.name);
                let finding = Finding::new(Code::UnknownKey, name.place, message);
                self.findings.push(match did_you_mean(&name.text, names) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")).fix(name.place, near),
                    None => explained(finding, subject.about),
                });
            } else {
                let name = format!("`{}`", name.text);
                self.shape(value, &named.of, Subject { name: &name, about: subject.about });
            }
        }
    }

    fn kinds(&mut self, node: &Node, kinds: &'static Kinds) {
        let words: Vec<&str> = kinds.forms.iter().map(|(word, _)| *word).collect();
        let Some(kind) = node.get(kinds.key) else {
            let message = format!("{} needs `{}`: {}", kinds.what, kinds.key, alternatives(&words));
            self.findings.push(explained(Finding::new(Code::MissingKey, node.first_key(), message), kinds.about));
            return;
        };
        let word = kind.as_scalar().map(|scalar| scalar.text.as_str());
        if let Some((_, form)) = kinds.forms.iter().find(|(name, _)| Some(*name) == word) {
            self.form(node, form, kinds.about);
            return;
        }
        let this = word.map_or_else(|| kind.kind_name().to_owned(), |word| format!("`{word}`"));
        let message = format!("`{}` is {}; this is {this}", kinds.key, alternatives(&words));
        let finding = Finding::new(Code::WrongShape, kind.place, message);
        self.findings.push(match word.and_then(|word| did_you_mean(word, words)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")).fix(kind.place, near),
            None => explained(finding, kinds.about),
        });
    }

    /// A word where a map stands otherwise: `- exit`, or `- wait` instead of `- wait: 1 day`.
    fn bare_word(&mut self, scalar: &Scalar, words: &Words, form: &'static Form) {
        let text = scalar.text.as_str();
        if words.now.contains(&text) {
            return;
        }
        if let Some(key) = form.all_keys().find(|key| key.name == text) {
            let message = format!("`{}` says nothing further", key.name);
            let help = format!("write `{}: …`", key.name);
            self.findings.push(Finding::new(Code::WrongShape, scalar.place, message).help(help));
            return;
        }
        let known: Vec<&str> = words.now.iter().copied().chain(form.ways().iter().map(|way| way.key.name)).collect();
        let finding = Finding::new(Code::UnknownKey, scalar.place, format!("`{text}` is not {}", form.what));
        self.findings.push(match did_you_mean(text, known.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")).fix(scalar.place, near),
            None => finding.help(format!("there are: {}", known.join(", "))),
        });
    }
}

/// What editors show of a key, as the help of a finding.
fn explained(finding: Finding, about: &str) -> Finding {
    let mut letters = about.trim_end_matches('.').chars();
    match letters.next() {
        Some(first) => finding.help(format!("{}{}", first.to_lowercase(), letters.as_str())),
        None => finding,
    }
}

fn is_number(scalar: &Scalar) -> bool {
    matches!(scalar.value(), Value::Number(_))
}

fn find<'n>(entries: Entries<'n>, name: &str) -> Option<&'n (Scalar, Node)> {
    entries.iter().find(|(key, _)| key.text == name)
}

fn has_later(entries: Entries<'_>, form: &Form) -> bool {
    form.keys.iter().any(|key| key.need == Need::Later && find(entries, key.name).is_some())
}

/// Whether a shape is for values of this kind.
fn takes(shape: &Shape, kind: &NodeKind) -> bool {
    match shape {
        Shape::List(_) => matches!(kind, NodeKind::List(_)),
        Shape::Map(_) | Shape::Named(_) | Shape::Values | Shape::Kinds(_) => matches!(kind, NodeKind::Map(_)),
        Shape::Either(scalar, other) => takes(scalar, kind) || takes(other, kind),
        _ => matches!(kind, NodeKind::Scalar(_)),
    }
}
