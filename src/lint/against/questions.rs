//! What the rules and journeys of a workspace expect of data: which events they read, and which values they compare.

use std::collections::BTreeMap;

use crate::finding::{Place, Sources};
use crate::journey::Journey;
use crate::journey::graph::{Enter, StepKind, Until};
use crate::lang::Rules;
use crate::lang::rules::{
    Condition, Formula, Operator, Period, RecallIndex, Selector, SequenceIndex, Term, TrailIndex,
};
use crate::model::{Value, platform_event};
use crate::workspace::Program;

use super::spot::Spot;
use super::subjects::Scope;
use super::tallies::{Subject, Tallies};

/// What to look for in data.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    pub(super) compared: Vec<Compared>,
    /// Events that rules read, each with the places at which they do.
    pub(super) events: BTreeMap<String, Vec<Place>>,
    /// Name and place of each segment.
    pub(super) segments: Vec<(String, Place)>,
}

/// A value that a rule compares with what data holds.
#[derive(Debug, Clone)]
pub(super) struct Compared {
    pub(super) subject: Subject,
    /// As the author wrote it.
    pub(super) operand: String,
    pub(super) operator: Operator,
    pub(super) value: Value,
    /// The rule as a whole.
    pub(super) rule: Place,
    /// The value itself, where lint can point at it.
    pub(super) at: Option<Place>,
    /// Whether what others have instead is nobody's business.
    pub(super) is_private: bool,
}

/// What the engine decides by itself: these are in no history.
const DECIDED: [&str; 5] = [
    platform_event::SEGMENT_ENTERED,
    platform_event::SEGMENT_EXITED,
    platform_event::JOURNEY_STARTED,
    platform_event::JOURNEY_GOAL_REACHED,
    platform_event::JOURNEY_EXITED,
];

impl Questions {
    /// The questions of a workspace; `sources` are the files that the program was made from.
    #[must_use]
    pub fn of(program: &Program, sources: &Sources) -> Self {
        let rules = &program.rules;
        let mut asker = Asker { rules, sources, questions: Self::default() };
        for compute in &rules.computes {
            asker.formula(&compute.formula, &Spot::declaration(compute.place, sources));
        }
        for segment in &rules.segments {
            asker.of_profile(&segment.condition, None, &Spot::declaration(segment.place, sources));
            asker.questions.segments.push((segment.name.clone(), segment.place));
        }
        program.journeys.iter().for_each(|journey| asker.journey(journey));
        asker.questions
    }

    /// Names of the events that rules read.
    pub fn event_names(&self) -> impl Iterator<Item = &str> {
        self.events.keys().map(String::as_str)
    }

    /// Empty tallies of all that is compared, to be filled from data.
    #[must_use]
    pub fn tallies(&self) -> Tallies {
        let mut tallies = Tallies::default();
        for compared in &self.compared {
            tallies.of(&compared.subject).look_for(compared.operator, &compared.value);
        }
        tallies
    }
}

struct Asker<'a> {
    rules: &'a Rules,
    sources: &'a Sources,
    questions: Questions,
}

