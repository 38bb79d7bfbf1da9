//! TW307: an arm of a branch that no run takes.

use crate::finding::{Code, Finding};
use crate::journey::graph::{Enter, Journey, Step, StepKind};

use super::logic::Form;
use super::parts::Checked;
use super::words::written;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    for journey in &checked.program.journeys {
        let always = always(journey, checked);
        if checked.logic.conflict(&always).is_some() {
            continue;
        }
        for step in &journey.steps {
            look(step, &always, checked, findings);
        }
    }
}

/// What holds as long as a run lasts.
fn always(journey: &Journey, checked: &Checked<'_>) -> Vec<Form> {
    let mut always = Vec::new();
    if let (Enter::Segment(index), true) = (&journey.enter, journey.exit_on_leave) {
        always.push(checked.logic.membership(*index));
    }
    always.extend(journey.exit_when.as_ref().map(|exit| checked.logic.negated(checked.logic.form(exit))));
    always
}

fn look(step: &Step, always: &[Form], checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    let StepKind::Branch { arms, .. } = &step.kind else { return };
    let logic = &checked.logic;
    let mut before: Vec<Form> = Vec::new();
    for (condition, _) in arms {
        let form = logic.form(condition);
        // What never holds by itself has a finding already.
        let is_possible = logic.conflict([&form]).is_none();
        let why = if !is_possible {
            None
        } else if logic.conflict(always.iter().chain([&form])).is_some() {
            Some(("the run has ended wherever this holds", "look at `exit` and `on_leave` of the journey"))
        } else if logic.conflict(always.iter().chain(&before).chain([&form])).is_some() {
            Some(("an arm before takes everyone who meets this", "put it before that arm, or take it out"))
        } else {
            None
        };
        if let Some((message, help)) = why {
            let mut words = Vec::new();
            condition.walk(&mut |part| words.extend(written(part, checked.rules())));
            let region = checked.region(step.place);
            let place = region.find_all(words.iter().map(String::as_str)).unwrap_or(step.place);
            findings.push(Finding::new(Code::UntakenBranch, place, message).help(help));
        } else if is_possible {
            before.push(logic.negated(form));
        }
    }
}
