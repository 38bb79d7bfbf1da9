//! Reads `lint:` of `tidewater.yaml`: how bad each code is in this workspace.

use std::collections::BTreeMap;

use crate::finding::{Code, Finding, Severity, did_you_mean};
use crate::journey::reader::{self, wrong_shape};
use crate::journey::yaml::{Node, NodeKind, Scalar};

use super::settings::bad;

/// What the workspace says of each code, as [`read`] found it. A code that is not here keeps its own severity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Severities(BTreeMap<Code, Level>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Off,
    Shown(Severity),
}

const LEVELS: [(&str, Level); 4] = [
    ("off", Level::Off),
    ("note", Level::Shown(Severity::Note)),
    ("warning", Level::Shown(Severity::Warning)),
    ("error", Level::Shown(Severity::Error)),
];

impl Severities {
    /// How bad a finding of this code is here; `None` where it is switched off.
    #[must_use]
    pub fn of(&self, code: Code) -> Option<Severity> {
        match self.0.get(&code) {
            None => Some(code.severity()),
            Some(Level::Shown(severity)) => Some(*severity),
            Some(Level::Off) => None,
        }
    }
}

/// `lint: { severities: { TW209: off } }`.
pub(super) fn read(node: &Node, findings: &mut Vec<Finding>) -> Severities {
    let mut severities = Severities::default();
    let NodeKind::Map(entries) = &node.kind else {
        findings.push(wrong_shape(node, "`lint` is a map that knows `severities`"));
        return severities;
    };
    for (key, node) in entries {
        if key.text == "severities" {
            severities = of_codes(node, findings);
        } else {
            findings.push(unknown_key(key));
        }
    }
    severities
}

fn unknown_key(key: &Scalar) -> Finding {
    let message = format!("`{}` means nothing in `lint`", key.text);
    if Code::find(&key.text).is_some() {
        let help = format!("codes stand below `severities`: `lint: {{ severities: {{ {}: … }} }}`", key.text);
        return Finding::new(Code::UnknownKey, key.place, message).help(help);
    }
    let finding = reader::unknown(Code::UnknownKey, key.place, message, &key.text, ["severities"].into_iter());
    if finding.help.is_some() { finding } else { finding.help("`lint` knows: severities") }
}

fn of_codes(node: &Node, findings: &mut Vec<Finding>) -> Severities {
    let mut severities = BTreeMap::new();
    let NodeKind::Map(entries) = &node.kind else {
        findings
            .push(wrong_shape(node, "`severities` is a map of codes, each with `off`, `note`, `warning` or `error`"));
        return Severities(severities);
    };
    severities.extend(entries.iter().filter_map(|(number, node)| of_code(number, node, findings)));
    Severities(severities)
}

fn of_code(number: &Scalar, node: &Node, findings: &mut Vec<Finding>) -> Option<(Code, Level)> {
    let Some(code) = Code::find(&number.text) else {
        findings.push(unknown_code(number));
        return None;
    };
    let word = reader::text(node, "a severity", findings)?;
    let Some((_, level)) = LEVELS.into_iter().find(|(name, _)| *name == word.text) else {
        findings.push(unknown_level(word));
        return None;
    };
    if code.severity() == Severity::Error && level != Level::Shown(Severity::Error) {
        let message = format!("{code} stays an error: {}", code.summary());
        let help = "a workspace with this mistake does not run, so it cannot be turned down; mend it where it is found";
        findings.push(bad(number, message).help(help));
        return None;
    }
    Some((code, level))
}

fn unknown_code(number: &Scalar) -> Finding {
    let known = Code::ALL.iter().map(|code| code.number());
    let message = format!("no finding has the code `{}`", number.text);
    let finding = reader::unknown(Code::UnknownKey, number.place, message, &number.text, known);
    if finding.help.is_some() { finding } else { finding.help("`tidewater lint` shows each code, such as `TW209`") }
}

fn unknown_level(word: &Scalar) -> Finding {
    let finding = bad(word, format!("`{}` is no severity", word.text));
    let names = LEVELS.map(|(name, _)| name);
    // `warn` is the beginning of a level, if too short to be near it.
    let begun = names.into_iter().find(|name| word.text.len() > 2 && name.starts_with(&word.text.to_lowercase()));
    match begun.or_else(|| did_you_mean(&word.text, names)) {
        Some(near) => finding.help(format!("did you mean `{near}`?")).fix(word.place, near),
        None => finding.help("a severity is `off`, `note`, `warning` or `error`"),
    }
}
