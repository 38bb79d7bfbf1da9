//! What runs of a journey bring about by which a journey may start.

use std::collections::{BTreeMap, BTreeSet};

use crate::journey::graph::{Enter, Journey, StepKind};
use crate::lang::Rules;
use crate::lang::rules::{Condition, SegmentIndex, TraitIndex};
use crate::model::platform_event as event;

use super::logic::Form;
use super::parts::Checked;

/// One of our own events, and what is known of its properties.
pub(super) struct Happening<'j> {
    pub name: &'static str,
    properties: Vec<(&'static str, &'j str)>,
}

impl Happening<'_> {
    /// Whether it may pass this filter.
    pub(super) fn may_pass(&self, filter: Option<&Condition>, checked: &Checked<'_>) -> bool {
        let Some(filter) = filter else { return true };
        let logic = &checked.logic;
        let mut forms: Vec<Form> = self.properties.iter().map(|(name, text)| logic.property_is(name, text)).collect();
        forms.push(logic.form(filter));
        logic.conflict(&forms).is_none()
    }
}

const OF_MAIL: [&str; 5] =
    [event::EMAIL_SENT, event::EMAIL_FAILED, event::EMAIL_SUPPRESSED, event::EMAIL_UNKNOWN, event::EMAIL_CLICKED];
const OF_HOOKS: [&str; 3] = [event::WEBHOOK_SENT, event::WEBHOOK_FAILED, event::WEBHOOK_UNKNOWN];
const OF_AUDIENCES: [&str; 4] =
    [event::AUDIENCE_SYNCED, event::AUDIENCE_FAILED, event::AUDIENCE_SUPPRESSED, event::AUDIENCE_DROPPED];

/// The events that runs of this journey bring about, clicks of the customer included.
pub(super) fn happenings(journey: &Journey) -> Vec<Happening<'_>> {
    let own = [("journey", journey.name.as_str())];
    let mut found: Vec<Happening<'_>> =
        [event::JOURNEY_STARTED, event::JOURNEY_EXITED].map(|name| Happening { name, properties: own.to_vec() }).into();
    if journey.goal.is_some() {
        found.push(Happening { name: event::JOURNEY_GOAL_REACHED, properties: own.to_vec() });
    }
    for step in &journey.steps {
        let names: &[&str] = match &step.kind {
            StepKind::Email { .. } => &OF_MAIL,
            StepKind::Webhook { .. } => &OF_HOOKS,
            StepKind::AudienceSync { .. } => &OF_AUDIENCES,
            _ => &[],
        };
        found.extend(names.iter().map(|name| {
            let mut properties = own.to_vec();
            properties.push(("step", step.id.as_str()));
            if let (StepKind::Email { email, .. }, true) = (&step.kind, *name != event::EMAIL_CLICKED) {
                properties.push(("template", email.template.as_str()));
            }
            Happening { name, properties }
        }));
    }
    found
}

/// Events that come of segments and mirrored audiences, without any journey.
pub(super) fn happenings_of_rules(rules: &Rules) -> Vec<Happening<'_>> {
    let mut found = Vec::new();
    for segment in &rules.segments {
        for name in [event::SEGMENT_ENTERED, event::SEGMENT_EXITED] {
            found.push(Happening { name, properties: vec![("segment", &segment.name)] });
        }
    }
    if rules.audience_syncs.iter().any(|sync| sync.segment.is_some()) {
        found.extend(OF_AUDIENCES.map(|name| Happening { name, properties: Vec::new() }));
    }
    found
}

/// How runs of `from` make `to` start, in words that go on `it …`; clicks are the customer's own doing.
pub(super) fn cause(from: &Journey, to: &Journey, checked: &Checked<'_>) -> Option<String> {
    match &to.enter {
        Enter::Event { name, filter, .. } => {
            let mut caused = happenings(from).into_iter().filter(|happening| happening.name != event::EMAIL_CLICKED);
            let is_caused = caused.any(|one| one.name == name && one.may_pass(filter.as_ref(), checked));
            is_caused.then(|| format!("brings about `{name}`"))
        }
        Enter::Segment(segment) => {
            let rules = checked.rules();
            let written = written_traits(from).find(|index| depending_on(*index, rules).contains(segment))?;
            let (name, segment) = (&rules.traits[written.at()].name, &rules.segments[segment.at()].name);
            Some(format!("writes `{name}`, on which segment `{segment}` depends"))
        }
        Enter::Schedule { .. } => None,
    }
}

/// Of each of these journeys, which of them its runs may start.
pub(super) fn started_by<'j>(journeys: &[&'j Journey], checked: &Checked<'_>) -> Vec<BTreeSet<usize>> {
    let mut by_event: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut by_segment: BTreeMap<SegmentIndex, Vec<usize>> = BTreeMap::new();
    for (index, journey) in journeys.iter().enumerate() {
        match &journey.enter {
            Enter::Event { name, .. } => by_event.entry(name).or_default().push(index),
            Enter::Segment(segment) => by_segment.entry(*segment).or_default().push(index),
            Enter::Schedule { .. } => {}
        }
    }
    let started = |from: &&'j Journey| {
        let names: BTreeSet<&str> = happenings(from).iter().map(|happening| happening.name).collect();
        let entered = names.iter().filter_map(|name| by_event.get(name)).flatten().copied();
        let moved = written_traits(from).flat_map(|index| depending_on(index, checked.rules()));
        let moved = moved.filter_map(|segment| by_segment.get(&segment)).flatten().copied();
        entered.chain(moved).filter(|to| cause(from, journeys[*to], checked).is_some()).collect()
    };
    journeys.iter().map(started).collect()
}

fn written_traits(journey: &Journey) -> impl Iterator<Item = TraitIndex> {
    let updates = journey.steps.iter().filter_map(|step| match &step.kind {
        StepKind::UpdateProfile { updates, .. } => Some(updates),
        _ => None,
    });
    updates.flatten().map(|(index, _)| *index)
}

/// The segments that depend on a trait, through computes and other segments too.
fn depending_on(index: TraitIndex, rules: &Rules) -> BTreeSet<SegmentIndex> {
    let (mut found, mut open) = (BTreeSet::new(), rules.readers.segments_of_trait[index.at()].clone());
    while let Some(segment) = open.pop() {
        if found.insert(segment) {
            open.extend(&rules.readers.segments_of_segment[segment.at()]);
        }
    }
    found
}
