//! What several findings look at: the checked workspace, and all rules in it, each with where it stands.

use std::collections::BTreeMap;

use crate::finding::{Place, Sources};
use crate::journey::graph::{Enter, Journey, Next, StepKind, Until};
use crate::lang::Rules;
use crate::lang::rules::{Condition, Operand, TrailIndex};
use crate::model::Span;
use crate::workspace::Program;

use super::logic::Logic;
use super::text::Region;

/// A checked workspace as findings look at it.
pub(super) struct Checked<'w> {
    pub program: &'w Program,
    pub sources: &'w Sources,
    /// How long events are kept; `None`: for ever.
    pub retention: Option<Span>,
    pub logic: Logic<'w>,
}

/// A rule over the customer, or over the event at hand, and where it stands.
pub(super) struct Rule<'w> {
    pub condition: &'w Condition,
    pub region: Region<'w>,
}

impl<'w> Checked<'w> {
    pub(super) fn rules(&self) -> &'w Rules {
        &self.program.rules
    }

    /// All rules of segments and journeys.
    pub(super) fn all_rules(&self) -> Vec<Rule<'w>> {
        let segments = self.rules().segments.iter().map(|segment| self.rule(&segment.condition, segment.place));
        let journeys = self.program.journeys.iter().flat_map(|journey| self.journey_rules(journey));
        segments.chain(journeys).collect()
    }

    /// The `where` of computes, and of each `did` at the first rule that asks it.
    pub(super) fn filters(&self) -> Vec<Rule<'w>> {
        let rules = self.rules();
        let mut found = Vec::new();
        for (compute, reads) in rules.computes.iter().zip(&rules.readers.reads_of_compute) {
            let filters = reads.aggregates.iter().filter_map(|index| rules.aggregates[index.at()].filter.as_ref());
            found.extend(filters.map(|filter| self.rule(filter, compute.place)));
        }
        let mut asked: BTreeMap<TrailIndex, Region<'w>> = BTreeMap::new();
        for rule in self.all_rules() {
            walk(rule.condition, &mut |part| {
                if let Condition::Did { trail, .. } = part {
                    asked.entry(*trail).or_insert(rule.region);
                }
            });
        }
        found.extend(
            asked.into_iter().filter_map(|(trail, region)| {
                Some(Rule { condition: rules.trails[trail.at()].filter.as_ref()?, region })
            }),
        );
        found
    }

    /// All rules of a journey.
    pub(super) fn journey_rules(&self, journey: &'w Journey) -> Vec<Rule<'w>> {
        let mut heads = vec![journey.when.as_ref(), journey.exit_when.as_ref()];
        match &journey.enter {
            Enter::Event { filter, .. } => heads.push(filter.as_ref()),
            Enter::Schedule { to, .. } => heads.push(to.as_ref()),
            Enter::Segment(_) => {}
        }
        heads.push(journey.goal.as_ref().and_then(|goal| goal.filter.as_ref()));
        let mut found: Vec<Rule<'w>> =
            heads.into_iter().flatten().map(|condition| self.rule(condition, journey.place)).collect();
        for step in &journey.steps {
            let mut add = |condition| found.push(self.rule(condition, step.place));
            match &step.kind {
                StepKind::Branch { arms, .. } => arms.iter().for_each(|(condition, _)| add(condition)),
                StepKind::WaitUntil {
                    until: Until::When(condition) | Until::Event { filter: Some(condition), .. },
                    ..
                } => add(condition),
                _ => {}
            }
        }
        found
    }

    /// The words behind this place.
    pub(super) fn region(&self, place: Place) -> Region<'w> {
        Region::from(place, self.sources)
    }

    fn rule(&self, condition: &'w Condition, place: Place) -> Rule<'w> {
        Rule { condition, region: self.region(place) }
    }
}

/// A condition and all conditions inside it.
pub(super) fn walk<'c>(condition: &'c Condition, visit: &mut dyn FnMut(&'c Condition)) {
    condition.walk(&mut |part| visit(part));
}

/// The conditions that a condition joins: not those inside a `where`, which are about one event or item.
pub(super) fn inside(condition: &Condition) -> &[Condition] {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts,
        Condition::Not(part) => std::slice::from_ref(part),
        _ => &[],
    }
}

/// What a condition compares, not looking inside it.
pub(super) fn operand(condition: &Condition) -> Option<&Operand> {
    match condition {
        Condition::Compare { operand, .. }
        | Condition::CompareWith { operand, .. }
        | Condition::OneOf { operand, .. }
        | Condition::Matches { operand, .. }
        | Condition::Has { operand, .. }
        | Condition::IsSet(operand)
        | Condition::IsMissing(operand) => Some(operand),
        _ => None,
    }
}

/// Where a run can go on from a step.
pub(super) fn arrows(kind: &StepKind) -> Vec<Next> {
    match kind {
        StepKind::Wait { next, .. }
        | StepKind::Email { next, .. }
        | StepKind::Webhook { next, .. }
        | StepKind::AudienceSync { next, .. }
        | StepKind::UpdateProfile { next, .. } => vec![*next],
        StepKind::WaitUntil { then, timeout, .. } => vec![*then, *timeout],
        StepKind::Branch { arms, otherwise } => arms.iter().map(|(_, next)| *next).chain([*otherwise]).collect(),
        // An arm with no share is never drawn.
        StepKind::RandomSplit { arms } => arms.iter().filter(|arm| arm.share > 0).map(|arm| arm.first).collect(),
        StepKind::Exit => Vec::new(),
    }
}

/// Of each step of the journey, whether a run that is at `start` can come to it.
pub(super) fn reached_from(journey: &Journey, start: Next) -> Vec<bool> {
    let mut reached = vec![false; journey.steps.len()];
    let mut open: Vec<usize> = start.into_iter().collect();
    while let Some(index) = open.pop() {
        if let Some(seen @ false) = reached.get_mut(index) {
            *seen = true;
            open.extend(arrows(&journey.steps[index].kind).into_iter().flatten());
        }
    }
    reached
}
