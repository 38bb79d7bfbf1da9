//! What conditions mean together: whether one can hold, always holds, or means the same as another.
//!
//! A condition becomes a [`Form`]; forms that hold together become [`Facts`], or a [`Conflict`]. A segment inside a
//! condition stands for its own form, so all of this reaches through segments.

mod facts;
mod form;
mod line;
mod moments;
mod subject;
#[cfg(test)]
mod tests;

use crate::lang::Rules;
use crate::lang::rules::{Condition, SegmentIndex};
use crate::model::Value;

pub(super) use facts::{Conflict, Facts};
pub(super) use form::Form;
pub(super) use moments::{Times, Within};
pub(super) use subject::Subject;

/// A segment of more questions than this is not looked into from outside, so that chains of segments stay cheap.
const LOOKED_INTO: usize = 32;

/// The forms of all segments of a workspace.
pub(super) struct Logic<'r> {
    rules: &'r Rules,
    segments: Vec<Known>,
}

/// A segment's form, and whether somebody can be in it and somebody outside.
#[derive(Clone)]
struct Known {
    form: Form,
    is_open: bool,
    is_small: bool,
}

impl<'r> Logic<'r> {
    /// Looks at every segment after those that it names.
    pub(super) fn new(rules: &'r Rules) -> Self {
        let unknown = Known { form: Form::All(Vec::new()), is_open: false, is_small: false };
        let mut logic = Self { rules, segments: vec![unknown; rules.segments.len()] };
        for index in logic.order() {
            let form = logic.form(&rules.segments[index].condition);
            let is_open = logic.conflict([&form]).is_none() && logic.conflict([&form.clone().negated(rules)]).is_none();
            let is_small = form.size() <= LOOKED_INTO;
            logic.segments[index] = Known { form, is_open, is_small };
        }
        logic
    }

    /// The segments, each behind those that it names.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.rules.segments.len()).collect();
        order.sort_by_key(|index| self.rules.readers.segment_rank[*index]);
        order
    }

    /// The form of a condition.
    pub(super) fn form(&self, condition: &Condition) -> Form {
        Form::of(condition, self.rules, &|index| self.membership(index))
    }

    /// What being in this segment means. A segment in which nobody or everybody is has a finding of its own, which
    /// must not be repeated wherever the segment is named.
    pub(super) fn membership(&self, index: SegmentIndex) -> Form {
        if self.is_looked_into(index) {
            return self.segments[index.at()].form.clone();
        }
        Form::Claim { what: format!("in segment {}", self.rules.segments[index.at()].name).into(), holds: true }
    }

    pub(super) fn is_looked_into(&self, index: SegmentIndex) -> bool {
        let known = &self.segments[index.at()];
        known.is_open && known.is_small
    }

    /// The form of a segment, if somebody can be in it and somebody outside.
    pub(super) fn open_segment(&self, index: usize) -> Option<&Form> {
        self.segments.get(index).filter(|known| known.is_open).map(|known| &known.form)
    }

    pub(super) fn negated(&self, form: Form) -> Form {
        form.negated(self.rules)
    }

    /// Why a condition never holds; `None` where it can. That of a segment inside it has a finding of its own.
    pub(super) fn never(&self, condition: &Condition) -> Option<Conflict> {
        match condition {
            Condition::InSegment(_) | Condition::Did { .. } => None,
            condition => self.conflict([&self.form(condition)]),
        }
    }

    /// Whether a condition always holds.
    pub(super) fn always(&self, condition: &Condition) -> bool {
        match condition {
            Condition::InSegment(_) | Condition::Did { .. } => false,
            condition => self.conflict([&self.negated(self.form(condition))]).is_some(),
        }
    }

    /// Why all of these cannot hold together; `None` where they can, as far as can be told.
    pub(super) fn conflict<'f>(&self, forms: impl IntoIterator<Item = &'f Form>) -> Option<Conflict> {
        let mut facts = Facts::new(self.rules);
        forms.into_iter().try_for_each(|form| facts.add(form)).err()
    }

    /// That the event's property of this name holds this text.
    pub(super) fn property_is(&self, name: &str, text: &str) -> Form {
        let subject = Subject::Property(name.to_owned());
        let states = subject.among(&[Value::from(text)], false, self.rules);
        Form::Among(subject, states)
    }

    /// That every subject of the form has a value.
    pub(super) fn all_known(&self, form: &Form) -> Form {
        let mut known = Vec::new();
        form.subjects(&mut |subject| {
            let mut states = subject.domain(self.rules);
            states.missing = false;
            known.push(Form::Among(subject.clone(), states));
        });
        Form::all(known)
    }
}
