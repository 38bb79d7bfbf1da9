//! What an operand of a rule is in data: a property of which events, or a trait.

use crate::lang::Rules;
use crate::lang::rules::{ComputeIndex, Formula, Measure, Operand, Selector, ValueKind};

use super::tallies::{Bearer, Reach, Subject};

/// What names mean where a condition stands.
#[derive(Clone, Copy, Default)]
pub(super) struct Scope<'a> {
    /// In a `where`.
    pub(super) event: Option<&'a Selector>,
    /// The events of a sequence.
    pub(super) steps: &'a [&'a Selector],
    /// By which a journey begins.
    pub(super) entry: Option<&'a Selector>,
    /// In `any`, `all` and `count`: the list.
    pub(super) list: Option<&'a Operand>,
}

/// An operand as it stands in data.
pub(super) struct Found<'a> {
    pub(super) subject: Subject,
    /// As the author wrote it.
    pub(super) written: String,
    /// The events in whose `where` it stands.
    pub(super) event: Option<&'a Selector>,
    /// Whether it is personal.
    pub(super) is_private: bool,
}

impl<'a> Scope<'a> {
    /// What the operand is in data, if data can be looked into for it; `is_list` where its items are meant.
    pub(super) fn find(&self, operand: &Operand, is_list: bool, rules: &Rules) -> Option<Found<'a>> {
        let reach = if is_list { Reach::EachItem } else { Reach::Itself };
        let of_event = |of: &Selector, path: &str| {
            let bearer = Bearer::Event(of.clone());
            Subject { bearer, path: path.to_owned(), reach: reach.clone() }
        };
        let (mut event, mut is_private) = (None, false);
        let (subject, written) = match operand {
            Operand::Trait(index) => {
                let declared = &rules.traits[index.at()];
                is_private = declared.pii.is_some();
                (Subject { bearer: Bearer::Profile, path: declared.name.clone(), reach }, declared.name.clone())
            }
            Operand::Property(path) => {
                event = self.event;
                (of_event(self.event?, path), path.clone())
            }
            Operand::Step { step, path } => (of_event(self.steps.get(*step)?, path), path.clone()),
            Operand::EntryProperty(path) => (of_event(self.entry?, path), format!("entry.{path}")),
            Operand::Compute(index) => {
                let (of, path) = value_compute(*index, rules)?;
                (of_event(of, path), rules.computes[index.at()].name.clone())
            }
            // A list in an item of a list is too deep for us.
            Operand::Item(_) if is_list => return None,
            Operand::Item(path) => {
                let list = Self { list: None, ..*self }.find(self.list?, false, rules)?;
                (event, is_private) = (list.event, list.is_private);
                (Subject { reach: Reach::OfEachItem(path.clone()), ..list.subject }, path.clone())
            }
            _ => return None,
        };
        Some(Found { subject, written, event, is_private })
    }
}

/// The events and the property of a compute that holds one of its values.
fn value_compute(index: ComputeIndex, rules: &Rules) -> Option<(&Selector, &str)> {
    let Formula::Aggregate(index) = &rules.computes[index.at()].formula else { return None };
    let aggregate = &rules.aggregates[index.at()];
    match &aggregate.measure {
        Measure::Values { kind: ValueKind::UniqueCount, .. } => None,
        Measure::Values { property, .. } => Some((&aggregate.selector, property)),
        _ => None,
    }
}
