//! What of `tidewater.yaml` shapes decisions: kept with a program's sources, without secrets and addresses, so that
//! a change of a password is no new program and no password is ever stored.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono_tz::Tz;

use crate::journey::decode::ChannelKind;

/// The part of the settings that rules and journeys depend on.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub time_zone: Tz,
    /// The day on which a week begins: 0 is Monday.
    pub week_starts: u8,
    pub default_country: Option<String>,
    pub rates: BTreeMap<String, f64>,
    pub channels: BTreeMap<String, ChannelKind>,
}

/// The days of a week, as `week_starts` names them.
pub const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl Default for Shape {
    fn default() -> Self {
        Self {
            time_zone: Tz::UTC,
            week_starts: 0,
            default_country: None,
            rates: BTreeMap::new(),
            channels: BTreeMap::new(),
        }
    }
}

impl Shape {
    /// As a `tidewater.yaml` that gives this shape again. Equal shapes give equal texts.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut out = format!("time_zone: {}\n", self.time_zone.name());
        if self.week_starts != 0 {
            let _ = writeln!(out, "week_starts: {}", WEEKDAYS[usize::from(self.week_starts)]);
        }
        if let Some(country) = &self.default_country {
            let _ = writeln!(out, "default_country: {}", quoted(country));
        }
        if !self.rates.is_empty() {
            out.push_str("rates:\n");
            for (currency, rate) in &self.rates {
                let _ = writeln!(out, "  {}: {rate}", quoted(currency));
            }
        }
        if !self.channels.is_empty() {
            out.push_str("channels:\n");
            for (name, kind) in &self.channels {
                let _ = writeln!(out, "  {}: {{ kind: {} }}", quoted(name), kind.name());
            }
        }
        out
    }
}

/// A text as a double-quoted scalar; JSON's notation is YAML's as well.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
