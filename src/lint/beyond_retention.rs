//! TW215: a window that looks further back than events are kept.

use crate::finding::{Code, Finding, Place};
use crate::lang::rules::{Condition, Formula, Period};
use crate::lang::window::Window;
use crate::model::Span;

use super::parts::{Checked, walk};
use super::text::Region;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    let Some(kept) = checked.retention else { return };
    let rules = checked.rules();
    for rule in checked.all_rules() {
        walk(rule.condition, &mut |part| {
            let window = match part {
                Condition::Did { period: Period::Last(window), .. }
                | Condition::Recall { period: Period::Last(window), .. } => *window,
                Condition::Sequence(index) => rules.sequences[index.at()].window,
                _ => return,
            };
            if window.about() > kept {
                findings.push(told(window, kept, place(&rule.region, window)));
            }
        });
    }
    for compute in &rules.computes {
        compute.formula.walk(&mut |part| {
            if let Formula::Aggregate(index) = part
                && let Some(window) = rules.aggregates[index.at()].window
                && window.about() > kept
            {
                findings.push(told(window, kept, place(&checked.region(compute.place), window)));
            }
        });
    }
}

fn told(window: Window, kept: Span, place: Place) -> Finding {
    let message = format!("`{window}` looks further back than events are kept, which is {kept}");
    let help = format!(
        "ask for {kept} at most, or keep more: `retention: {{ events: {} }}` in `tidewater.yaml`",
        window.about()
    );
    Finding::new(Code::BeyondRetention, place, message).help(help)
}

/// The window, in whichever unit it is written.
fn place(region: &Region<'_>, window: Window) -> Place {
    let Window::Exact(window) = window else {
        return region.find(&window.to_string()).unwrap_or(region.whole());
    };
    let units = [("week", Span::WEEK), ("day", Span::DAY), ("hour", Span::HOUR), ("minute", Span::MINUTE)];
    let fitting = units.into_iter().filter(|(_, unit)| window.0 % unit.0 == 0);
    let mut written = fitting.flat_map(|(name, unit)| {
        let count = window.0 / unit.0;
        [format!("in last {count} {name}s"), format!("in last {count} {name}")]
    });
    written.find_map(|words| region.find(&words)).unwrap_or(region.whole())
}
