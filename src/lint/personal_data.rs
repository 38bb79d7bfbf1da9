//! TW407: personal data that goes where its trait's declaration does not allow it.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding, Place};
use crate::journey::decode::ChannelKind;
use crate::journey::graph::StepKind;
use crate::lang::rules::TraitDeclaration;

use super::parts::Checked;
use super::templates::{Variable, texts, variables};

/// The kind of channel by the name that `pii for (…)` gives it.
fn named(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Smtp => "email",
        ChannelKind::Webhook => "webhook",
        ChannelKind::Audience => "audience_sync",
    }
}

/// Whether values of a trait may go out by a channel of this kind. What `pii` alone allows: to the person themself, and
/// hashed to an audience, where it only tells who is meant; a webhook would get it as it is.
fn may_go_to(declared: &TraitDeclaration, channel: ChannelKind) -> bool {
    declared.may_go_to(named(channel))
}

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    for sync in &checked.rules().audience_syncs {
        for index in &sync.identifiers {
            let declared = &checked.rules().traits[index.at()];
            if !may_go_to(declared, ChannelKind::Audience) {
                let to = format!("audience `{}`", sync.name);
                findings.push(told(declared, &to, ChannelKind::Audience, sync.place));
            }
        }
    }
    for step in checked.program.journeys.iter().flat_map(|journey| &journey.steps) {
        match &step.kind {
            StepKind::Webhook { webhook, .. } => {
                for text in texts(&webhook.body) {
                    let place = checked.region(step.place).find(text).unwrap_or(step.place);
                    let to = format!("webhook `{}`", webhook.destination);
                    findings.extend(filled(&variables(text), &to, ChannelKind::Webhook, place, checked));
                }
            }
            StepKind::Email { email, .. } => {
                let template = checked.program.templates.get(&email.template);
                let bodies = template.into_iter().flat_map(|template| [&template.html, &template.text]).flatten();
                let used = bodies.chain([&email.subject]).flat_map(|text| variables(text)).collect();
                let to = format!("e-mail `{}`", email.template);
                findings.extend(filled(&used, &to, ChannelKind::Smtp, step.place, checked));
            }
            _ => {}
        }
    }
}

/// What is filled in and must not be.
fn filled(
    used: &BTreeSet<Variable>,
    to: &str,
    channel: ChannelKind,
    place: Place,
    checked: &Checked<'_>,
) -> Vec<Finding> {
    let closed = checked.rules().traits.iter().filter(|declared| !may_go_to(declared, channel));
    let read = closed.filter(|declared| used.iter().any(|variable| variable.reads(&declared.name)));
    read.map(|declared| told(declared, to, channel, place)).collect()
}

fn told(declared: &TraitDeclaration, to: &str, channel: ChannelKind, place: Place) -> Finding {
    let (name, kind) = (&declared.name, named(channel));
    let finding = Finding::new(
        Code::PersonalData,
        place,
        format!("`{name}` is personal data, and its declaration does not let it go to {to}"),
    );
    let instead = match channel {
        ChannelKind::Webhook => "send `{{ user_id }}` or `{{ profile_id }}` and let the far side look the person up",
        ChannelKind::Smtp | ChannelKind::Audience => "leave it out",
    };
    finding
        .help(format!("{instead}; or name all that may carry it where it is declared: `pii for ({kind}, …)`"))
        .label(declared.place, "declared here")
}
