//! When to try again: exponential, with a jitter that is a hash, so that a thousand effects that failed together do not
//! come back together, and a replay waits as long.

use crate::model::id::hash_parts;
use crate::model::{EffectId, Span};

/// Tries in all.
const TRIES: u32 = 14;
const FIRST: Span = Span::SECOND.times(10);
const LONGEST: Span = Span::HOUR.times(6);

/// How long to wait after the try that followed `attempts` earlier ones; `None` when it was the last.
/// Doubles from 10 s to 6 h, plus or minus a fifth: about a day in all.
#[must_use]
pub fn backoff(attempts: u32, effect: EffectId) -> Option<Span> {
    if attempts + 1 >= TRIES {
        return None;
    }
    let doubled = FIRST.times(1_i64 << attempts.min(20));
    let wait = doubled.min(LONGEST);
    let hash = hash_parts("backoff", &[&effect.0.to_be_bytes(), &attempts.to_be_bytes()]);
    let share = (hash % 401) as i64 - 200;
    Some(Span(wait.0 + wait.0 * share / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_stay_near_their_mark_and_end() {
        let effect = EffectId(7);
        let mut mark = FIRST;
        for attempts in 0..TRIES - 1 {
            let wait = backoff(attempts, effect).unwrap();
            assert!((wait.0 - mark.0).abs() <= mark.0 / 5, "{attempts}: {wait} is far from {mark}");
            mark = mark.times(2).min(LONGEST);
        }
        assert_eq!(backoff(TRIES - 1, effect), None);
    }

    #[test]
    fn effects_do_not_come_back_together() {
        let waits: std::collections::BTreeSet<_> = (0..100).map(|id| backoff(3, EffectId(id))).collect();
        assert!(waits.len() > 50, "{}", waits.len());
    }
}
