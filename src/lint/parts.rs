//! Walks over the parts of a program that several findings look at.

use crate::finding::Place;
use crate::journey::graph::{Enter, Journey, StepKind, Until};
use crate::lang::Rules;
use crate::lang::rules::{Condition, Operand};

/// A condition and all conditions inside it.
pub(super) fn walk(condition: &Condition, visit: &mut dyn FnMut(&Condition)) {
    condition.walk(&mut |part| visit(part));
}

/// All conditions of a journey, each with the place to show.
pub(super) fn conditions(journey: &Journey) -> Vec<(&Condition, Place)> {
    let mut found: Vec<(&Condition, Place)> = Vec::new();
    let heads = [journey.when.as_ref(), journey.exit_when.as_ref()];
    found.extend(heads.into_iter().flatten().map(|condition| (condition, journey.place)));
    match &journey.enter {
        Enter::Event { filter: Some(condition), .. } | Enter::Schedule { to: Some(condition), .. } => {
            found.push((condition, journey.place));
        }
        _ => {}
    }
    for step in &journey.steps {
        match &step.kind {
            StepKind::Branch { arms, .. } => found.extend(arms.iter().map(|(condition, _)| (condition, step.place))),
            StepKind::WaitUntil {
                until: Until::When(condition) | Until::Event { filter: Some(condition), .. },
                ..
            } => {
                found.push((condition, step.place));
            }
            _ => {}
        }
    }
    found
}

/// Where a comparison takes its value from, as the author wrote it.
pub(super) fn operand_name(operand: &Operand, rules: &Rules) -> String {
    match operand {
        Operand::Trait(index) => rules.traits[index.at()].name.clone(),
        Operand::Compute(index) => rules.computes[index.at()].name.clone(),
        Operand::Property(path) => path.clone(),
        Operand::Item(path) => path.clone(),
        Operand::Step { path, .. } => path.clone(),
        Operand::Account(path) => format!("account.{path}"),
        Operand::EntryProperty(path) => format!("entry.{path}"),
    }
}
