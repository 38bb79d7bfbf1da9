//! How fast channels went, and what they did about a far side that did not answer.

use std::collections::BTreeMap;

use tidewater::channels::breaker::Contact;
use tidewater::model::{Span, Timestamp};
use tidewater::workspace::config::Rate;

use crate::run::{DESTINATIONS, Outcome};
use crate::world::{AT_ONCE, Receipt};

/// Within each life: what a process used of its limits goes with it.
pub fn keep_to_their_limits(outcome: &Outcome) {
    let crowded = outcome.world.crowded.lock().unwrap();
    assert!(crowded.is_empty(), "more was under way than may be: {crowded:?}");
    let receipts = outcome.world.receipts.lock().unwrap();
    for destination in DESTINATIONS {
        let limits = outcome.world.limits(destination);
        let of_destination = || receipts.iter().filter(|receipt| receipt.effect.destination == destination);
        for life in 0..outcome.lives {
            let mut of_domains: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
            let mut of_channel = Vec::new();
            for receipt in of_destination().filter(|receipt| receipt.life == life) {
                of_channel.push(receipt.at);
                if let Some(domain) = receipt.effect.body.domain() {
                    of_domains.entry(domain).or_default().push(receipt.at);
                }
            }
            keeps(&mut of_channel, limits.rate, destination);
            let per_domain = limits.per_domain.and_then(|limits| limits.rate);
            of_domains.iter_mut().for_each(|(domain, times)| keeps(times, per_domain, domain));
        }
    }
}

/// In no span of time more than the rate brings, and what a second brings at once.
fn keeps(times: &mut [Timestamp], rate: Option<Rate>, what: &str) {
    let Some(Rate { count, per }) = rate else { return };
    times.sort_unstable();
    let at_once = (i64::from(count) * Span::SECOND.0 / per.0).max(1);
    for (first, from) in times.iter().enumerate() {
        for (last, to) in times.iter().enumerate().skip(first) {
            let allowed = at_once + 1 + (to.0 - from.0) * i64::from(count) / per.0;
            let left = (last - first + 1) as i64;
            assert!(left <= allowed, "{left} left for {what} from {from} to {to}");
        }
    }
}

/// Silent tries in a row before nobody is sent there any more, and the shortest pause before one is sent to see.
const PATIENCE: usize = 5;
const PAUSE: Span = Span(15_000);

/// While nobody answers, one is sent to see now and then.
pub fn leave_the_silent_alone(outcome: &Outcome) {
    let receipts = outcome.world.receipts.lock().unwrap();
    // Domains of mail may be judged each by itself or together.
    let mut far_sides: BTreeMap<(usize, &str, Option<String>), Vec<&Receipt>> = BTreeMap::new();
    for receipt in receipts.iter() {
        let effect = &receipt.effect;
        let far_side = (receipt.life, effect.destination.as_str(), effect.body.domain());
        far_sides.entry(far_side).or_default().push(receipt);
    }
    for (far_side, receipts) in far_sides {
        let in_a_row = receipts.chunk_by(|one, next| one.contact == next.contact);
        for silent in in_a_row.filter(|receipts| receipts[0].contact == Contact::Silent) {
            // Those that were under way when it was enough are past calling back, and an answer from before may be heard
            // among them: then patience begins anew.
            for two in silent.windows(2).skip(2 * PATIENCE + AT_ONCE) {
                let pause = Span(two[1].at.0 - two[0].at.0);
                assert!(pause >= PAUSE, "{far_side:?} was silent all the time, and tried again after {pause}");
            }
        }
    }
}
