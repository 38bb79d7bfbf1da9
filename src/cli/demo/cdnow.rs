//! Real purchases: 6,919 transactions of 2,357 customers of the CDNOW music shop, January 1997 to June 1998
//! (`examples/data/README.md`). The data holds no addresses; those are invented.

use std::collections::BTreeSet;

use serde_json::json;

use crate::model::{Span, Timestamp};

use super::Failure;
use super::sample::{Calls, Sample};

const DATA: &str = include_str!("../../../examples/data/cdnow_sample.txt");

pub(super) fn sample(customers: Option<usize>) -> Result<Sample, Failure> {
    let mut calls = Calls::default();
    let mut known = BTreeSet::new();
    for (index, line) in DATA.lines().enumerate() {
        let broken = || Failure::new(format!("line {} of the CDNOW data cannot be read: `{line}`", index + 1));
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [customer, _, date, discs, value] = fields[..] else { return Err(broken()) };
        if !known.contains(customer) && customers.is_some_and(|most| known.len() >= most) {
            continue;
        }
        let day = date.get(..4).zip(date.get(4..6)).zip(date.get(6..8));
        let day = day.and_then(|((year, month), day)| Timestamp::parse(&format!("{year}-{month}-{day}T12:00:00Z")));
        let at = day.ok_or_else(broken)? + Span(index as i64);
        let discs: u32 = discs.parse().map_err(|_| broken())?;
        let value: f64 = value.parse().map_err(|_| broken())?;
        if known.insert(customer) {
            let traits = json!({"email": format!("cdnow-{customer}@example.com")});
            calls.add(at, json!({"type": "identify", "userId": customer, "traits": traits}));
            let wish = json!({"topic": "releases", "channel": "email"});
            calls.add(at, json!({"type": "track", "userId": customer, "event": "Subscribed", "properties": wish}));
        }
        let properties = json!({"order_id": format!("{customer}-{index}"), "revenue": value, "discs": discs});
        calls.add(
            at,
            json!({"type": "track", "userId": customer, "event": "Order Completed", "properties": properties}),
        );
    }
    Ok(Sample {
        title: "the real purchases of a music shop, 1997 to 1998".to_owned(),
        customers: known.len(),
        start: Timestamp(852_076_800_000),
        calls: calls.in_order(),
        step: Span::HOUR,
        jump: Span::DAY,
        after: Span::DAY.times(190),
        write_key: "cdnow-key",
    })
}
