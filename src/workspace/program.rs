//! The checked and compiled form of all rules and journeys of a workspace: what decides.

use std::collections::{BTreeMap, BTreeSet};

use crate::journey::Journey;
use crate::journey::graph::StepKind;
use crate::lang::Rules;

/// Everything that decisions depend on. Equal sources give equal programs, with the same version.
#[derive(Debug, Clone)]
pub struct Program {
    /// A hash of all sources, 32 hexadecimal digits.
    pub version: String,
    pub rules: Rules,
    pub journeys: Vec<Journey>,
    /// By name: the file's stem in `templates/`.
    pub templates: BTreeMap<String, Template>,
    /// Calendar days of customers whose own zone is not known.
    pub time_zone: chrono_tz::Tz,
    /// Path (relative to the workspace) and text of every file that it was made from: enough to compile it again.
    pub sources: Vec<(String, String)>,
}

/// An e-mail's body: `templates/NAME.html`, and `templates/NAME.txt` where the author wrote one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    pub html: Option<String>,
    pub text: Option<String>,
}

impl Program {
    /// The journey of this name.
    #[must_use]
    pub fn journey(&self, name: &str) -> Option<&Journey> {
        self.journeys.iter().find(|journey| journey.name == name)
    }

    /// Names of the channels that it decides effects for.
    #[must_use]
    pub fn destinations(&self) -> BTreeSet<&str> {
        let steps = self.journeys.iter().flat_map(|journey| &journey.steps);
        let of_steps = steps.filter_map(|step| match &step.kind {
            StepKind::Email { .. } => Some("email"),
            StepKind::Webhook { webhook, .. } => Some(webhook.destination.as_str()),
            _ => None,
        });
        of_steps.chain(self.rules.audience_syncs.iter().map(|audience| audience.destination.as_str())).collect()
    }
}

impl Template {
    /// The text of the HTML's `<title>`: a subject where a step has none. It is a template itself.
    #[must_use]
    pub fn title(&self) -> Option<String> {
        let html = self.html.as_deref()?;
        let start = html.find("<title>")? + "<title>".len();
        let length = html[start..].find("</title>")?;
        let title = html[start..start + length].trim();
        (!title.is_empty()).then(|| title.to_owned())
    }
}
