//! TW215: a window that looks further back than events are kept.

use crate::finding::{Code, Finding, Place};
use crate::lang::rules::{Condition, Period};
use crate::model::Span;

use super::parts::{Checked, walk};
use super::text::Region;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    let Some(kept) = checked.retention else { return };
    for rule in checked.all_rules() {
        walk(rule.condition, &mut |part| {
            if let Condition::Did { period: Period::Last(window), .. } = part
                && *window > kept
            {
                findings.push(told(*window, kept, place(&rule.region, *window)));
            }
        });
    }
    for compute in &checked.rules().computes {
        if let Some(window) = compute.window.filter(|window| *window > kept) {
            findings.push(told(window, kept, place(&checked.region(compute.place), window)));
        }
    }
}

fn told(window: Span, kept: Span, place: Place) -> Finding {
    let message = format!("`in last {window}` looks further back than events are kept, which is {kept}");
    let help = format!("ask for {kept} at most, or keep more: `retention: {{ events: {window} }}` in `tidewater.yaml`");
    Finding::new(Code::BeyondRetention, place, message).help(help)
}

/// The window, in whichever unit it is written.
fn place(region: &Region<'_>, window: Span) -> Place {
    let units = [("week", Span::WEEK), ("day", Span::DAY), ("hour", Span::HOUR), ("minute", Span::MINUTE)];
    let fitting = units.into_iter().filter(|(_, unit)| window.0 % unit.0 == 0);
    let mut written = fitting.flat_map(|(name, unit)| {
        let count = window.0 / unit.0;
        [format!("in last {count} {name}s"), format!("in last {count} {name}")]
    });
    written.find_map(|words| region.find(&words)).unwrap_or(region.whole())
}
