//! Intake as the doors use it: bodies in, what became of them out.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use crate::finding::{Place, SourceId, Span};
use crate::lang::Rules;
use crate::lang::rules::{Cleaner, EventDeclaration, PropertyDeclaration, TraitDeclaration, ValueType};
use crate::model::limit::{BATCH_BYTES, BATCH_EVENTS, EVENT_BYTES, EVENT_FIELDS};
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

/// Body of a single call, and what is said of it: the code, the path and part of the message.
fn bad_events() -> Vec<(Call, serde_json::Value, &'static str, &'static str, &'static str)> {
    let long = |chars: usize| "x".repeat(chars);
    let mut deep = json!(1);
    for _ in 0..25 {
        deep = json!({ "in": deep });
    }
    let mut deeper = json!(1);
    for _ in 0..200 {
        deeper = json!([deeper]);
    }
    let many: serde_json::Map<_, _> = (0..=EVENT_FIELDS).map(|n| (format!("n{n}"), json!(1))).collect();
    vec![
        (Call::Track, json!({"event": "X"}), "missing_id", "userId", "both missing"),
        (Call::Track, json!({"event": "X", "userId": "  "}), "missing_id", "userId", "both missing"),
        (Call::Track, json!({"event": "X", "userId": true}), "invalid", "userId", "text or a whole number"),
        (Call::Track, json!({"event": "X", "userId": 1.5}), "invalid", "userId", "text or a whole number"),
        (Call::Track, json!({"event": "X", "userId": {"id": 1}}), "invalid", "userId", "text or a whole number"),
        (Call::Track, json!({"event": "X", "userId": "undefined"}), "invalid", "userId", "strangers"),
        (Call::Track, json!({"event": "X", "userId": "a\u{0}b"}), "invalid", "userId", "NUL"),
        (Call::Track, json!({"event": "X", "userId": long(256)}), "too_long", "userId", "255"),
        (Call::Track, json!({"event": "X", "anonymousId": long(256)}), "too_long", "anonymousId", "255"),
        (Call::Track, json!({"event": "X", "userId": "u", "messageId": long(101)}), "too_long", "messageId", "100"),
        (Call::Track, json!({"userId": "u"}), "missing_event", "event", "name what happened"),
        (Call::Track, json!({"userId": "u", "event": " "}), "missing_event", "event", "name what happened"),
        (Call::Track, json!({"userId": "u", "event": 7}), "invalid", "event", "must be a text"),
        (Call::Track, json!({"userId": "u", "event": long(201)}), "too_long", "event", "200"),
        (Call::Track, json!({"userId": "u", "event": "Email Sent"}), "forbidden_event", "event", "keeps for its own"),
        (Call::Track, json!({"userId": "u", "event": "Page Viewed"}), "forbidden_event", "event", "keeps for its own"),
        (Call::Track, json!({"userId": "u", "event": "Unsubscribed"}), "invalid", "properties.topic", "must say its"),
        (Call::Track, json!({"userId": "u", "event": "X", "type": "page"}), "invalid", "type", "says `page`"),
        (Call::Track, json!({"userId": "u", "event": "X", "properties": [1]}), "invalid", "properties", "an object"),
        (Call::Track, json!({"userId": "u", "event": "X", "context": "web"}), "invalid", "context", "an object"),
        (Call::Track, json!({"userId": "u", "event": "X", "properties": {"in": deep}}), "too_deep", "", "20 levels"),
        (Call::Track, json!({"userId": "u", "event": "X", "properties": {"in": deeper}}), "too_deep", "", "20 levels"),
        (
            Call::Track,
            json!({"userId": "u", "event": "X", "properties": many}),
            "too_many_fields",
            "properties",
            "1000",
        ),
        (
            Call::Track,
            json!({"userId": "u", "event": "X", "properties": {"a": [{"b": "\u{0}"}]}}),
            "invalid",
            "properties.a[0].b",
            "NUL",
        ),
        (
            Call::Track,
            json!({"userId": "u", "event": "X", "timestamp": "now"}),
            "invalid_time",
            "timestamp",
            "got \"now\"",
        ),
        (
            Call::Track,
            json!({"userId": "u", "event": "X", "timestamp": "2026-03-01"}),
            "invalid_time",
            "timestamp",
            "zone",
        ),
        (Call::Track, json!({"userId": "u", "event": "X", "timestamp": 5}), "invalid_time", "timestamp", "got 5"),
        (Call::Track, json!({"userId": "u", "event": "X", "sentAt": "x"}), "invalid_time", "sentAt", "must be a time"),
        (Call::Group, json!({"userId": "u"}), "missing_id", "groupId", "name the group"),
        (Call::Alias, json!({"userId": "u"}), "missing_id", "previousId", "known by"),
        (Call::Alias, json!({"anonymousId": "a", "previousId": "b"}), "missing_id", "userId", "whose name"),
        (
            Call::Track,
            json!({"userId": "u", "event": "Order Completed", "properties": {"order_id": "o1"}}),
            "plan_breach",
            "properties.revenue",
            "required by the tracking plan",
        ),
        (
            Call::Track,
            json!({"userId": "u", "event": "Order Completed", "properties": {"order_id": 5, "revenue": 1}}),
            "plan_breach",
            "properties.order_id",
            "must be a text, got a number",
        ),
        (
            Call::Track,
            json!({"userId": "u", "event": "Order Completed",
                "properties": {"order_id": "o", "revenue": 1, "currency": "XXX"}}),
            "plan_breach",
            "properties.currency",
            "must be one of `USD`, `EUR`, `GBP`, got `XXX`",
        ),
        (
            Call::Track,
            json!({"userId": "u", "event": "Order Completed",
                "properties": {"order_id": "o", "revenue": 1, "products": [{"price": 1}, {"price": "2"}]}}),
            "plan_breach",
            "properties.products[1].price",
            "must be a number, got a text",
        ),
    ]
}

