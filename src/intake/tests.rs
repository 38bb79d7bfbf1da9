//! Intake as the doors use it: bodies in, what became of them out.

mod anything;
mod refused;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::finding::{Place, SourceId, Span};
use crate::lang::Rules;
use crate::lang::rules::{Cleaner, EventDeclaration, PropertyDeclaration, TraitDeclaration, ValueType};
use crate::model::limit::EVENT_BYTES;
use crate::model::{EventKind, Timestamp, Value};
use crate::workspace::Program;

use super::{Arrival, BadRequest, Call, Intake, Request, Taken};

const HERE: Place = Place { source: SourceId(0), span: Span { start: 0, end: 0 } };

fn property(name: &str, kind: ValueType, required: bool) -> PropertyDeclaration {
    PropertyDeclaration { name: name.into(), kind, required, one_of: None }
}

fn one_of(values: &[&str]) -> Option<Vec<Value>> {
    Some(values.iter().map(|value| Value::from(*value)).collect())
}

/// A plan with one strict event and one that is not.
fn events() -> Vec<EventDeclaration> {
    let product = vec![property("product_id", ValueType::Text, false), property("price", ValueType::Number, false)];
    let order = vec![
        property("order_id", ValueType::Text, true),
        property("revenue", ValueType::Number, true),
        PropertyDeclaration { one_of: one_of(&["USD", "EUR", "GBP"]), ..property("currency", ValueType::Text, false) },
        property("products", ValueType::List(Box::new(ValueType::Object(product.clone()))), false),
    ];
    let event =
        |name: &str, strict, properties| EventDeclaration { name: name.into(), strict, properties, place: HERE };
    vec![event("Order Completed", true, order), event("Product Viewed", false, product)]
}

fn traits() -> Vec<TraitDeclaration> {
    let declared = |name: &str, kind, clean: &[Cleaner]| TraitDeclaration {
        name: name.into(),
        kind,
        one_of: None,
        clean: clean.to_vec(),
        pii: None,
        place: HERE,
    };
    vec![
        declared("email", ValueType::Text, &[Cleaner::Trim, Cleaner::Lowercase, Cleaner::Email]),
        declared("phone", ValueType::Text, &[Cleaner::Phone { default_country: Some("GB".into()) }]),
        declared("country", ValueType::Text, &[Cleaner::CountryCode]),
        declared("birthday", ValueType::Date, &[]),
        TraitDeclaration { one_of: one_of(&["free", "pro"]), ..declared("plan", ValueType::Text, &[]) },
        declared("address.city", ValueType::Text, &[Cleaner::Trim]),
    ]
}

fn program() -> Arc<Program> {
    Arc::new(Program {
        version: "0".repeat(32),
        rules: Rules { events: events(), traits: traits(), ..Rules::default() },
        journeys: Vec::new(),
        templates: BTreeMap::new(),
        time_zone: chrono_tz::UTC,
        sources: Vec::new(),
    })
}

fn received() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

fn take(call: Call, body: &[u8]) -> Result<Taken, BadRequest> {
    let intake = Intake::new(program());
    let made = Cell::new(0);
    let arrival = Arrival {
        source: "web",
        received_at: received(),
        new_message_id: &|| {
            made.set(made.get() + 1);
            format!("made-{}", made.get())
        },
    };
    Request::read(call, body).map(|request| intake.take(&request, &arrival))
}

fn take_json(call: Call, body: &serde_json::Value) -> Taken {
    take(call, body.to_string().as_bytes()).unwrap()
}

fn accept(call: Call, body: &serde_json::Value) -> crate::model::Event {
    let mut taken = take_json(call, body);
    assert_eq!(taken.refused, [], "{body}");
    taken.accepted.pop().unwrap()
}

