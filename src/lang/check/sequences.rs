//! `did A in last 7 days then B within 1 day`: events in an order.

use std::collections::BTreeSet;

use crate::finding::{Code, Span};
use crate::lang::rules::*;
use crate::lang::syntax::*;
use crate::lang::window::Window;
use crate::lang::write::key_of;

use super::events::{property_paths, split};
use super::operands::Earlier;
use super::{Checker, NOTHING};

/// A step before what is kept of its events is known.
struct Step {
    selector: Selector,
    fixed: Option<Condition>,
    asked: Option<Condition>,
    within: Option<SpanItem>,
    negated: bool,
}

impl Checker<'_> {
    pub(super) fn sequence(&mut self, did: &DidExpr, span: Span) -> Condition {
        let window = self.first_window(did, span);
        if let Some((_, span)) = did.times {
            let finding = self.finding(Code::Syntax, span, "a sequence is asked for once, not a number of times");
            self.findings.push(finding.help("leave out the number of times"));
        }
        let mut earlier = Vec::new();
        let mut steps = vec![self.step(&did.selector, did.filter.as_ref(), &earlier)];
        self.name_step(did.alias.as_ref(), &steps, &mut earlier);
        for (index, item) in did.steps.iter().enumerate() {
            let mut step = self.step(&item.selector, item.filter.as_ref(), &earlier);
            step.within.clone_from(&item.within);
            step.negated = item.negated;
            self.check_negated(item, index + 1 == did.steps.len());
            steps.push(step);
            self.name_step(item.alias.as_ref(), &steps, &mut earlier);
        }
        let by = did.key.as_ref().map(|key| self.key_property(key, &steps));
        let Some(window) = window else { return NOTHING };
        let steps = self.steps_with_recalls(steps, by.as_deref(), window);
        let all_within = did.all_within.as_ref().map(|within| within.length);
        let rules = &self.compiler.rules;
        let parts: Vec<String> = steps
            .iter()
            .map(|step| {
                let recall = rules.recalls[step.recall.at()].key;
                format!("{recall} {:?} {:?} {}", step.filter, step.within, step.negated)
            })
            .collect();
        let by_text = by.as_deref().unwrap_or_default();
        let key = key_of("sequence", &[&parts.join(";"), by_text, &format!("{all_within:?} {window:?}")]);
        Condition::Sequence(self.compiler.sequence(Sequence { key, window, steps, all_within, by }))
    }

    fn first_window(&mut self, did: &DidExpr, span: Span) -> Option<Window> {
        match &did.period {
            Some((PeriodItem::Last(window), _)) => self.window(window),
            Some((_, span)) => {
                let finding = self.finding(Code::BadDuration, *span, "the first event of a sequence needs `in last …`");
                self.findings.push(finding.help("say how far to look back, such as `in last 7 days`"));
                None
            }
            None => {
                let start = Span::new(span.start, span.start + "did".len());
                let finding = self.finding(Code::BadDuration, start, "a sequence needs to know how far to look back");
                self.findings.push(finding.help("add `in last 7 days` after the first event"));
                None
            }
        }
    }

    fn step(&mut self, selector: &SelectorItem, filter: Option<&Expr>, earlier: &[Earlier]) -> Step {
        let selector = self.selector(selector);
        let around = self.scope.around();
        let filter = filter.map(|filter| self.filter(filter, &selector, around, earlier));
        let (fixed, asked) = match filter {
            Some(filter) => {
                let (fixed, asked) = split(filter);
                (fixed, (asked != NOTHING).then_some(asked))
            }
            None => (None, None),
        };
        Step { selector, fixed, asked, within: None, negated: false }
    }

    fn name_step(&mut self, alias: Option<&Word>, steps: &[Step], earlier: &mut Vec<Earlier>) {
        let Some(alias) = alias else { return };
        let is_taken = earlier.iter().any(|known| known.alias == alias.text)
            || matches!(alias.text.as_str(), "profile" | "account" | "entry");
        if is_taken || alias.text.contains('.') {
            let finding = self.finding(Code::DuplicateName, alias.span, format!("`{}` is taken", alias.text));
            self.findings.push(finding.help("give this event another name"));
            return;
        }
        let event = match &steps[steps.len() - 1].selector {
            Selector::Named(name) => Some(name.clone()),
            Selector::AnyActivity => None,
        };
        earlier.push(Earlier { alias: alias.text.clone(), step: steps.len() - 1, event });
    }

    fn check_negated(&mut self, item: &StepItem, is_last: bool) {
        if !item.negated {
            return;
        }
        if !is_last {
            let finding = self.finding(Code::Syntax, item.span, "`then did not` must be the last step");
            self.findings.push(finding.help("ask for what follows in a condition of its own"));
        }
        if item.within.is_none() {
            let finding =
                self.finding(Code::BadDuration, item.span, "`then did not` needs to know how long to wait for it");
            self.findings.push(finding.help("add `within 2 days`"));
        }
        if let Some(alias) = &item.alias {
            let finding = self.finding(Code::Syntax, alias.span, "what did not happen cannot be named");
            self.findings.push(finding);
        }
    }

    /// `by order_id`: a property that each event of the sequence has.
    fn key_property(&mut self, key: &Word, steps: &[Step]) -> String {
        for step in steps {
            if let Selector::Named(event) = &step.selector {
                let (event, place) = (event.clone(), self.place(key.span));
                if self.property_kind(Some(&event), &key.text, place).is_none() {
                    break;
                }
            }
        }
        key.text.clone()
    }

    fn steps_with_recalls(&mut self, steps: Vec<Step>, by: Option<&str>, window: Window) -> Vec<SequenceStep> {
        let paths: Vec<Vec<String>> = (0..steps.len()).map(|index| kept_paths(&steps, index, by)).collect();
        let mut found = Vec::with_capacity(steps.len());
        for (step, paths) in steps.into_iter().zip(paths) {
            let recall = self.compiler.recall(step.selector, step.fixed, paths, RecallKeep::Window(window));
            found.push(SequenceStep {
                recall,
                filter: step.asked,
                within: step.within.map(|within| within.length),
                negated: step.negated,
            });
        }
        found
    }
}

/// What must be kept of a step's events: what its own filter and those of later steps name, and the key.
fn kept_paths(steps: &[Step], index: usize, by: Option<&str>) -> Vec<String> {
    let mut paths: BTreeSet<String> = by.map(str::to_owned).into_iter().collect();
    paths.extend(steps[index].asked.iter().flat_map(property_paths));
    for later in &steps[index + 1..] {
        let Some(filter) = &later.asked else { continue };
        filter.walk(&mut |condition| {
            for operand in condition.operands() {
                if let Operand::Step { step, path } = operand
                    && *step == index
                {
                    paths.insert(path.clone());
                }
            }
        });
    }
    paths.into_iter().collect()
}
