//! TW311: an event of our own that a journey counts on and that cannot come.

use std::collections::BTreeMap;

use crate::finding::{Code, Finding, Place};
use crate::journey::graph::{Enter, Journey, StepKind, Until};
use crate::lang::rules::Condition;
use crate::model::platform_event;
use crate::workspace::Template;

use super::parts::{Checked, reached_from};
use super::starts::{Happening, happenings, happenings_of_rules};

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    let mut coming: BTreeMap<&str, Vec<Happening<'_>>> = BTreeMap::new();
    let all = checked.program.journeys.iter().flat_map(happenings);
    for happening in happenings_of_rules(checked.rules()).into_iter().chain(all) {
        coming.entry(happening.name).or_default().push(happening);
    }
    for journey in &checked.program.journeys {
        for (name, filter, place) in counted_on(journey) {
            if let Some(message) = never_comes(name, filter, &coming, checked) {
                let at = checked.region(place).find(name).unwrap_or(place);
                let finding = Finding::new(Code::EventNeverComes, at, message);
                findings.push(finding.help("wait for an event that a source sends, or for what a step of yours does"));
            }
        }
        for (index, step) in journey.steps.iter().enumerate() {
            if let StepKind::WaitUntil { until: Until::Clicked(mail), .. } = step.kind {
                findings.extend(never_clicked(mail, index, journey, checked));
            }
        }
    }
}

/// All events by which a journey starts, goes on or counts success.
fn counted_on(journey: &Journey) -> Vec<(&str, Option<&Condition>, Place)> {
    let mut found = Vec::new();
    if let Enter::Event { name, filter, .. } = &journey.enter {
        found.push((name.as_str(), filter.as_ref(), journey.place));
    }
    found.extend(journey.goal.iter().map(|goal| (goal.event.as_str(), goal.filter.as_ref(), journey.place)));
    for step in &journey.steps {
        if let StepKind::WaitUntil { until: Until::Event { name, filter }, .. } = &step.kind {
            found.push((name, filter.as_ref(), step.place));
        }
    }
    found
}

/// Why one of our own events cannot come; those of sources can.
fn never_comes(
    name: &str,
    filter: Option<&Condition>,
    coming: &BTreeMap<&str, Vec<Happening<'_>>>,
    checked: &Checked<'_>,
) -> Option<String> {
    let from_a_step = ["Email ", "Webhook ", "Audience ", "Segment ", "Journey "].iter().any(|of| name.starts_with(of));
    platform_event::find(name).filter(|event| from_a_step && !event.from_sources)?;
    let Some(named) = coming.get(name) else {
        return Some(format!("`{name}` never comes: no journey has a step that brings it about"));
    };
    let passes = named.iter().any(|happening| happening.may_pass(filter, checked));
    (!passes).then(|| format!("no `{name}` of this workspace meets the `where`, so this never comes"))
}

/// Why nobody can have clicked in the message of this step, when a run comes to the step that waits.
fn never_clicked(mail: usize, waits: usize, journey: &Journey, checked: &Checked<'_>) -> Option<Finding> {
    let (sent, waiting) = (&journey.steps[mail], &journey.steps[waits]);
    let StepKind::Email { email, next } = &sent.kind else { return None };
    let (message, help) = if !reached_from(journey, *next)[waits] {
        let message = format!("no run has passed step `{}` before it waits here for a click in it", sent.id);
        (message, "wait for a click in a message that is sent before")
    } else if !checked.program.templates.get(&email.template).is_some_and(has_link) {
        let message = format!("template `{}` has no link whose clicks are counted", email.template);
        (message, "put a link into the HTML of the template; clicks on the unsubscribe link do not count")
    } else {
        return None;
    };
    let place = checked.region(waiting.place).find(&format!("clicked: {}", sent.id)).unwrap_or(waiting.place);
    Some(Finding::new(Code::EventNeverComes, place, message).help(help))
}

/// Whether the HTML has a link that leads anywhere but out of the topic.
fn has_link(template: &Template) -> bool {
    let html = template.html.as_deref().unwrap_or_default();
    html.split("href").skip(1).any(|rest| {
        let value = rest.trim_start().strip_prefix('=').unwrap_or_default().trim_start();
        let address = value.trim_start_matches(['"', '\'']);
        let end = address.find(['"', '\'', '>']).unwrap_or(address.len());
        let address = &address[..end];
        (address.starts_with("http") || address.contains("{{")) && !address.contains("unsubscribe_url")
    })
}
