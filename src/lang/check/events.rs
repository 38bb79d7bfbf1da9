//! `did …`, `first|last … had …`: what happened.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding, Span};
use crate::lang::rules::*;
use crate::lang::syntax::*;
use crate::model::Timestamp;
use crate::model::limit::MOMENTS_KEPT;

use super::operands::{Around, Earlier, EventScope, Scope};
use super::{Checker, NOTHING};

impl Checker<'_> {
    pub(super) fn did(&mut self, did: &DidExpr, span: Span) -> Condition {
        if !did.steps.is_empty() {
            let sequence = self.sequence(did, span);
            return if did.negated { Condition::Not(Box::new(sequence)) } else { sequence };
        }
        self.refuse_parts_of_sequences(did);
        let selector = self.selector(&did.selector);
        let filter = did.filter.as_ref().map(|filter| self.filter(filter, &selector, self.scope.around(), &[]));
        let period = self.period(did);
        let dates = self.dates(did);
        let condition = match filter {
            Some(filter) if !is_of_event_alone(&filter) => self.recalled(selector, filter, did, period, span),
            filter => self.counted(selector, filter, did.times, dates, period),
        };
        if did.negated { Condition::Not(Box::new(condition)) } else { condition }
    }

    fn refuse_parts_of_sequences(&mut self, did: &DidExpr) {
        let alone = [
            ("as", did.alias.as_ref().map(|alias| alias.span)),
            ("by", did.key.as_ref().map(|key| key.span)),
            ("all within", did.all_within.as_ref().map(|within| within.span)),
        ];
        for (word, at) in alone {
            if let Some(at) = at {
                let message = format!("`{word}` means something where another event follows");
                let finding = self.finding(Code::Syntax, at, message);
                self.findings.push(finding.help("add `then \"…\" within …`, or leave it out"));
            }
        }
    }

    /// How often, as conditions on a trail.
    fn counted(
        &mut self,
        selector: Selector,
        filter: Option<Condition>,
        times: Option<(Frequency, Span)>,
        dates: (Option<Timestamp>, Option<Timestamp>),
        period: Period,
    ) -> Condition {
        let Some((frequency, span)) = times else {
            return self.dated(selector, filter, dates, TrailKind::Each, 1, period);
        };
        let kind = match frequency {
            Frequency::OnDays(_) => TrailKind::Days,
            Frequency::FirstTime => TrailKind::First,
            _ => TrailKind::Each,
        };
        let at_least =
            |checker: &mut Self, n: u32| checker.dated(selector.clone(), filter.clone(), dates, kind, n, period);
        match frequency {
            Frequency::FirstTime => at_least(self, 1),
            Frequency::AtLeast(n) | Frequency::OnDays(n) => {
                let n = self.times(n, span);
                at_least(self, n)
            }
            Frequency::AtMost(n) => {
                let n = self.times(n.saturating_add(1), span);
                Condition::Not(Box::new(at_least(self, n)))
            }
            Frequency::Exactly(0) => Condition::Not(Box::new(at_least(self, 1))),
            Frequency::Exactly(n) => {
                let n = self.times(n, span);
                let more = at_least(self, n + 1);
                Condition::All(vec![at_least(self, n), Condition::Not(Box::new(more))])
            }
        }
    }

    fn times(&mut self, times: u32, span: Span) -> u32 {
        let most = MOMENTS_KEPT as u32 - 1;
        if times == 0 || times > most {
            let finding =
                self.finding(Code::BadDuration, span, format!("a number of times must lie between 1 and {most}"));
            self.findings.push(
                finding.help("everyone did everything at least 0 times; to ask for who did not, write `did not`"),
            );
        }
        times.clamp(1, most)
    }

    /// `did` at least `n` times on a trail of its own or a shared one.
    pub(super) fn happened(
        &mut self,
        selector: Selector,
        filter: Option<Condition>,
        kind: TrailKind,
        at_least: u32,
        period: Period,
    ) -> Condition {
        self.dated(selector, filter, (None, None), kind, at_least, period)
    }

    fn dated(
        &mut self,
        selector: Selector,
        filter: Option<Condition>,
        dates: (Option<Timestamp>, Option<Timestamp>),
        kind: TrailKind,
        at_least: u32,
        period: Period,
    ) -> Condition {
        let trail = self.compiler.trail(selector, filter, dates, kind, at_least);
        if let Period::Last(window) = period {
            self.compiler.window(trail, at_least, window);
        }
        Condition::Did { trail, at_least, period }
    }

    /// A `did` whose `where` looks at more than the event: what it looks at is kept.
    fn recalled(
        &mut self,
        selector: Selector,
        filter: Condition,
        did: &DidExpr,
        period: Period,
        span: Span,
    ) -> Condition {
        let is_dated = matches!(did.period, Some((PeriodItem::Dates { .. }, _)));
        if is_dated || matches!(did.times, Some((Frequency::OnDays(_) | Frequency::FirstTime, _))) {
            let message = "days, dates and first times cannot be asked of what is compared with the customer";
            let finding = self.finding(Code::TypeMismatch, span, message);
            return self.report(finding.help("compare with a value in this `where`, or leave the days out"));
        }
        let keep = match period {
            Period::Last(window) => RecallKeep::Window(window),
            _ => RecallKeep::All,
        };
        let (fixed, asked) = split(filter);
        let paths = property_paths(&asked);
        let recall = self.compiler.recall(selector, fixed, paths, keep);
        let of = |at_least| Condition::Recall { recall, filter: Box::new(asked.clone()), at_least, period };
        match did.times {
            None | Some((Frequency::OnDays(_) | Frequency::FirstTime, _)) => of(1),
            Some((Frequency::AtLeast(n), span)) => of(self.times(n, span)),
            Some((Frequency::AtMost(n), span)) => {
                let n = self.times(n.saturating_add(1), span);
                Condition::Not(Box::new(of(n)))
            }
            Some((Frequency::Exactly(0), _)) => Condition::Not(Box::new(of(1))),
            Some((Frequency::Exactly(n), span)) => {
                let n = self.times(n, span);
                Condition::All(vec![of(n), Condition::Not(Box::new(of(n + 1)))])
            }
        }
    }

    /// `last "Order Completed" in last 30 days had revenue > 100`: the newest of all, if it is in the window.
    pub(super) fn edge(&mut self, is_first: bool, of: &Occurrences) -> Condition {
        let selector = self.selector(&of.selector);
        let around = self.scope.around();
        let filter = of.filter.as_ref().map_or(NOTHING, |filter| self.filter(filter, &selector, around, &[]));
        let period = of.window.as_ref().map_or(Period::Ever, |window| self.last(window));
        let keep = if is_first { RecallKeep::Oldest } else { RecallKeep::Newest };
        let paths = property_paths(&filter);
        let recall = self.compiler.recall(selector, None, paths, keep);
        if let Period::Last(window) = period {
            self.compiler.recall_window(recall, window);
        }
        Condition::Recall { recall, filter: Box::new(filter), at_least: 1, period }
    }

    pub(in crate::lang) fn selector(&mut self, item: &SelectorItem) -> Selector {
        match item {
            SelectorItem::AnyActivity => Selector::AnyActivity,
            SelectorItem::Event(name) => {
                let place = self.place(name.span);
                if let Err(finding) = self.compiler.names.check_event(&name.text, place) {
                    self.findings.push(finding);
                }
                Selector::Named(name.text.clone())
            }
        }
    }

    /// The `where` of a selector.
    pub(in crate::lang) fn filter(
        &mut self,
        filter: &Expr,
        selector: &Selector,
        around: Around<'_>,
        earlier: &[Earlier],
    ) -> Condition {
        let event = match selector {
            Selector::Named(name) => Some(name.as_str()),
            Selector::AnyActivity => None,
        };
        let scope = Scope::Event(EventScope { event, around, earlier });
        self.inside(scope, |inner| inner.condition(filter))
    }

    pub(super) fn period(&mut self, did: &DidExpr) -> Period {
        match &did.period {
            None | Some((PeriodItem::Dates { .. }, _)) => Period::Ever,
            Some((PeriodItem::Last(window), _)) => self.last(window),
            Some((PeriodItem::SinceEntry, span)) => {
                if !matches!(self.scope, Scope::Journey { .. }) {
                    let message = "`since entry` means something in a journey only";
                    let finding = self.finding(Code::SinceEntryOutside, *span, message);
                    self.findings.push(finding);
                }
                Period::SinceEntry
            }
            Some((PeriodItem::SinceLast(selector), _)) => {
                let selector = self.selector(selector);
                Period::SinceLast(self.compiler.trail(selector, None, (None, None), TrailKind::Each, 1))
            }
        }
    }

    /// `since "2026-01-01"`, `between … and …`: days of the workspace's calendar, or instants.
    fn dates(&mut self, did: &DidExpr) -> (Option<Timestamp>, Option<Timestamp>) {
        let Some((PeriodItem::Dates { from, until }, span)) = &did.period else { return (None, None) };
        let from = from.as_ref().and_then(|literal| self.instant(literal));
        let until = until.as_ref().and_then(|literal| self.instant(literal));
        if let (Some(from), Some(until)) = (from, until)
            && from >= until
        {
            let finding = self.finding(Code::BadDuration, *span, "this stretch of time ends before it begins");
            self.findings.push(finding.help("the first date belongs to it, the second does not"));
        }
        (from, until)
    }

    fn instant(&mut self, literal: &Literal) -> Option<Timestamp> {
        let found = crate::lang::window::When::of(&literal.value);
        if found.is_none() {
            let place = self.place(literal.span);
            let finding = Finding::new(Code::BadDuration, place, format!("`{}` is no date", literal.value));
            self.findings.push(finding.help("write it as `\"2026-03-31\"` or `\"2026-03-31T12:00:00Z\"`"));
        }
        found.map(|when| when.instant(self.compiler.calendar()))
    }
}

/// Whether a filter can be decided once, when the event comes.
pub(in crate::lang) fn is_of_event_alone(filter: &Condition) -> bool {
    let mut is_alone = true;
    filter.walk(&mut |condition| {
        is_alone &=
            condition.operands().iter().all(|operand| matches!(operand, Operand::Property(_) | Operand::Item(_)));
    });
    is_alone
}

/// Parts of a filter that can be decided when the event comes, and those that cannot.
pub(super) fn split(filter: Condition) -> (Option<Condition>, Condition) {
    let parts = match filter {
        Condition::All(parts) => parts,
        other => vec![other],
    };
    let (mut fixed, asked): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_of_event_alone);
    let fixed = match fixed.len() {
        0 => None,
        1 => fixed.pop(),
        _ => Some(Condition::All(fixed)),
    };
    (fixed, Condition::All(asked))
}

/// The properties of the event that a filter names.
pub(super) fn property_paths(filter: &Condition) -> Vec<String> {
    let mut paths = BTreeSet::new();
    filter.walk(&mut |condition| {
        for operand in condition.operands() {
            if let Operand::Property(path) = operand {
                paths.insert(path.clone());
            }
        }
    });
    paths.into_iter().collect()
}
