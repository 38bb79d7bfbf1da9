//! A synthetic clickstream of an electronics shop: 31,106 events of 600 users in 2024 (`examples/data/README.md`). The
//! data holds no addresses; those are invented.

use std::collections::BTreeSet;
use std::io::Read;

use serde_json::json;

use crate::model::{Span, Timestamp};

use super::Failure;
use super::sample::{Calls, Sample};

const DATA: &[u8] = include_bytes!("../../../examples/data/ecom_clickstream.csv.gz");

pub(super) fn sample(customers: Option<usize>) -> Result<Sample, Failure> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(DATA).read_to_string(&mut text)?;
    let mut calls = Calls::default();
    let mut known = BTreeSet::new();
    for (index, line) in text.lines().enumerate().skip(1) {
        let broken = || Failure::new(format!("line {} of the clickstream cannot be read: `{line}`", index + 1));
        let fields: Vec<&str> = line.split(',').collect();
        let [user, session, event, time, platform, channel, ..] = fields[..] else { return Err(broken()) };
        if !known.contains(user) && customers.is_some_and(|most| known.len() >= most) {
            continue;
        }
        let at = Timestamp::parse(&format!("{}Z", time.replacen(' ', "T", 1))).ok_or_else(broken)?;
        if known.insert(user) {
            let traits = json!({"email": format!("{user}@example.com"), "acquired_by": channel});
            calls.add(at, json!({"type": "identify", "userId": user, "traits": traits}));
        }
        let properties = json!({"session": session, "platform": platform});
        calls.add(at, json!({"type": "track", "userId": user, "event": words(event), "properties": properties}));
    }
    let calls = calls.in_order();
    let start = calls.first().map_or(Timestamp(0), |call| Timestamp(call.at.0 - call.at.0 % Span::DAY.0));
    Ok(Sample {
        title: "a synthetic clickstream of an electronics shop, 2024".to_owned(),
        customers: known.len(),
        start,
        calls,
        step: Span::MINUTE.times(20),
        jump: Span::HOUR.times(6),
        after: Span::DAY.times(35),
        write_key: "clickstream-key",
    })
}

/// `add_to_cart` as the workspace names it: `Add To Cart`.
fn words(event: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    event.split('_').map(capital).collect::<Vec<_>>().join(" ")
}
