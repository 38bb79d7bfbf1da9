//! TW407: personal data that goes where its trait's declaration does not allow it.

use crate::finding::{Code, Finding};
use crate::journey::decode::ChannelKind;
use crate::journey::graph::StepKind;
use crate::lang::rules::TraitDeclaration;

use super::parts::Checked;
use super::templates::{texts, variables};

/// Whether values of a trait may go out by a channel of this kind. Personal data goes to the person themself, and
/// hashed to an audience, where it only tells who is meant; a webhook would get it as it is.
fn may_go_to(declared: &TraitDeclaration, channel: ChannelKind) -> bool {
    match channel {
        ChannelKind::Smtp | ChannelKind::Audience => true,
        ChannelKind::Webhook => !declared.pii,
    }
}

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    let closed: Vec<&TraitDeclaration> =
        checked.rules().traits.iter().filter(|declared| !may_go_to(declared, ChannelKind::Webhook)).collect();
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
