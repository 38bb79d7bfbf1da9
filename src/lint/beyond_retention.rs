//! TW215: a window that looks further back than events are kept.

use crate::finding::{Code, Finding, Place};
use crate::lang::rules::{Condition, Period};
use crate::lang::window::Window;
use crate::model::Span;

use super::parts::{Checked, aggregates};
use super::text::Region;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    let Some(kept) = checked.retention else { return };
    let rules = checked.rules();
    let mut look = |window: Window, region: &Region<'_>| {
        if window.about() > kept {
            findings.push(told(window, kept, region));
        }
    };
    for rule in checked.all_rules() {
        rule.condition.walk(&mut |part| match part {
            Condition::Did { period: Period::Last(window), .. }
            | Condition::Recall { period: Period::Last(window), .. } => {
                look(*window, &rule.region);
            }
            Condition::Sequence(index) => look(rules.sequences[index.at()].window, &rule.region),
            _ => {}
        });
    }
    for compute in &rules.computes {
        aggregates(&compute.formula, &mut |index| {
            if let Some(window) = rules.aggregates[index.at()].window {
                look(window, &checked.region(compute.place));
            }
        });
    }
}

fn told(window: Window, kept: Span, region: &Region<'_>) -> Finding {
    let message = format!("`{window}` looks further back than events are kept, which is {kept}");
    let needed = window.about();
    let help = format!("ask for {kept} at most, or keep more: `retention: {{ events: {needed} }}` in `tidewater.yaml`");
    Finding::new(Code::BeyondRetention, place(window, region), message).help(help)
}

/// The window, in whichever unit it is written.
fn place(window: Window, region: &Region<'_>) -> Place {
    let units: &[(&str, i64)] = match window {
        Window::Exact(_) => &[("week", Span::WEEK.0), ("day", Span::DAY.0), ("hour", Span::HOUR.0)],
        Window::Months(_) => &[("month", 1), ("year", 12)],
        Window::This(_) => &[],
    };
    let length = match window {
        Window::Exact(span) => span.0,
        Window::Months(months) => i64::from(months),
        Window::This(_) => 0,
    };
    let mut written = vec![window.to_string()];
    for (name, unit) in units.iter().filter(|(_, unit)| length % unit == 0) {
        let count = length / unit;
        written.extend([format!("in last {count} {name}s"), format!("in last {count} {name}")]);
    }
    written.iter().find_map(|words| region.find(words)).unwrap_or(region.whole())
}