#[test]
fn every_call_becomes_an_event_under_its_name() {
    let who = |more: serde_json::Value| {
        let mut body = json!({"userId": "u1", "messageId": "m1"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let track = accept(Call::Track, &who(json!({"event": " Signed Up ", "properties": {"via": "ad"}})));
    assert_eq!((track.name.as_str(), track.kind, track.message_id.as_str()), ("Signed Up", EventKind::Track, "m1"));
    assert_eq!(track.properties["via"], Value::from("ad"));
    let page = accept(Call::Page, &who(json!({"name": "Home", "category": "Docs", "properties": {"url": "/"}})));
    assert_eq!(page.name, "Page Viewed");
    assert_eq!((&page.properties["name"], &page.properties["category"]), (&"Home".into(), &"Docs".into()));
    assert_eq!(accept(Call::Screen, &who(json!({"name": "Cart"}))).name, "Screen Viewed");
    let group = accept(Call::Group, &who(json!({"groupId": 42, "traits": {"seats": 5}})));
    assert_eq!((group.name.as_str(), group.group_id.as_deref()), ("Grouped", Some("42")));
    assert_eq!(group.properties["group_id"], Value::from("42"));
    let alias = accept(Call::Alias, &who(json!({"previousId": "anon-7"})));
    assert_eq!((alias.name.as_str(), alias.previous_id.as_deref()), ("Aliased", Some("anon-7")));
    let alias = accept(Call::Alias, &who(json!({"anonymousId": "anon-8"})));
    assert_eq!(alias.previous_id.as_deref(), Some("anon-8"));
    assert_eq!(accept(Call::Identify, &who(json!({"traits": {}}))).name, "Identified");
}

#[test]
fn ids_are_texts_or_whole_numbers_and_a_missing_message_id_is_made() {
    let event = accept(Call::Identify, &json!({"userId": 12_345_678_901_234_567_890_u64, "anonymousId": null}));
    assert_eq!(event.user_id.as_deref(), Some("12345678901234567890"));
    assert_eq!((event.anonymous_id, event.message_id.as_str()), (None, "made-1"));
    let event = accept(Call::Identify, &json!({"userId": "", "anonymousId": "a1", "messageId": ""}));
    assert_eq!((event.user_id, event.anonymous_id.as_deref()), (None, Some("a1")));
}

#[test]
fn a_bad_event_does_not_harm_its_neighbours() {
    let huge = "x".repeat(EVENT_BYTES);
    let batch = json!({
        "batch": [
            {"type": "track", "event": "A", "userId": "u1"},
            {"type": "track", "event": "B"},
            "not an object",
            {"type": "fly", "userId": "u1"},
            {"type": "track", "event": "C", "userId": "u1", "properties": {"text": huge}},
            {"type": "identify", "userId": "u2", "context": {"ip": "1.2.3.4"}},
        ],
        "context": {"library": {"name": "test"}, "ip": "0.0.0.0"},
        "writeKey": "secret-key",
    });
    let taken = take_json(Call::Batch, &batch);
    let names: Vec<&str> = taken.accepted.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["A", "Identified"]);
    let refused: Vec<_> = taken.refused.iter().map(|refusal| (refusal.index, refusal.code)).collect();
    let expected = [(Some(1), "missing_id"), (Some(2), "not_an_object"), (Some(3), "invalid"), (Some(4), "too_large")];
    assert_eq!(refused, expected);
    assert_eq!(taken.quarantined.len(), 3, "what has no envelope is not kept");
    assert!(taken.quarantined.iter().all(|row| row.payload.len() < 8_192));
    let context = &taken.accepted[1].context;
    assert_eq!((&context["ip"], Value::lookup(context, "library.name")), (&"1.2.3.4".into(), Some(&"test".into())));
}

#[test]
fn the_write_key_is_read_and_never_kept() {
    let body = json!({"writeKey": "secret-key", "event": "X"}).to_string();
    let request = Request::read(Call::Track, body.as_bytes()).unwrap();
    assert_eq!(request.write_key(), Some("secret-key"));
    let taken = take(Call::Track, body.as_bytes()).unwrap();
    assert!(!taken.quarantined[0].payload.contains("secret-key"));
}

#[test]
fn traits_are_cleaned_and_those_that_cannot_be_are_left_out() {
    let taken = take_json(
        Call::Identify,
        &json!({"userId": "u", "traits": {
            "email": "  Ada@Example.COM ", "phone": "020 7946 0958", "country": "United Kingdom",
            "birthday": "1990-02-28T00:00:00Z", "plan": "gold", "address": {"city": 5, "street": "Main"},
            "nickname": "ada", "name": null,
        }}),
    );
    let traits = serde_json::to_value(&taken.accepted[0].traits).unwrap();
    let expected = json!({
        "email": "ada@example.com", "phone": "+442079460958", "country": "GB", "birthday": "1990-02-28",
        "address": {"street": "Main"}, "nickname": "ada", "name": null,
    });
    assert_eq!(traits, expected);
    let notes: Vec<_> = taken.notes.iter().map(|note| (note.code, note.path.as_str(), note.message.as_str())).collect();
    let expected = [
        ("trait_left_out", "traits.plan", "must be one of `free`, `pro`, got `gold`"),
        ("trait_left_out", "traits.address.city", "must be a text, got a number"),
    ];
    assert_eq!(notes, expected);
    assert_eq!(taken.quarantined.len(), 1, "one row tells of both");
}

#[test]
fn a_breach_of_a_plan_that_is_not_strict_is_kept_and_told() {
    let taken =
        take_json(Call::Track, &json!({"userId": "u", "event": "Product Viewed", "properties": {"price": "9"}}));
    assert_eq!(taken.accepted[0].properties["price"], Value::from("9"));
    let codes: Vec<_> = taken.quarantined.iter().map(|row| row.code.as_str()).collect();
    assert_eq!(codes, ["plan_breach_kept"]);
    assert!(taken.quarantined[0].reason().contains("properties.price: must be a number, got a text"));
}

#[test]
fn times_are_corrected_by_sent_at_of_the_event_or_the_batch() {
    let batch = json!({"sentAt": "2026-03-01T13:00:00Z", "batch": [
        {"type": "page", "userId": "u", "timestamp": "2026-03-01T12:30:00Z"},
        {"type": "page", "userId": "u", "originalTimestamp": "2026-03-01T12:30:00+01:00", "sentAt": "2026-03-01T11:30:00Z"},
        {"type": "page", "userId": "u"},
    ]});
    let times: Vec<_> =
        take_json(Call::Batch, &batch).accepted.iter().map(|event| event.timestamp.to_string()).collect();
    assert_eq!(times, ["2026-03-01T11:30:00Z", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"]);
}
