//! What several findings look at: the checked workspace, and all rules in it, each with where it stands.

use std::collections::BTreeMap;

use crate::finding::{Place, Sources};
use crate::journey::graph::{Enter, Journey, Next, StepKind, Until};
use crate::lang::Rules;
use crate::lang::rules::{AggregateIndex, Condition, Formula, RecallIndex, SequenceIndex, Term, TrailIndex};
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

    /// All rules of segments, scores and journeys.
    pub(super) fn all_rules(&self) -> Vec<Rule<'w>> {
        let rules = self.rules();
        let segments = rules.segments.iter().map(|segment| self.rule(&segment.condition, segment.place));
        let scores = rules.computes.iter().flat_map(|compute| {
            let conditions = terms(&compute.formula).iter().filter_map(|term| match term {
                Term::When { condition, .. } => Some(condition),
                Term::ForEach { .. } => None,
            });
            conditions.map(|condition| self.rule(condition, compute.place))
        });
        let journeys = self.program.journeys.iter().flat_map(|journey| self.journey_rules(journey));
        segments.chain(scores).chain(journeys).collect()
    }

    /// The `where` of whatever looks at events, each at the first rule that asks it.
    pub(super) fn filters(&self) -> Vec<Rule<'w>> {
        let rules = self.rules();
        let mut found: BTreeMap<Filter, Rule<'w>> = BTreeMap::new();
        let mut add = |filter: Filter, condition: Option<&'w Condition>, region| {
            if let Some(condition) = condition {
                found.entry(filter).or_insert(Rule { condition, region });
            }
        };
        for compute in &rules.computes {
            aggregates(&compute.formula, &mut |index| {
                add(Filter::Aggregate(index), rules.aggregates[index.at()].filter.as_ref(), self.region(compute.place));
            });
        }
        for rule in self.all_rules() {
            rule.condition.walk(&mut |part| match part {
                Condition::Did { trail, .. } => {
                    add(Filter::Trail(*trail), rules.trails[trail.at()].filter.as_ref(), rule.region);
                }
                Condition::Recall { recall, .. } => {
                    add(Filter::Recall(*recall), rules.recalls[recall.at()].filter.as_ref(), rule.region);
                }
                Condition::Sequence(index) => {
                    for (step, at) in rules.sequences[index.at()].steps.iter().zip(0..) {
                        let kept = rules.recalls[step.recall.at()].filter.as_ref();
                        add(Filter::Recall(step.recall), kept, rule.region);
                        add(Filter::Step(*index, at), step.filter.as_ref(), rule.region);
                    }
                }
                _ => {}
            });
        }
        found.into_values().collect()
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

/// What keeps a `where`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Filter {
    Aggregate(AggregateIndex),
    Trail(TrailIndex),
    Recall(RecallIndex),
    Step(SequenceIndex, usize),
}

/// The lines of a score; none of any other formula.
pub(super) fn terms(formula: &Formula) -> &[Term] {
    match formula {
        Formula::Score(terms) => terms,
        _ => &[],
    }
}

/// All that a formula works out over events.
pub(super) fn aggregates(formula: &Formula, visit: &mut dyn FnMut(AggregateIndex)) {
    formula.walk(&mut |part| match part {
        Formula::Aggregate(index) => visit(*index),
        part => terms(part).iter().for_each(|term| {
            if let Term::ForEach { count, .. } = term {
                visit(*count);
            }
        }),
    });
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
