//! How much a channel may carry: by rate and at once, in all and for each domain of recipients. Time is passed in.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Span, Timestamp};
use crate::store::outbox::{DomainRoom, Domains};
use crate::workspace::config::{Limits, Rate};

/// Queues of domains that one claim looks at.
const QUEUES: usize = 16;

/// A token bucket. It holds what comes in a second, and at least one, so that a rate is kept over any span of time and
/// not only on average. Counted in shares of a token, so that nothing is lost to rounding.
#[derive(Debug, Clone)]
struct Bucket {
    rate: Rate,
    /// A token is as many shares as the rate's span has milliseconds; each millisecond brings `rate.count` of them.
    shares: i64,
    filled_at: Timestamp,
}

impl Bucket {
    fn full(rate: Rate, now: Timestamp) -> Self {
        Self { rate, shares: capacity(rate), filled_at: now }
    }

    fn fill(&mut self, now: Timestamp) {
        let passed = (now.0 - self.filled_at.0).max(0);
        let brought = passed.saturating_mul(i64::from(self.rate.count));
        self.shares = self.shares.saturating_add(brought).min(capacity(self.rate));
        self.filled_at = self.filled_at.max(now);
    }

    /// Tokens that are there.
    fn tokens(&mut self, now: Timestamp) -> usize {
        self.fill(now);
        usize::try_from(self.shares / self.rate.per.0).unwrap_or(0)
    }

    /// Whoever takes more than is there, such as a try that was recovered, makes the next one wait.
    fn take(&mut self, now: Timestamp) {
        self.fill(now);
        self.shares -= self.rate.per.0;
    }

    fn is_full(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        self.shares == capacity(self.rate)
    }

    /// When a token is there again.
    fn next(&mut self, now: Timestamp) -> Timestamp {
        self.fill(now);
        let missing = (self.rate.per.0 - self.shares).max(0);
        let count = i64::from(self.rate.count);
        now + Span((missing + count - 1) / count)
    }
}

fn capacity(rate: Rate) -> i64 {
    (i64::from(rate.count) * Span::SECOND.0).max(rate.per.0)
}

/// What one domain has used of its limits.
#[derive(Debug, Clone)]
struct Usage {
    bucket: Option<Bucket>,
    under_way: usize,
}

/// What a channel has used of its limits.
#[derive(Debug)]
pub struct Limiter {
    limits: Limits,
    bucket: Option<Bucket>,
    /// Domains that have used some of theirs.
    domains: BTreeMap<String, Usage>,
    /// Domains for which the store has effects put aside.
    queues: BTreeSet<String>,
    /// The queue that was looked at last.
    looked_at: String,
}

impl Limiter {
    #[must_use]
    pub fn new(limits: Limits, now: Timestamp) -> Self {
        let bucket = limits.rate.map(|rate| Bucket::full(rate, now));
        let (domains, queues, looked_at) = (BTreeMap::new(), BTreeSet::new(), String::new());
        Self { limits, bucket, domains, queues, looked_at }
    }

    /// How many effects the channel's own rate leaves.
    pub fn room(&mut self, now: Timestamp) -> usize {
        self.bucket.as_mut().map_or(usize::MAX, |bucket| bucket.tokens(now))
    }

    /// What a claim may take for each domain, and whose queues it looks at; they take turns. `None` where nothing is
    /// limited by domain, and nothing was.
    pub fn domains(&mut self, now: Timestamp) -> Option<Domains> {
        if self.limits.per_domain.is_none() && self.queues.is_empty() {
            return None;
        }
        self.domains
            .retain(|_, usage| usage.under_way > 0 || usage.bucket.as_mut().is_some_and(|bucket| !bucket.is_full(now)));
        let others = self.room_of_others();
        let names: Vec<String> = self.domains.keys().cloned().collect();
        let known: BTreeMap<String, usize> = names
            .into_iter()
            .map(|name| {
                let room = self.room_of(&name, now);
                (name, room)
            })
            .collect();
        let is_open = |name: &&String| known.get(*name).copied().unwrap_or(others) > 0;
        let (before, after): (Vec<&String>, Vec<&String>) =
            self.queues.iter().partition(|name| **name <= self.looked_at);
        let queues: Vec<String> = after.into_iter().chain(before).filter(is_open).take(QUEUES).cloned().collect();
        if let Some(last) = queues.last() {
            self.looked_at.clone_from(last);
        }
        Some(Domains { room: DomainRoom { known, others }, queues })
    }

