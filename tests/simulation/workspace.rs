//! What the platform of a run is to do: rules, journeys, and what an author changes of them meanwhile.

use std::sync::Arc;

use tidewater::workspace::{Config, Program, load};

const RULES: &str = r#"
event "Product Added" { product_id: text }
event "Order Completed" { order_id: text, revenue: number }
event "Signed Up" {}
trait email: text pii
trait plan: text
compute orders = count of "Order Completed"
compute spent = sum of revenue from "Order Completed" in last 30 days
segment buyer = did "Order Completed"
segment regular = did "Order Completed" at least 3 times in last 7 days
segment big = spent > 300
segment pro_buyer = plan is "pro" and in segment buyer
segment top = spent in top 50% of segment buyer refreshed daily at "03:00"
segment cart_abandoner =
  did "Product Added" in last 1 day
  and did not "Product Added" in last 1 hour
  and did not "Order Completed" since last "Product Added"
segment came_and_bought = did "Product Added" in last 7 days then "Order Completed" within 1 day
topic newsletter "Weekly newsletter" channels email marketing opt_in
purpose ads "Advertising partners" opt_in
audience_sync buyers = members of buyer to ads using (email) purpose ads
audience_sync regulars = members of regular to ads using (email)
audience_sync carts = members of cart_abandoner to ads using (email)
audience_sync welcomed manual to ads using (email) purpose ads
"#;

const JOURNEYS: &str = r#"
journey: tell-orders
enter: { event: Order Completed, key: order_id, re_entry: always }
steps:
  - id: tell
    webhook: { to: crm, body: { order: "{{ entry.order_id }}" } }
---
journey: carts
topic: newsletter
enter: { segment: cart_abandoner, re_entry: after 1 day }
exit: { when: did "Order Completed" since entry }
goal: { event: Order Completed, within: 7 days }
steps:
  - id: remind
    email: { template: hello, subject: "You left something" }
  - wait: 1 day
  - random_split:
      a: { share: 50%, steps: [ { id: again, email: { template: hello, subject: "Still there" } } ] }
      b: { share: 50%, steps: [ { id: note, webhook: { to: crm, body: { cart: left } } } ] }
---
journey: welcome
topic: newsletter
enter: { event: Signed Up, re_entry: always }
steps:
  - id: hello
    email: { template: hello, subject: "Welcome" }
  - audience_sync: { add: welcomed }
  - wait_until:
      event: Order Completed
      up_to: 2 days
      then: [ { update_profile: { plan: pro } } ]
      timeout: [ { id: nudge, email: { template: hello, subject: "Come back" } } ]
---
journey: weekly
topic: newsletter
enter: { schedule: "0 9 * * MON", to: in segment buyer, re_entry: always }
steps:
  - id: letter
    email: { template: hello, subject: "This week" }
"#;

const SETTINGS: &str = r"
sources:
  shop: key
channels:
  crm: { kind: webhook, url: http://127.0.0.1:9/, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, allow_private_network: true }
  email: { kind: smtp, host: 127.0.0.1, security: none, from: shop@example.com }
  ads: { kind: audience, url: http://127.0.0.1:9/, allow_private_network: true }
";

/// What an author changes in the middle of a run.
const EDITS: [(&str, &str); 6] = [
    // These need what the program before did not keep.
    (
        "spent = sum of revenue from \"Order Completed\" in last 30 days",
        "spent = sum of revenue from \"Order Completed\" in last 20 days",
    ),
    ("did \"Product Added\" in last 7 days then", "did \"Product Added\" in last 6 days then"),
    ("at least 3 times in last 7 days", "at least 2 times in last 7 days"),
    ("spent > 300", "spent > 100"),
    ("- wait: 1 day", "- wait: 6 hours"),
    ("      timeout: [ { id: nudge, email: { template: hello, subject: \"Come back\" } } ]", "      timeout: []"),
];

/// The program and the settings of the workspace, as they were or edited.
pub fn workspace(memory: usize, is_edited: bool) -> (Arc<Program>, Arc<Config>) {
    let edited = |text: &str| match is_edited {
        true => EDITS.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)),
        false => text.to_owned(),
    };
    let file = |path: &str, text: &str| (path.to_owned(), text.trim_start().to_owned());
    let files = vec![
        file("tidewater.yaml", SETTINGS),
        file("rules/shop.tide", &edited(RULES)),
        file("journeys/shop.yaml", &edited(JOURNEYS)),
        file("templates/hello.txt", "Hello\n"),
    ];
    let loaded = load::compile(files, &|_| None);
    let errors: Vec<_> = loaded.findings.iter().filter(|finding| finding.is_error()).collect();
    assert!(errors.is_empty(), "the workspace has errors: {errors:?}");
    (loaded.program.unwrap(), Arc::new(Config { memory, ..loaded.config.unwrap() }))
}
