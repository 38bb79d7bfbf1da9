//! What is sent: bodies of requests, each a function of its number.

use std::fmt::Write as _;

use super::workspace::KINDS;

/// Events of one batch.
pub(super) const BATCH: usize = 100;
/// What a customer sends when it comes to be: who it is, and what it does.
pub(super) const MESSAGES_OF_ARRIVAL: u64 = 5;

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
    /// A batch of customers who come to be: who they are, and some events.
    Arrivals,
    /// A batch of customers who do one thing each.
    Visits,
    /// A batch of orders, `each` so many a customer, each of which starts a run that waits long.
    Orders { each: u64 },
    /// A batch of customers who start a run each that waits for minutes.
    Soon,
}

impl Shape {
    pub(super) fn events(self) -> u64 {
        match self {
            Self::Batch(events) | Self::Quiet(events) | Self::Long(events) => events as u64,
            Self::Single => 1,
            Self::Arrivals | Self::Visits | Self::Orders { .. } | Self::Soon => BATCH as u64,
        }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Single => "/v1/track",
            _ => "/v1/batch",
        }
    }

    /// The `number`th body. Events of one number are always the same.
    pub(super) fn body(self, number: u64) -> String {
        let numbers = number * self.events()..(number + 1) * self.events();
        let mut out = String::with_capacity(160 * self.events() as usize);
        match self {
            Self::Single => event(&mut out, numbers.start),
            Self::Batch(_) => list(&mut out, numbers, event),
            Self::Quiet(_) => list(&mut out, numbers, of_a_kind),
            Self::Long(_) => {
                list(&mut out, numbers, |out, number| plain(out, 'l', number, mixed(number) % CUSTOMERS, "Long"))
            }
            Self::Arrivals => list(&mut out, numbers, arrival),
            Self::Visits => list(&mut out, numbers, |out, number| done(out, 'v', number, number)),
            Self::Orders { each } => list(&mut out, numbers, |out, number| order(out, 'w', number, number / each)),
            Self::Soon => list(&mut out, numbers, |out, number| plain(out, 's', number, number, "Soon")),
        }
        out
    }
}

fn list(out: &mut String, numbers: std::ops::Range<u64>, event: impl Fn(&mut String, u64)) {
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
        order(out, 'm', number, chance % CUSTOMERS);
    } else {
        of_a_kind(out, number);
    }
}

fn of_a_kind(out: &mut String, number: u64) {
    done(out, 'm', number, mixed(number) % CUSTOMERS);
}

/// A customer says who it is, then does something.
fn arrival(out: &mut String, number: u64) {
    let user = number / MESSAGES_OF_ARRIVAL;
    if !number.is_multiple_of(MESSAGES_OF_ARRIVAL) {
        return done(out, 'a', number, user);
    }
    let chance = mixed(number);
    let plan = if chance.is_multiple_of(4) { "pro" } else { "free" };
    let country = ["US", "DE", "FR", "JP"][(chance >> 8) as usize % 4];
    let _ = write!(
        out,
        "{{\"type\":\"identify\",\"messageId\":\"a{number}\",\"userId\":\"user-{user}\",\"traits\":{{\
         \"email\":\"user-{user}@example.com\",\"first_name\":\"Name {}\",\"country\":\"{country}\",\"plan\":\"{plan}\"}}}}",
        chance >> 16 & 0xff
    );
}

/// One of the kinds of events. Messages of one series and number are the same.
fn done(out: &mut String, series: char, number: u64, user: u64) {
    let chance = mixed(number);
    let (kind, amount, item) = ((chance >> 40 & 0xffff) as usize % KINDS, chance >> 20 & 0x3f, chance >> 26 & 0x3f);
    let _ = write!(
        out,
        "{{\"type\":\"track\",\"messageId\":\"{series}{number}\",\"userId\":\"user-{user}\",\"event\":\"Kind {kind}\",\
         \"properties\":{{\"amount\":{amount},\"item\":\"item-{item}\"}}}}"
    );
}

fn order(out: &mut String, series: char, number: u64, user: u64) {
    let _ = write!(
        out,
        "{{\"type\":\"track\",\"messageId\":\"{series}{number}\",\"userId\":\"user-{user}\",\"event\":\"Order\",\
         \"properties\":{{\"order_id\":\"o{number}\",\"revenue\":{}}}}}",
        mixed(number) % 100
    );
}

fn plain(out: &mut String, series: char, number: u64, user: u64, event: &str) {
    let _ = write!(
        out,
        "{{\"type\":\"track\",\"messageId\":\"{series}{number}\",\"userId\":\"user-{user}\",\"event\":\"{event}\",\"properties\":{{}}}}"
    );
}
