//! Parts of rules as their author would write them.

use crate::lang::Rules;
use crate::lang::rules::{Condition, Period};
use crate::lang::say::{say, say_did};

use super::logic::{Times, Within};

pub(super) use crate::lang::say::{say_operator as operator_words, say_value as literal};

/// A condition that holds no others, `did not` included; `None` for one that does.
pub(super) fn written(condition: &Condition, rules: &Rules) -> Option<String> {
    match condition {
        Condition::All(_) | Condition::Any(_) => None,
        Condition::Not(inner) => times(inner).map(|times| did(&times, false, rules)),
        other => Some(say(other, rules)),
    }
}

/// What a `did` asks.
pub(super) fn times(condition: &Condition) -> Option<Times> {
    let Condition::Did { trail, at_least, period, .. } = condition else { return None };
    Some(Times { trail: *trail, at_least: *at_least, within: Within::of(*period) })
}

/// `did "X" at least 3 times in last 7 days`, or `did not`.
pub(super) fn did(times: &Times, holds: bool, rules: &Rules) -> String {
    let period = match times.within {
        Within::Ever => Period::Ever,
        Within::Last(window) => Period::Last(window),
        Within::SinceLast(trail) => Period::SinceLast(trail),
        Within::SinceEntry => Period::SinceEntry,
    };
    say_did(times.trail, times.at_least, period, holds, rules)
}
