//! The workspaces of the bench: a shop with a hundred segments and five journeys, and one in which runs wait.

use std::fmt::Write as _;
use std::path::Path;

use crate::cli::demo::write_files;
use crate::cli::output::Failure;

pub(super) const WRITE_KEY: &str = "bench-write-key";
pub(super) const API_KEY: &str = "bench-api-key";

/// Kinds of events, each of which ten segments look at.
pub(super) const KINDS: usize = 10;
/// Steps that a run of the long journey takes at once.
pub(super) const LONG: usize = 10;

const JOURNEYS: &str = r#"journey: orders
enter: { event: Order, key: order_id, re_entry: always }
steps:
  - id: tell
    webhook: { to: hook, body: { order: "{{ entry.order_id }}" } }
---
journey: carts
enter: { event: Kind 1, re_entry: after 1 day }
exit: { when: did "Order" since entry }
steps:
  - wait: 1 hour
  - id: remind
    webhook: { to: hook, body: { cart: left } }
---
journey: regulars
enter: { segment: often_1, re_entry: after 7 days }
steps:
  - wait: 1 day
  - update_profile: { mark: regular }
---
journey: spenders
enter: { segment: spent_2, re_entry: after 7 days }
steps:
  - wait_until:
      event: Order
      up_to: 2 days
      then: [ { update_profile: { mark: loyal } } ]
      timeout: [ { update_profile: { mark: lost } } ]
"#;

/// The journey of the waiting workspace whose runs wait long.
pub(super) const PATIENT: &str = "patient";

const WAITING: [(&str, &str); 2] = [
    ("rules/bench.tide", "event \"Order\" { order_id: text }\nevent \"Soon\" {}\n"),
    (
        "journeys/bench.yaml",
        r"journey: patient
enter: { event: Order, key: order_id, re_entry: always }
steps:
  - wait: 30 days
  - webhook: { to: hook, body: { waited: long } }
---
journey: soon
enter: { event: Soon, re_entry: always }
steps:
  - wait: 9 minutes
  - webhook: { to: hook, body: { waited: briefly } }
",
    ),
];

/// What live customers may take where nothing else is said.
pub(super) const MEMORY: &str = "1 GB";

/// Writes the shop; `hook` is where webhooks go, `memory` what live customers may take.
pub(super) fn shop(folder: &Path, hook: &str, memory: &str) -> Result<(), Failure> {
    let (settings, rules, journeys) = (settings(hook, memory), rules(), format!("{JOURNEYS}{}", long_journey()));
    let files = [("tidewater.yaml", &*settings), ("rules/bench.tide", &*rules), ("journeys/bench.yaml", &*journeys)];
    write_files(folder, &files)
}

/// Writes a workspace in which runs wait: for a month, and for minutes.
pub(super) fn waiting(folder: &Path, hook: &str, memory: &str) -> Result<(), Failure> {
    write_files(folder, &[("tidewater.yaml", &settings(hook, memory))])?;
    write_files(folder, &WAITING)
}

fn settings(hook: &str, memory: &str) -> String {
    format!(
        "listen: 127.0.0.1:0\ndatabase: sqlite://data/bench.db\napi_key: {API_KEY}\nmemory: {memory}\nsources:\n  bench: {WRITE_KEY}\n\
         channels:\n  hook:\n    kind: webhook\n    url: {hook}\n    secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n    \
         allow_private_network: true\n"
    )
}

fn rules() -> String {
    let mut out = String::from(
        "event \"Order\" { order_id: text, revenue: number }\nevent \"Long\" {}\n\
         trait email: text pii\ntrait first_name: text pii\ntrait country: text\n\
         trait plan: text\ntrait mark: text\ntrait count: number\n",
    );
    for kind in 0..KINDS {
        let event = format!("\"Kind {kind}\"");
        let _ = writeln!(out, "event {event} {{ amount: number, item: text }}");
        let _ = writeln!(out, "compute sum_{kind} = sum of amount from {event} in last 30 days");
        let _ = writeln!(out, "compute items_{kind} = unique count of item from {event}");
        let segments = [
            format!("segment did_{kind} = did {event}"),
            format!("segment often_{kind} = did {event} at least 5 times in last 7 days"),
            format!("segment lately_{kind} = did {event} in last 1 hour"),
            format!("segment dear_{kind} = did {event} where amount > 90 at least 2 times in last 30 days"),
            format!("segment spent_{kind} = sum_{kind} > 500"),
            format!("segment curious_{kind} = items_{kind} >= 10"),
            format!("segment pro_{kind} = plan is \"pro\" and did {event} in last 7 days"),
            format!("segment unordered_{kind} = did {event} and did not \"Order\" in last 30 days"),
            format!("segment then_{kind} = did {event} in last 7 days then \"Order\" within 1 day"),
            format!("segment both_{kind} = in segment often_{kind} and in segment spent_{kind}"),
        ];
        for segment in segments {
            let _ = writeln!(out, "{segment}");
        }
    }
    out
}

fn long_journey() -> String {
    let steps: String = (1..=LONG).map(|step| format!("  - update_profile: {{ count: {step} }}\n")).collect();
    format!("---\njourney: long\nenter: {{ event: Long, re_entry: always }}\nsteps:\n{steps}")
}
