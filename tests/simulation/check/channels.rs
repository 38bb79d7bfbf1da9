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

/// Silent tries in a row before nobody is sent there any more, and how the pauses grow.
const PATIENCE: usize = 5;
const PAUSES: [Span; 2] = [Span(15_000), Span(900_000)];

/// While nobody answers, few are sent to see.
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
        for in_a_row in receipts.chunk_by(|one, next| one.contact == next.contact) {
            let (first, last) = (in_a_row[0], in_a_row[in_a_row.len() - 1]);
            let allowed = PATIENCE + AT_ONCE + looks(Span(last.at.0 - first.at.0));
            let is_patient = first.contact == Contact::Answered || in_a_row.len() <= allowed;
            assert!(is_patient, "{far_side:?} was silent {} times in a row; {allowed} are allowed", in_a_row.len());
        }
    }
}

/// How often somebody may be sent to see in so long a time.
fn looks(span: Span) -> usize {
    let (mut looks, mut at, mut pause) = (0, Span(0), PAUSES[0]);
    while at.0 + pause.0 <= span.0 {
        (looks, at) = (looks + 1, Span(at.0 + pause.0));
        pause = pause.times(2).min(PAUSES[1]);
    }
    looks
}