impl Asker<'_> {
    fn journey(&mut self, journey: &Journey) {
        let spot = Spot::journey(journey.place, self.sources);
        let mut entry = None;
        match &journey.enter {
            Enter::Event { name, filter, .. } => {
                self.event(name, filter.as_ref(), &spot);
                entry = Some(name.as_str());
            }
            Enter::Schedule { to: Some(condition), .. } => self.of_profile(condition, None, &spot),
            _ => {}
        }
        let heads = [journey.when.as_ref(), journey.exit_when.as_ref()];
        heads.into_iter().flatten().for_each(|condition| self.of_profile(condition, entry, &spot));
        if let Some(goal) = &journey.goal {
            self.event(&goal.event, goal.filter.as_ref(), &spot);
        }
        for step in &journey.steps {
            let spot = Spot::journey(step.place, self.sources);
            match &step.kind {
                StepKind::Branch { arms, .. } => {
                    arms.iter().for_each(|(condition, _)| self.of_profile(condition, entry, &spot));
                }
                StepKind::WaitUntil { until: Until::When(condition), .. } => self.of_profile(condition, entry, &spot),
                StepKind::WaitUntil { until: Until::Event { name, filter }, .. } => {
                    self.event(name, filter.as_ref(), &spot);
                }
                _ => {}
            }
        }
    }

    fn formula(&mut self, formula: &Formula, spot: &Spot<'_>) {
        let rules = self.rules;
        formula.walk(&mut |part| match part {
            Formula::Aggregate(index) => {
                let aggregate = &rules.aggregates[index.at()];
                self.selection(&aggregate.selector, aggregate.filter.as_ref(), spot);
            }
            Formula::Score(terms) => terms.iter().for_each(|term| match term {
                Term::When { condition, .. } => self.of_profile(condition, None, spot),
                Term::ForEach { count, .. } => {
                    let aggregate = &rules.aggregates[count.at()];
                    self.selection(&aggregate.selector, aggregate.filter.as_ref(), spot);
                }
            }),
            _ => {}
        });
    }

    /// A rule over a profile. `entry` is the event by which a journey begins.
    fn of_profile(&mut self, condition: &Condition, entry: Option<&str>, spot: &Spot<'_>) {
        let entry = entry.map(|name| Selector::Named(name.to_owned()));
        self.condition(condition, &Scope { entry: entry.as_ref(), ..Scope::default() }, spot);
    }

    fn condition(&mut self, condition: &Condition, scope: &Scope<'_>, spot: &Spot<'_>) {
        self.compared(condition, scope, spot);
        match condition {
            Condition::Did { trail, period, .. } => {
                self.trail(*trail, spot);
                self.period(*period, spot);
            }
            Condition::Recall { recall, filter, period, .. } => {
                self.recall(*recall, spot);
                self.period(*period, spot);
                let of = &self.rules.recalls[recall.at()].selector;
                self.condition(filter, &Scope { event: Some(of), ..*scope }, spot);
                return;
            }
            Condition::Sequence(index) => self.sequence(*index, scope, spot),
            Condition::Held { hold, .. } => {
                let rules = self.rules;
                self.condition(&rules.holds[hold.at()].state, scope, spot);
            }
            Condition::Items { operand, condition, .. } => {
                self.condition(condition, &Scope { list: Some(operand), ..*scope }, spot);
                return;
            }
            _ => {}
        }
        condition.parts().iter().for_each(|part| self.condition(part, scope, spot));
    }

    fn sequence(&mut self, index: SequenceIndex, scope: &Scope<'_>, spot: &Spot<'_>) {
        let rules = self.rules;
        let steps = &rules.sequences[index.at()].steps;
        let of: Vec<&Selector> = steps.iter().map(|step| &rules.recalls[step.recall.at()].selector).collect();
        for (step, event) in steps.iter().zip(&of) {
            self.recall(step.recall, spot);
            if let Some(filter) = &step.filter {
                self.condition(filter, &Scope { event: Some(event), steps: &of, ..*scope }, spot);
            }
        }
    }

    fn trail(&mut self, index: TrailIndex, spot: &Spot<'_>) {
        let trail = &self.rules.trails[index.at()];
        self.selection(&trail.selector, trail.filter.as_ref(), spot);
    }

    fn recall(&mut self, index: RecallIndex, spot: &Spot<'_>) {
        let recall = &self.rules.recalls[index.at()];
        self.selection(&recall.selector, recall.filter.as_ref(), spot);
    }

    fn period(&mut self, period: Period, spot: &Spot<'_>) {
        if let Period::SinceLast(other) = period {
            self.trail(other, spot);
        }
    }

    fn event(&mut self, name: &str, filter: Option<&Condition>, spot: &Spot<'_>) {
        self.selection(&Selector::Named(name.to_owned()), filter, spot);
    }

    /// Events that a rule selects, and what it compares of them.
    fn selection(&mut self, selector: &Selector, filter: Option<&Condition>, spot: &Spot<'_>) {
        if let Selector::Named(name) = selector {
            if DECIDED.contains(&name.as_str()) {
                return;
            }
            let (place, known) = (spot.event(name), self.questions.events.entry(name.clone()).or_default());
            if !known.contains(&place) {
                known.push(place);
            }
        }
        if let Some(filter) = filter {
            self.condition(filter, &Scope { event: Some(selector), ..Scope::default() }, spot);
        }
    }

    /// The values that a condition itself names.
    fn compared(&mut self, condition: &Condition, scope: &Scope<'_>, spot: &Spot<'_>) {
        let (operand, operator, values) = match condition {
            Condition::Compare { operand, operator, value } => (operand, *operator, std::slice::from_ref(value)),
            Condition::OneOf { operand, values, .. } | Condition::Has { operand, values, .. } => {
                (operand, Operator::Is, values.as_slice())
            }
            _ => return,
        };
        let Some(found) = scope.find(operand, matches!(condition, Condition::Has { .. }), self.rules) else { return };
        if matches!(found.event, Some(Selector::Named(name)) if DECIDED.contains(&name.as_str())) {
            return;
        }
        for value in values {
            self.questions.compared.push(Compared {
                subject: found.subject.clone(),
                operand: found.written.clone(),
                operator,
                value: value.clone(),
                rule: spot.whole(),
                at: spot.value(found.event, &found.written, value),
                is_private: found.is_private,
            });
        }
    }
}