#[test]
fn what_is_wrong_with_an_event_is_said_with_its_place_and_kept() {
    for (call, body, code, path, part) in bad_events() {
        let taken = take_json(call, &body);
        let shown: String = body.to_string().chars().take(200).collect();
        assert_eq!(taken.accepted, [], "{shown}");
        let [refusal] = taken.refused.as_slice() else { panic!("{shown}: {:?}", taken.refused) };
        assert_eq!(refusal.code, code, "{shown}: {refusal:?}");
        // Where the path of a deep place is long, only the message is looked at.
        assert!(path.is_empty() || refusal.path == path, "{shown}: {refusal:?}");
        assert!(refusal.message.contains(part), "{shown}: {refusal:?}");
        let [kept] = taken.quarantined.as_slice() else { panic!("{shown}: not kept") };
        assert_eq!((kept.code.as_str(), kept.source.as_str(), kept.received_at), (code, "web", received()));
        assert_eq!(kept.payload, body.to_string());
    }
}

#[test]
fn bodies_that_are_no_request_are_refused_with_line_and_column() {
    let read = |call, body: &[u8]| take(call, body).unwrap_err();
    let broken = read(Call::Track, b"{\"userId\": \"u\",\n  \"event\": }");
    assert_eq!((broken.code, broken.line, broken.column), ("invalid_json", Some(2), Some(12)));
    assert!(broken.message.contains("(line 2, column 12)"), "{}", broken.message);
    assert_eq!(read(Call::Track, b"").message, "the body is empty: it must be a JSON object");
    assert!(read(Call::Track, b"{\"userId\": \"\xff\"}").message.contains("not UTF-8"));
    assert_eq!(read(Call::Track, b"[1]").code, "not_an_object");
    assert_eq!(read(Call::Track, b"null").code, "not_an_object");
    assert_eq!(read(Call::Batch, b"{}").path, "batch");
    assert_eq!(read(Call::Batch, b"{\"batch\": 5}").path, "batch");
    assert_eq!(read(Call::Batch, b"{\"batch\": [], \"sentAt\": \"soon\"}").path, "sentAt");
    assert!(read(Call::Track, &vec![b' '; EVENT_BYTES + 1]).is_too_large());
    assert!(read(Call::Batch, &vec![b' '; BATCH_BYTES + 1]).is_too_large());
    let too_many = format!("{{\"batch\": [{}]}}", vec!["{}"; BATCH_EVENTS + 1].join(","));
    assert!(read(Call::Batch, too_many.as_bytes()).is_too_large());
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

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let names = prop_oneof![
        Just("userId".to_owned()),
        Just("type".to_owned()),
        Just("event".to_owned()),
        Just("traits".to_owned()),
        Just("properties".to_owned()),
        Just("timestamp".to_owned()),
        Just("sentAt".to_owned()),
        Just("email".to_owned()),
        Just("phone".to_owned()),
        Just("country".to_owned()),
        Just("address".to_owned()),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        "[+0-9() a-z@.-]{0,20}".prop_map(Into::into),
        prop_oneof![Just("track"), Just("identify"), Just("alias"), Just("Order Completed")].prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec((names.clone(), inner), 0..8)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn no_bytes_make_intake_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = take(Call::Track, &body);
        let _ = take(Call::Batch, &body);
    }

    #[test]
    fn no_text_makes_a_cleaner_panic(text in any::<String>(), near in "[+0-9() a-z;=@.x#-]{0,30}") {
        for cleaner in [Cleaner::Email, Cleaner::Phone { default_country: Some("GB".into()) }, Cleaner::CountryCode] {
            let _ = super::clean::clean(&cleaner, &text);
            let _ = super::clean::clean(&cleaner, &near);
        }
    }

    /// Every event of a batch is accounted for, once, whatever it holds.
    #[test]
    fn no_event_is_lost_in_silence(items in prop::collection::vec(any_json(), 0..6)) {
        let body = json!({"batch": items});
        let taken = take_json(Call::Batch, &body);
        prop_assert_eq!(taken.accepted.len() + taken.refused.len(), items.len());
        let envelopes = items.iter().filter(|item| item.is_object()).count();
        let not_envelopes = taken.refused.iter().filter(|refusal| refusal.code == "not_an_object").count();
        prop_assert_eq!(envelopes, items.len() - not_envelopes);
    }
}
