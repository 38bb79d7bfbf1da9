//! TW310: a message after a wait, in which the customer may have done what the message is to bring about.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding};
use crate::journey::graph::{Enter, Journey, Next, StepKind, Until, Wait};
use crate::lang::rules::{Condition, SegmentIndex, Selector};
use crate::model::{Span, platform_event};

use super::parts::Checked;

/// In a shorter wait little happens.
const LONG: Span = Span::HOUR;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    for journey in &checked.program.journeys {
        let aims = aims(journey, checked);
        let is_guarded =
            journey.exit_on_leave || journey.exit_when.as_ref().is_some_and(|exit| asks_any(exit, &aims, checked));
        if aims.is_empty() || is_guarded {
            continue;
        }
        for (step, waited) in journey.steps.iter().zip(waited(journey, &aims, checked)) {
            if matches!(step.kind, StepKind::Email { .. }) && waited >= LONG {
                let (aim, id) = (&aims[0], &step.id);
                let message = format!("message `{id}` goes out after a wait also to who did `{aim}` meanwhile");
                let finding = Finding::new(Code::UnguardedMessage, step.place, message);
                findings.push(finding.help(format!(
                    "end such runs: `exit: {{ when: did \"{aim}\" since entry }}`, or put a `branch` before the message"
                )));
            }
        }
    }
}

/// What the journey is to bring about: its goal, or else what the people whom it takes in did not do.
fn aims(journey: &Journey, checked: &Checked<'_>) -> Vec<String> {
    if let Some(goal) = &journey.goal {
        return vec![goal.event.clone()];
    }
    let Enter::Segment(segment) = journey.enter else { return Vec::new() };
    let mut asked = Asked::default();
    asked.gather(&Condition::InSegment(segment), false, checked);
    // `did "Product Added" … and did not "Product Added" in last 1 hour` is not about adding.
    let missed: Vec<String> = asked.not_done.difference(&asked.done).cloned().collect();
    if missed.is_empty() { asked.not_done.into_iter().collect() } else { missed }
}

/// Events that a segment asks for, and that it rules out.
#[derive(Default)]
struct Asked {
    done: BTreeSet<String>,
    not_done: BTreeSet<String>,
    seen: BTreeSet<SegmentIndex>,
}

impl Asked {
    fn gather(&mut self, condition: &Condition, negated: bool, checked: &Checked<'_>) {
        let rules = checked.rules();
        match condition {
            Condition::All(parts) if !negated => parts.iter().for_each(|part| self.gather(part, false, checked)),
            Condition::Any(parts) if negated => parts.iter().for_each(|part| self.gather(part, true, checked)),
            Condition::Not(inner) => self.gather(inner, !negated, checked),
            Condition::Did { trail, .. } => {
                if let Selector::Named(name) = &rules.trails[trail.at()].selector {
                    let list = if negated { &mut self.not_done } else { &mut self.done };
                    list.insert(name.clone());
                }
            }
            Condition::InSegment(index) if self.seen.insert(*index) => {
                self.gather(&rules.segments[index.at()].condition, negated, checked);
            }
            _ => {}
        }
    }
}

/// Of each step, the longest that a run may have waited since something last looked at the aims.
fn waited(journey: &Journey, aims: &[String], checked: &Checked<'_>) -> Vec<Span> {
    let mut waited = vec![Span(0); journey.steps.len()];
    // Arrows lead on only, so that every step is settled before those behind it.
    for (index, step) in journey.steps.iter().enumerate() {
        let so_far = waited[index];
        let mut go_on = |next: Next, span: Span| {
            if let Some(there) = next.and_then(|next| waited.get_mut(next)) {
                *there = (*there).max(span);
            }
        };
        match &step.kind {
            StepKind::Wait { wait, next } => go_on(*next, Span(so_far.0 + length(wait).0)),
            StepKind::WaitUntil { until, up_to, then, timeout } => {
                let span = if until_asks(until, aims, checked) { Span(0) } else { Span(so_far.0 + up_to.0) };
                go_on(*then, span);
                go_on(*timeout, span);
            }
            StepKind::Branch { arms, otherwise } => {
                let asks = arms.iter().any(|(condition, _)| asks_any(condition, aims, checked));
                let span = if asks { Span(0) } else { so_far };
                arms.iter().map(|(_, next)| *next).chain([*otherwise]).for_each(|next| go_on(next, span));
            }
            other => super::parts::arrows(other).into_iter().for_each(|next| go_on(next, so_far)),
        }
    }
    waited
}

fn length(wait: &Wait) -> Span {
    match wait {
        Wait::For(span) => *span,
        Wait::Calendar { days, .. } => Ord::max(Span::DAY.times(i64::from(*days)), LONG),
    }
}

fn until_asks(until: &Until, aims: &[String], checked: &Checked<'_>) -> bool {
    match until {
        Until::Event { name, .. } => aims.contains(name),
        Until::When(condition) => asks_any(condition, aims, checked),
        Until::Segment(segment) => asks_any(&Condition::InSegment(*segment), aims, checked),
        Until::Clicked(_) => aims.iter().any(|aim| aim == platform_event::EMAIL_CLICKED),
    }
}

/// Whether the condition asks for one of these events, itself or through segments and computes.
fn asks_any(condition: &Condition, aims: &[String], checked: &Checked<'_>) -> bool {
    let rules = checked.rules();
    let is_aim = |selector: &Selector| match selector {
        Selector::Named(name) => aims.contains(name),
        Selector::AnyActivity => aims.iter().any(|aim| platform_event::find(aim).is_none()),
    };
    let mut found = false;
    let mut seen = BTreeSet::new();
    let mut open = vec![condition];
    while let Some(condition) = open.pop() {
        let reads = rules.reads(condition);
        found |= reads.selectors(rules).any(is_aim);
        let inner = reads.segments.into_iter().filter(|index| seen.insert(*index));
        open.extend(inner.map(|index| &rules.segments[index.at()].condition));
    }
    found
}