    fn room_of_others(&self) -> usize {
        let Some(limits) = self.limits.per_domain else { return usize::MAX };
        let by_rate = limits.rate.map_or(usize::MAX, |rate| usize::try_from(capacity(rate) / rate.per.0).unwrap_or(1));
        by_rate.min(limits.at_once.unwrap_or(usize::MAX))
    }

    fn room_of(&mut self, domain: &str, now: Timestamp) -> usize {
        let others = self.room_of_others();
        let at_once = self.limits.per_domain.and_then(|limits| limits.at_once).unwrap_or(usize::MAX);
        let Some(usage) = self.domains.get_mut(domain) else { return others };
        let tokens = usage.bucket.as_mut().map_or(usize::MAX, |bucket| bucket.tokens(now));
        tokens.min(at_once.saturating_sub(usage.under_way))
    }

    /// An effect for this domain, if it has one, is begun.
    pub fn began(&mut self, domain: Option<&str>, now: Timestamp) {
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now);
        }
        if let (Some(limits), Some(domain)) = (self.limits.per_domain, domain) {
            let fresh = || Usage { bucket: limits.rate.map(|rate| Bucket::full(rate, now)), under_way: 0 };
            let usage = self.domains.entry(domain.to_owned()).or_insert_with(fresh);
            usage.under_way += 1;
            if let Some(bucket) = &mut usage.bucket {
                bucket.take(now);
            }
        }
    }

    /// It is over, however it ended.
    pub fn ended(&mut self, domain: Option<&str>) {
        if let Some(usage) = domain.and_then(|domain| self.domains.get_mut(domain)) {
            usage.under_way = usage.under_way.saturating_sub(1);
        }
    }

    /// The store has effects put aside for these domains.
    pub fn put_aside(&mut self, domains: impl IntoIterator<Item = String>) {
        self.queues.extend(domains);
    }

    /// It has none for these any more.
    pub fn drained(&mut self, domains: &[String]) {
        self.queues.retain(|queue| !domains.contains(queue));
    }

    /// When there is room again for what waits for it: now, at an instant, or not before something under way ends.
    pub fn next(&mut self, now: Timestamp) -> Option<Timestamp> {
        let of_channel = self.bucket.as_mut().map_or(now, |bucket| bucket.next(now));
        if of_channel > now {
            return Some(of_channel);
        }
        let at_once = self.limits.per_domain.and_then(|limits| limits.at_once).unwrap_or(usize::MAX);
        let when = self.queues.iter().filter_map(|domain| match self.domains.get_mut(domain) {
            None => Some(now),
            Some(usage) if usage.under_way >= at_once => None,
            Some(usage) => Some(usage.bucket.as_mut().map_or(now, |bucket| bucket.next(now))),
        });
        when.min()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::workspace::config::DomainLimits;

    fn rate(count: u32, per: Span) -> Rate {
        Rate { count, per }
    }

    #[test]
    fn a_slow_rate_lets_through_one_at_a_time_and_a_fast_one_a_seconds_worth() {
        let mut slow = Bucket::full(rate(6, Span::MINUTE), Timestamp(0));
        assert_eq!(slow.tokens(Timestamp(0)), 1);
        slow.take(Timestamp(0));
        assert_eq!((slow.next(Timestamp(4_000)), slow.tokens(Timestamp(9_999))), (Timestamp(10_000), 0));
        assert_eq!(slow.tokens(Timestamp(10_000)), 1);
        assert_eq!(slow.tokens(Timestamp(1_000_000)), 1, "what is not used is not saved up");
        assert_eq!(Bucket::full(rate(100, Span::SECOND), Timestamp(0)).tokens(Timestamp(0)), 100);
        // A clock that is set back brings nothing, and takes nothing away.
        slow.take(Timestamp(1_000_000));
        assert_eq!(slow.tokens(Timestamp(0)), 0);
        assert_eq!(slow.tokens(Timestamp(1_010_000)), 1);
    }

    proptest! {
        /// Whenever somebody asks, in no span of time more leaves than the rate and what the bucket holds.
        #[test]
        fn a_rate_is_kept_over_every_span(count in 1_u32..50, per in 1_i64..100_000, asks in prop::collection::vec(0_i64..5_000, 1..100)) {
            let rate = rate(count, Span(per));
            let (mut now, mut bucket, mut left) = (0, Bucket::full(rate, Timestamp(0)), Vec::new());
            for pause in asks {
                now += pause;
                for _ in 0..bucket.tokens(Timestamp(now)) {
                    bucket.take(Timestamp(now));
                    left.push(now);
                }
                prop_assert!(bucket.next(Timestamp(now)) > Timestamp(now));
                let next = bucket.next(Timestamp(now));
                prop_assert!(bucket.clone().tokens(next) >= 1 && bucket.clone().tokens(next - Span(1)) == 0);
            }
            for (first, from) in left.iter().enumerate() {
                for (last, to) in left.iter().enumerate().skip(first) {
                    let allowed = capacity(rate) / per + 1 + (to - from) * i64::from(count) / per;
                    prop_assert!(((last - first + 1) as i64) <= allowed, "{} from {from} to {to}", last - first + 1);
                }
            }
        }
    }

    fn limiter() -> Limiter {
        let per_domain = DomainLimits { rate: Some(rate(2, Span::SECOND)), at_once: Some(1) };
        let limits = Limits { rate: Some(rate(5, Span::SECOND)), per_domain: Some(per_domain) };
        Limiter::new(limits, Timestamp(0))
    }

    #[test]
    fn a_domain_is_held_by_what_is_under_way_and_by_its_rate() {
        let mut limiter = limiter();
        let room = |limiter: &mut Limiter, now| limiter.domains(Timestamp(now)).unwrap();
        assert_eq!(room(&mut limiter, 0).room, DomainRoom { known: BTreeMap::new(), others: 1 });
        limiter.began(Some("a"), Timestamp(0));
        limiter.put_aside(["a".to_owned()]);
        assert_eq!(room(&mut limiter, 0).room.known, [("a".to_owned(), 0)].into());
        assert_eq!(limiter.next(Timestamp(0)), None, "not before it ends");
        limiter.ended(Some("a"));
        assert_eq!(limiter.next(Timestamp(0)), Some(Timestamp(0)));
        assert_eq!(room(&mut limiter, 0).queues, ["a"]);
        limiter.began(Some("a"), Timestamp(0));
        limiter.ended(Some("a"));
        assert_eq!(limiter.next(Timestamp(0)), Some(Timestamp(500)), "not before the rate allows it");
        assert_eq!(room(&mut limiter, 0).queues, [] as [&str; 0]);
        limiter.drained(&["a".to_owned()]);
        assert_eq!(limiter.next(Timestamp(0)), None, "nobody waits");
        assert!(room(&mut limiter, 5_000).room.known.is_empty(), "what has recovered is forgotten");
    }

    #[test]
    fn the_channels_rate_holds_for_all_domains_together() {
        let mut limiter = limiter();
        for domain in ["a", "b", "c", "d", "e"] {
            assert!(limiter.room(Timestamp(0)) > 0, "{domain}");
            limiter.began(Some(domain), Timestamp(0));
        }
        assert_eq!((limiter.room(Timestamp(0)), limiter.next(Timestamp(0))), (0, Some(Timestamp(200))));
    }

    #[test]
    fn queues_take_turns_and_are_emptied_where_the_limits_are_gone() {
        let mut limiter = Limiter::new(Limits::default(), Timestamp(0));
        assert_eq!(limiter.domains(Timestamp(0)), None);
        limiter.put_aside((0..20).map(|n| format!("d{n:02}")));
        let first = limiter.domains(Timestamp(0)).unwrap();
        assert_eq!((first.queues.len(), first.room.others), (QUEUES, usize::MAX));
        assert_eq!(limiter.domains(Timestamp(0)).unwrap().queues[..5], ["d16", "d17", "d18", "d19", "d00"]);
    }
}
