//! TW406: marketing mail from whose body nobody can unsubscribe.

use crate::finding::{Code, Finding};
use crate::journey::graph::StepKind;
use crate::lang::rules::MessageClass;
use crate::workspace::Program;

const LINK: &str = "unsubscribe_url";

pub(super) fn check(program: &Program, findings: &mut Vec<Finding>) {
    for step in program.journeys.iter().flat_map(|journey| &journey.steps) {
        let StepKind::Email { email, .. } = &step.kind else { continue };
        if program.rules.topics[email.topic].class != MessageClass::Marketing {
            continue;
        }
        let Some(template) = program.templates.get(&email.template) else { continue };
        for (body, ending) in [(&template.html, "html"), (&template.text, "txt")] {
            if body.as_deref().is_some_and(|body| !body.contains(LINK)) {
                let path = format!("templates/{}.{ending}", email.template);
                let message = format!("marketing mail from `{path}` has no unsubscribe link in its body");
                let finding = Finding::new(Code::NoUnsubscribeLink, step.place, message);
                findings.push(finding.help("put `{{ unsubscribe_url }}` into the template"));
            }
        }
    }
}
