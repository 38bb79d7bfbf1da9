//! Reads `lint:` of `tidewater.yaml`: how bad each code is in this workspace.

use std::collections::BTreeMap;

use crate::finding::{Code, Finding, Severity};
use crate::journey::form::{Form, Key, Named, Shape, Words};
use crate::journey::reader;
use crate::journey::yaml::{Node, Scalar};

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

pub(super) static LINT: Form = Form::of(
    "`lint`",
    &[Key::optional("severities", Shape::Named(&SEVERITIES), "How bad each finding is, by its code, such as `TW209`.")],
);

static SEVERITIES: Named = Named {
    keys: &[],
    names: Some(|| Code::ALL.iter().map(|code| code.number()).collect()),
    of: Shape::Word(&Words::of(&["off", "note", "warning", "error"])),
};

/// `lint: { severities: { TW209: off } }`.
pub(super) fn read(node: &Node, findings: &mut Vec<Finding>) -> Severities {
    let codes = node.get("severities").map(Node::entries).unwrap_or_default();
    Severities(codes.iter().filter_map(|(number, node)| of_code(number, node, findings)).collect())
}

fn of_code(number: &Scalar, node: &Node, findings: &mut Vec<Finding>) -> Option<(Code, Level)> {
    let code = Code::find(&number.text)?;
    let word = reader::text(node)?;
    let (_, level) = LEVELS.into_iter().find(|(name, _)| *name == word.text)?;
    if code.severity() == Severity::Error && level != Level::Shown(Severity::Error) {
        let message = format!("{code} stays an error: {}", code.summary());
        let help = "a workspace with this mistake does not run, so it cannot be turned down; mend it where it is found";
        findings.push(bad(number, message).help(help));
        return None;
    }
    Some((code, level))
}
