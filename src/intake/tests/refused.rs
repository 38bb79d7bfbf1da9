//! What is not taken, and what is said of it.

use serde_json::json;

use super::{Call, received, take, take_json};
use crate::model::limit::{BATCH_BYTES, BATCH_EVENTS, EVENT_BYTES, EVENT_FIELDS};

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
