//! TW406: marketing mail from whose body nobody can unsubscribe.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding};
use crate::journey::graph::StepKind;
use crate::lang::rules::MessageClass;

use super::parts::Checked;
use super::templates::variables;

const LINK: &str = "unsubscribe_url";

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    for step in checked.program.journeys.iter().flat_map(|journey| &journey.steps) {
        let StepKind::Email { email, .. } = &step.kind else { continue };
        let is_marketing = checked.rules().topics[email.topic].class == MessageClass::Marketing;
        // A template is told of once, however many steps send it.
        if !is_marketing || !seen.insert(&email.template) {
            continue;
        }
        let Some(template) = checked.program.templates.get(&email.template) else { continue };
        for (body, ending) in [(&template.html, "html"), (&template.text, "txt")] {
            if body.as_deref().is_some_and(|body| !has_link(body, ending)) {
                let path = format!("templates/{}.{ending}", email.template);
                let message = format!("marketing mail from `{path}` has no unsubscribe link in its body");
                let finding = Finding::new(Code::NoUnsubscribeLink, step.place, message);
                findings.push(finding.help("put `{{ unsubscribe_url }}` into the template"));
            }
        }
    }
}

/// Whether the body is filled with the link where people see it, and not only in a comment.
fn has_link(body: &str, ending: &str) -> bool {
    let mut seen = body.to_owned();
    while ending == "html"
        && let Some(start) = seen.find("<!--")
    {
        let end = seen[start..].find("-->").map_or(seen.len(), |length| start + length + "-->".len());
        seen.replace_range(start..end, "");
    }
    variables(&seen).iter().any(|variable| variable.reads(LINK))
}
