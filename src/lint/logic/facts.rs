//! What must be so where conditions hold, and where they contradict each other. What cannot be told counts as possible.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::lang::Rules;
use crate::lang::eval::compare;

use super::form::{Form, Test};
use super::line::States;
use super::moments::{Times, Within};
use super::subject::Subject;

/// All that follows from conditions which hold together.
#[derive(Debug)]
pub struct Facts<'r> {
    rules: &'r Rules,
    /// What holds already where these facts belong to one part of a choice.
    below: Option<&'r Facts<'r>>,
    own: Own,
}

#[derive(Debug, Default)]
struct Own {
    states: BTreeMap<Subject, States>,
    tests: Vec<(Subject, Test, bool)>,
    done: Vec<Times>,
    not_done: Vec<Times>,
    claims: BTreeMap<Arc<str>, bool>,
}

/// Why conditions cannot hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// Nothing is left that the subject could be.
    Values(Subject),
    /// Who did the first did the second, which is ruled out.
    Did { done: Times, ruled_out: Times },
    /// The same is asked for and ruled out.
    Claim,
    /// None of several parts is possible beside the rest.
    NoPart,
}

impl<'r> Facts<'r> {
    #[must_use]
    pub fn new(rules: &'r Rules) -> Self {
        Self { rules, below: None, own: Own::default() }
    }

    /// These facts and those below them.
    fn levels(&self) -> impl Iterator<Item = &Own> {
        std::iter::successors(Some(self), |facts| facts.below).map(|facts| &facts.own)
    }

    /// Takes in that this holds as well.
    ///
    /// # Errors
    /// If it cannot.
    pub fn add(&mut self, form: &Form) -> Result<(), Conflict> {
        match form {
            Form::Among(subject, states) => self.narrow(subject, states),
            Form::Tested { subject, test, holds } => self.test(subject, test, *holds),
            Form::Did { times, holds: true } => self.did(times),
            Form::Did { times, holds: false } => self.did_not(times),
            Form::Claim { what, holds } => self.claim(what, *holds),
            Form::All(parts) => {
                let (choices, plain): (Vec<_>, Vec<_>) = parts.iter().partition(|part| matches!(part, Form::Any(_)));
                plain.into_iter().chain(choices).try_for_each(|part| self.add(part))
            }
            Form::Any(parts) => self.one_of(parts),
        }
    }

    /// What is left of what the subject can be.
    fn states(&self, subject: &Subject) -> States {
        let narrowed = self.levels().find_map(|own| own.states.get(subject));
        narrowed.cloned().unwrap_or_else(|| subject.domain(self.rules))
    }

    fn narrow(&mut self, subject: &Subject, states: &States) -> Result<(), Conflict> {
        let mut left = self.states(subject).and(states);
        for (_, test, holds) in self.levels().flat_map(|own| &own.tests).filter(|(tested, _, _)| tested == subject) {
            left.keep_points(|value| compare(value, test.operator, &test.value) == *holds);
        }
        let is_possible = !left.is_empty();
        self.own.states.insert(subject.clone(), left);
        if is_possible { Ok(()) } else { Err(Conflict::Values(subject.clone())) }
    }

    fn test(&mut self, subject: &Subject, test: &Test, holds: bool) -> Result<(), Conflict> {
        let is_ruled_out = (self.levels().flat_map(|own| &own.tests))
            .any(|(other, same, held)| other == subject && same == test && *held != holds);
        if is_ruled_out {
            return Err(Conflict::Values(subject.clone()));
        }
        self.own.tests.push((subject.clone(), test.clone(), holds));
        let mut possible = subject.domain(self.rules);
        possible.missing &= !holds;
        self.narrow(subject, &possible)
    }

    fn did(&mut self, times: &Times) -> Result<(), Conflict> {
        let ruled_out = self.levels().flat_map(|own| &own.not_done).find(|not| times.implies(not, self.rules));
        if let Some(ruled_out) = ruled_out {
            return Err(Conflict::Did { done: times.clone(), ruled_out: ruled_out.clone() });
        }
        self.own.done.push(times.clone());
        match times.within {
            // Nothing is since the last of what never happened.
            Within::SinceLast(trail) => self.did(&Times { trail, at_least: 1, within: Within::Ever }),
            _ => Ok(()),
        }
    }

    fn did_not(&mut self, times: &Times) -> Result<(), Conflict> {
        let done = self.levels().flat_map(|own| &own.done).find(|done| done.implies(times, self.rules));
        if let Some(done) = done {
            return Err(Conflict::Did { done: done.clone(), ruled_out: times.clone() });
        }
        self.own.not_done.push(times.clone());
        Ok(())
    }

    fn claim(&mut self, what: &Arc<str>, holds: bool) -> Result<(), Conflict> {
        if self.levels().find_map(|own| own.claims.get(what)).is_some_and(|before| *before != holds) {
            return Err(Conflict::Claim);
        }
        self.own.claims.insert(Arc::clone(what), holds);
        Ok(())
    }

    /// What follows from a choice is what follows from each of its possible parts.
    fn one_of(&mut self, parts: &[Form]) -> Result<(), Conflict> {
        let mut shared: Option<Own> = None;
        for part in parts {
            let mut facts = Facts { rules: self.rules, below: Some(self), own: Own::default() };
            if facts.add(part).is_err() {
                continue;
            }
            match &mut shared {
                Some(shared) => shared.keep_shared(&facts.own, self.rules),
                None => shared = Some(facts.own),
            }
            if shared.as_ref().is_some_and(Own::is_empty) {
                break;
            }
        }
        self.own.take_in(shared.ok_or(Conflict::NoPart)?);
        Ok(())
    }
}

impl Own {
    fn is_empty(&self) -> bool {
        self.states.is_empty()
            && self.tests.is_empty()
            && self.done.is_empty()
            && self.not_done.is_empty()
            && self.claims.is_empty()
    }

    fn keep_shared(&mut self, other: &Self, rules: &Rules) {
        self.states.retain(|subject, states| match other.states.get(subject) {
            Some(others) => {
                *states = states.or(others);
                true
            }
            None => false,
        });
        self.tests.retain(|test| other.tests.contains(test));
        self.done.retain(|done| other.done.iter().any(|others| others.implies(done, rules)));
        self.not_done.retain(|not| other.not_done.iter().any(|others| not.implies(others, rules)));
        self.claims.retain(|what, holds| other.claims.get(what) == Some(holds));
    }

    fn take_in(&mut self, other: Self) {
        self.states.extend(other.states);
        self.tests.extend(other.tests);
        self.done.extend(other.done);
        self.not_done.extend(other.not_done);
        self.claims.extend(other.claims);
    }
}
