//! What is sent: bodies of requests, each a function of its number.

use std::fmt::Write as _;

use super::workspace::KINDS;

/// Customers that the events are about.
const CUSTOMERS: u64 = 10_000;

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// `/v1/batch` with so many events of all kinds, one in a hundred an order.
    Batch(usize),
    /// The same without orders, which are what sends anything.
    Quiet(usize),
    /// `/v1/track` with one event.
    Single,
    /// `/v1/batch` with so many events that each start a run of the long journey.
    Long(usize),
}

impl Shape {
    pub(super) fn events(self) -> u64 {
        match self {
            Self::Batch(events) | Self::Quiet(events) | Self::Long(events) => events as u64,
            Self::Single => 1,
        }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Batch(_) | Self::Quiet(_) | Self::Long(_) => "/v1/batch",
            Self::Single => "/v1/track",
        }
    }

    /// The `number`th body. Events of one number are always the same.
    pub(super) fn body(self, number: u64) -> String {
        let first = number * self.events();
        let mut out = String::with_capacity(160 * self.events() as usize);
        match self {
            Self::Single => event(&mut out, first),
            Self::Batch(events) => list(&mut out, first..first + events as u64, event),
            Self::Quiet(events) => list(&mut out, first..first + events as u64, of_a_kind),
            Self::Long(events) => list(&mut out, first..first + events as u64, long),
        }
        out
    }
}

fn list(out: &mut String, numbers: std::ops::Range<u64>, event: fn(&mut String, u64)) {
    out.push_str("{\"batch\":[");
    for number in numbers.clone() {
        if number > numbers.start {
            out.push(',');
        }
        event(out, number);
    }
    out.push_str("]}");
}

/// A number that looks like chance: the finaliser of splitmix64 (Steele, Lea, Flood 2014).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn event(out: &mut String, number: u64) {
    let chance = mixed(number);
    if chance >> 32 & 0x7f == 0 {
        let user = chance % CUSTOMERS;
        let _ = write!(
            out,
            "{{\"type\":\"track\",\"messageId\":\"m{number}\",\"userId\":\"user-{user}\",\"event\":\"Order\",\
             \"properties\":{{\"order_id\":\"o{number}\",\"revenue\":{}}}}}",
            chance % 100
        );
    } else {
        of_a_kind(out, number);
    }
}

fn of_a_kind(out: &mut String, number: u64) {
    let chance = mixed(number);
    let (user, kind) = (chance % CUSTOMERS, (chance >> 40 & 0xffff) as usize % KINDS);
    let (amount, item) = (chance >> 20 & 0x3f, chance >> 26 & 0x3f);
    let _ = write!(
        out,
        "{{\"type\":\"track\",\"messageId\":\"m{number}\",\"userId\":\"user-{user}\",\"event\":\"Kind {kind}\",\
         \"properties\":{{\"amount\":{amount},\"item\":\"item-{item}\"}}}}"
    );
}

fn long(out: &mut String, number: u64) {
    let user = mixed(number) % CUSTOMERS;
    let _ = write!(
        out,
        "{{\"type\":\"track\",\"messageId\":\"l{number}\",\"userId\":\"user-{user}\",\"event\":\"Long\",\"properties\":{{}}}}"
    );
}
