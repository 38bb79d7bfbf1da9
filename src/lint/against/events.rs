//! TW702 and TW703: events that rules read, and that never came or come no more.

use crate::finding::{Code, Finding};
use crate::model::{Span, Timestamp};

use super::{Answers, Questions, counted};

/// An event that did not happen for so long has stopped, if others went on.
const STOPPED: Span = Span::DAY.times(30);

pub(super) fn check(questions: &Questions, answers: &Answers, findings: &mut Vec<Finding>) {
    let Some(newest) = answers.newest else { return };
    for (event, places) in &questions.events {
        let (code, message, help) = match answers.events.get(event) {
            None => (
                Code::EventNeverCame,
                format!("no `{event}` ever came"),
                "ask whoever sends the events whether it is called otherwise, or is not sent yet",
            ),
            Some(total) if total.latest < newest - STOPPED => (
                Code::EventStopped,
                format!(
                    "no `{event}` in the last {STOPPED}; {} came before, the latest on {}",
                    counted(total.times),
                    day(total.latest)
                ),
                "ask whoever sends the events whether something broke or the name has changed",
            ),
            Some(_) => continue,
        };
        findings.extend(places.iter().map(|place| Finding::new(code, *place, message.clone()).help(help)));
    }
}

fn day(at: Timestamp) -> String {
    at.to_string().chars().take("2026-03-01".len()).collect()
}
