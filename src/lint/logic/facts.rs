//! What must be so where conditions hold, and where they contradict each other. What cannot be told counts as possible.

use std::collections::BTreeMap;

use crate::lang::Rules;
use crate::lang::eval::compare;

use super::form::{Form, Test};
use super::line::States;
use super::moments::{Times, Within};
use super::subject::Subject;

/// All that follows from conditions which hold together.
#[derive(Debug, Clone)]
pub struct Facts<'r> {
    rules: &'r Rules,
    states: BTreeMap<Subject, States>,
    tests: Vec<(Subject, Test, bool)>,
    done: Vec<Times>,
    not_done: Vec<Times>,
    claims: BTreeMap<String, bool>,
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
        Self {
            rules,
            states: BTreeMap::new(),
            tests: Vec::new(),
            done: Vec::new(),
            not_done: Vec::new(),
            claims: BTreeMap::new(),
        }
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
            Form::Claim { what, holds } => match self.claims.insert(what.clone(), *holds) {
                Some(before) if before != *holds => Err(Conflict::Claim),
                _ => Ok(()),
            },
            Form::All(parts) => {
                let (choices, plain): (Vec<_>, Vec<_>) = parts.iter().partition(|part| matches!(part, Form::Any(_)));
                plain.into_iter().chain(choices).try_for_each(|part| self.add(part))
            }
            Form::Any(parts) => self.one_of(parts),
        }
    }

    /// What this leaves possible to the subject.
    #[must_use]
    pub fn states(&self, subject: &Subject) -> States {
        self.states.get(subject).cloned().unwrap_or_else(|| subject.domain(self.rules))
    }

    fn narrow(&mut self, subject: &Subject, states: &States) -> Result<(), Conflict> {
        let mut left = self.states(subject).and(states);
        for (_, test, holds) in self.tests.iter().filter(|(tested, _, _)| tested == subject) {
            left.keep_points(|value| compare(value, test.operator, &test.value) == *holds);
        }
        let is_possible = !left.is_empty();
        self.states.insert(subject.clone(), left);
        if is_possible { Ok(()) } else { Err(Conflict::Values(subject.clone())) }
    }

    fn test(&mut self, subject: &Subject, test: &Test, holds: bool) -> Result<(), Conflict> {
        if self.tests.iter().any(|(other, same, held)| other == subject && same == test && *held != holds) {
            return Err(Conflict::Values(subject.clone()));
        }
        self.tests.push((subject.clone(), test.clone(), holds));
        let mut possible = subject.domain(self.rules);
        possible.missing &= !holds;
        self.narrow(subject, &possible)
    }

    fn did(&mut self, times: &Times) -> Result<(), Conflict> {
        if let Some(ruled_out) = self.not_done.iter().find(|not| times.implies(not, self.rules)) {
            return Err(Conflict::Did { done: times.clone(), ruled_out: ruled_out.clone() });
        }
        self.done.push(times.clone());
        match times.within {
            // Nothing is since the last of what never happened.
            Within::SinceLast(trail) => self.did(&Times { trail, at_least: 1, within: Within::Ever }),
            _ => Ok(()),
        }
    }

    fn did_not(&mut self, times: &Times) -> Result<(), Conflict> {
        if let Some(done) = self.done.iter().find(|done| done.implies(times, self.rules)) {
            return Err(Conflict::Did { done: done.clone(), ruled_out: times.clone() });
        }
        self.not_done.push(times.clone());
        Ok(())
    }

    /// What follows from a choice is what follows from each of its possible parts.
    fn one_of(&mut self, parts: &[Form]) -> Result<(), Conflict> {
        let mut shared: Option<Self> = None;
        for part in parts {
            let mut facts = self.clone();
            if facts.add(part).is_err() {
                continue;
            }
            match &mut shared {
                Some(shared) => shared.keep_shared(&facts),
                None => shared = Some(facts),
            }
        }
        *self = shared.ok_or(Conflict::NoPart)?;
        Ok(())
    }

    fn keep_shared(&mut self, other: &Self) {
        let rules = self.rules;
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
}
