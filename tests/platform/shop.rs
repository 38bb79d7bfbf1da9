//! A small workspace for tests of the platform: a shop that tells a hook of every order, and of carts left behind.

use std::sync::Arc;

use tidewater::model::value::ValueMap;
use tidewater::model::{Event, EventKind, Timestamp, Value};
use tidewater::workspace::{self, Config, Program};

/// A journey for `files`: everyone who signs up is welcomed by mail.
pub const WELCOME: &str = "---
journey: welcome
topic: newsletter
enter: { event: Signed Up, re_entry: always }
steps:
  - id: hello
    email: { template: hello, subject: Hello }
";

/// The settings, with the hook at `url`.
pub fn settings(url: &str) -> String {
    format!(
        "listen: 127.0.0.1:0\n\
         database: sqlite://data/tidewater.db\n\
         sources:\n\
         \x20 shop: test-write-key\n\
         channels:\n\
         \x20 crm:\n\
         \x20   kind: webhook\n\
         \x20   url: {url}\n\
         \x20   secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n\
         \x20   allow_private_network: true\n"
    )
}

pub const RULES: &str = r#"
event "Product Added" { product_id: text }
event "Order Completed" { order_id: text, revenue: number }
event "Signed Up" {}
trait email: text pii
compute orders = count of "Order Completed"
segment buyer = did "Order Completed"
segment cart_abandoner =
  did "Product Added" in last 1 day
  and did not "Product Added" in last 1 hour
  and did not "Order Completed" since last "Product Added"
topic newsletter "Weekly newsletter" channels email marketing opt_in
"#;

pub const JOURNEY: &str = r#"
journey: tell-orders
enter: { event: Order Completed, key: order_id, re_entry: always }
steps:
  - id: tell
    webhook: { to: crm, body: { order: "{{ entry.order_id }}" } }
---
journey: tell-carts
enter: { segment: cart_abandoner, re_entry: always }
steps:
  - id: tell
    webhook: { to: crm, body: { cart: left } }
"#;

/// All files of the workspace.
pub fn files(url: &str) -> Vec<(String, String)> {
    vec![
        ("tidewater.yaml".to_owned(), settings(url)),
        ("rules/shop.tide".to_owned(), RULES.trim_start().to_owned()),
        ("journeys/shop.yaml".to_owned(), JOURNEY.trim_start().to_owned()),
    ]
}

/// The workspace, compiled.
pub fn compiled(files: Vec<(String, String)>) -> (Arc<Program>, Arc<Config>) {
    let loaded = workspace::load::compile(files, &|_| None);
    let errors: Vec<_> = loaded
        .findings
        .iter()
        .filter(|finding| finding.is_error())
        .map(|finding| (&finding.message, finding.place))
        .collect();
    assert!(errors.is_empty(), "the test's workspace has errors: {errors:#?}");
    (loaded.program.expect("a program"), Arc::new(loaded.config.expect("settings")))
}

/// A track event of the shop. The properties are texts.
pub fn track(
    message_id: &str,
    name: &str,
    user: Option<&str>,
    anonymous: Option<&str>,
    properties: &[(&str, &str)],
) -> Event {
    let properties: ValueMap =
        properties.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
    Event {
        message_id: message_id.to_owned(),
        kind: EventKind::Track,
        name: name.to_owned(),
        source: "shop".to_owned(),
        timestamp: Timestamp::MAX,
        user_id: user.map(str::to_owned),
        anonymous_id: anonymous.map(str::to_owned),
        previous_id: None,
        group_id: None,
        properties,
        traits: ValueMap::new(),
        context: ValueMap::new(),
    }
}

/// One completed order.
pub fn order(id: &str, user: &str) -> Event {
    track(&format!("m-{id}"), "Order Completed", Some(user), None, &[("order_id", id)])
}
