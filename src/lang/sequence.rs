//! Whether events came in an order, worked out from what is kept of them.
//!
//! Step by step it is known of each event how it can be the end of a chain so far. Of all such chains only the one whose
//! first event is the newest matters, since it outlives the others and fits `all within` best; chains whose named events
//! (`as a`) a later step looks at are each followed by themselves.

use std::collections::BTreeMap;

use crate::model::{Moment, Timestamp, Value};

use super::eval::{Frame, Kept, Recalled, View, holds_in};
use super::rules::{Condition, Operand, Sequence, SequenceStep};

/// Chains followed at once; beyond it those that begin earliest are let go.
const CHAINS: usize = 20_000;

/// A chain of events so far.
#[derive(Clone)]
struct Chain<'a> {
    first: Moment,
    last: Moment,
    key: Option<&'a Value>,
    /// The events of the steps up to here that later steps look at.
    named: Vec<Option<Kept<'a>>>,
}

/// Whether the sequence has happened, as of now.
pub(super) fn happened(sequence: &Sequence, view: &dyn View) -> bool {
    // Mostly one of the steps never happened at all.
    let mut needed = sequence.steps.iter().take_while(|step| !step.negated);
    if needed.any(|step| view.recalled(step.recall).is_empty()) {
        return false;
    }
    let mut chains: Vec<Chain<'_>> = Vec::new();
    for (index, step) in sequence.steps.iter().enumerate() {
        if step.negated {
            return chains.iter().any(|chain| is_left_open(sequence, step, chain, view));
        }
        chains = if index == 0 { begin(sequence, step, view) } else { follow(sequence, index, &chains, view) };
        if chains.is_empty() {
            return false;
        }
    }
    true
}

fn events<'a>(step: &SequenceStep, view: &'a dyn View) -> impl Iterator<Item = Kept<'a>> {
    let recall = &view.rules().recalls[step.recall.at()];
    view.recalled(step.recall).iter().map(move |event: &Recalled| Kept { recall, event })
}

/// Chains of one event, which must lie in the window.
fn begin<'a>(sequence: &Sequence, step: &SequenceStep, view: &'a dyn View) -> Vec<Chain<'a>> {
    let (now, calendar) = (view.now(), view.calendar());
    events(step, view)
        .filter(|kept| sequence.window.holds(kept.event.moment.at, now, calendar))
        .filter(|kept| fits(step, *kept, &[], view))
        .filter_map(|kept| {
            let moment = kept.event.moment;
            let key = key_of(sequence, kept)?;
            Some(Chain { first: moment, last: moment, key, named: vec![keep_if_named(sequence, 0, kept)] })
        })
        .collect()
}

/// The chains, each with one more event.
fn follow<'a>(sequence: &Sequence, index: usize, chains: &[Chain<'a>], view: &'a dyn View) -> Vec<Chain<'a>> {
    let step = &sequence.steps[index];
    let is_looked_at = sequence.steps[index + 1..].iter().any(looks_back);
    let mut longer: Vec<Chain<'a>> = Vec::new();
    // Where no later step looks back, of the chains that end with an event (and key) the one begun last is enough.
    let mut best: BTreeMap<Moment, usize> = BTreeMap::new();
    for kept in events(step, view) {
        let Some(key) = key_of(sequence, kept) else { continue };
        for chain in chains {
            if !comes_after(sequence, step, chain, kept, key) || !fits(step, kept, &chain.named, view) {
                continue;
            }
            let moment = kept.event.moment;
            if !is_looked_at {
                if let Some(known) = best.get(&moment) {
                    let known = &mut longer[*known];
                    known.first = known.first.max(chain.first);
                    continue;
                }
                best.insert(moment, longer.len());
            }
            let mut named = if is_looked_at { chain.named.clone() } else { Vec::new() };
            if is_looked_at {
                named.push(keep_if_named(sequence, index, kept));
            }
            longer.push(Chain { first: chain.first, last: moment, key, named });
            if longer.len() >= CHAINS {
                return longer;
            }
        }
    }
    longer
}

fn comes_after(
    sequence: &Sequence,
    step: &SequenceStep,
    chain: &Chain<'_>,
    kept: Kept<'_>,
    key: Option<&Value>,
) -> bool {
    let moment = kept.event.moment;
    let gap = |from: Moment| moment.at.0 - from.at.0;
    moment > chain.last
        && key == chain.key
        && step.within.is_none_or(|within| gap(chain.last) <= within.0)
        && sequence.all_within.is_none_or(|within| gap(chain.first) <= within.0)
}

/// `then did not … within D`: true from the deadline, until a match comes.
fn is_left_open(sequence: &Sequence, step: &SequenceStep, chain: &Chain<'_>, view: &dyn View) -> bool {
    let deadline = deadline(step, chain.last);
    let is_match = |kept: Kept<'_>| {
        kept.event.moment > chain.last
            && key_of(sequence, kept).is_some_and(|key| key == chain.key)
            && fits(step, kept, &chain.named, view)
    };
    deadline <= view.now() && !events(step, view).any(is_match)
}

/// From when on a `then did not` is true of a chain that ends here.
pub(crate) fn deadline(step: &SequenceStep, last: Moment) -> Timestamp {
    last.at + step.within.unwrap_or_default()
}

fn fits(step: &SequenceStep, kept: Kept<'_>, earlier: &[Option<Kept<'_>>], view: &dyn View) -> bool {
    let frame = Frame { event: Some(kept), earlier, item: None };
    step.filter.as_ref().is_none_or(|filter| holds_in(filter, view, &frame))
}

/// The value that must be the same in all steps; `None` where the event lacks it.
fn key_of<'a>(sequence: &Sequence, kept: Kept<'a>) -> Option<Option<&'a Value>> {
    match &sequence.by {
        None => Some(None),
        Some(path) => kept.value(path).map(Some),
    }
}

fn looks_back(step: &SequenceStep) -> bool {
    let mut looks = false;
    if let Some(filter) = &step.filter {
        filter.walk(&mut |part: &Condition| {
            looks |= part.operands().iter().any(|operand| matches!(operand, Operand::Step { .. }));
        });
    }
    looks
}

fn keep_if_named<'a>(sequence: &Sequence, index: usize, kept: Kept<'a>) -> Option<Kept<'a>> {
    sequence.steps[index + 1..].iter().any(looks_back).then_some(kept)
}
