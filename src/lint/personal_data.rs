//! TW407: personal data that goes where its trait's declaration does not allow it.

use crate::finding::{Code, Finding};
use crate::journey::graph::StepKind;
use crate::lang::rules::TraitDeclaration;

use super::parts::Checked;
use super::templates::{texts, variables};

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    let closed: Vec<&TraitDeclaration> =
        checked.rules().traits.iter().filter(|declared| !declared.may_go_to("webhook")).collect();
    for step in checked.program.journeys.iter().flat_map(|journey| &journey.steps) {
        let StepKind::Webhook { webhook, .. } = &step.kind else { continue };
        for text in texts(&webhook.body) {
            let used = variables(text);
            for declared in closed.iter().filter(|declared| used.iter().any(|one| one.reads(&declared.name))) {
                let (name, to) = (&declared.name, &webhook.destination);
                let place = checked.region(step.place).find(text).unwrap_or(step.place);
                let message = format!("`{name}` is personal data, and webhook `{to}` would get it as it is");
                let finding = Finding::new(Code::PersonalData, place, message)
                    .help("send `{{ user_id }}` or `{{ profile_id }}` and let the far side look the person up");
                findings.push(finding.label(declared.place, "declared `pii` here"));
            }
        }
    }
}
