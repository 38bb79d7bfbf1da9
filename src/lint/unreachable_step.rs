//! TW303: a step that no run can come to, because an `exit` stands before it.

use crate::finding::{Code, Finding};
use crate::journey::graph::{Journey, Next, StepKind};
use crate::workspace::Program;

pub(super) fn check(program: &Program, findings: &mut Vec<Finding>) {
    for journey in &program.journeys {
        let reached = reached(journey);
        for (step, _) in journey.steps.iter().zip(&reached).filter(|(_, reached)| !**reached) {
            let message = format!("no run of `{}` comes to step `{}`", journey.name, step.id);
            let finding = Finding::new(Code::UnreachableStep, step.place, message);
            findings.push(finding.help("every way to it ends at an `exit` before; move it up or leave it out"));
        }
    }
}

/// Of each step, whether a run can come to it.
fn reached(journey: &Journey) -> Vec<bool> {
    let mut reached = vec![false; journey.steps.len()];
    let mut open: Vec<usize> = journey.first.into_iter().collect();
    while let Some(index) = open.pop() {
        if let Some(seen @ false) = reached.get_mut(index) {
            *seen = true;
            open.extend(arrows(&journey.steps[index].kind).into_iter().flatten());
        }
    }
    reached
}

fn arrows(kind: &StepKind) -> Vec<Next> {
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
