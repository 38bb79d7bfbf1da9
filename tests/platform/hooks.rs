//! Webhooks and audiences over real HTTP: what arrives, and what becomes of every answer.

use std::collections::BTreeMap;
use std::time::Duration;

use tidewater::channels::Outcome;
use tidewater::channels::audience::Audience;
use tidewater::channels::webhook::Webhook;
use tidewater::channels::webhook::catcher::{HookCatcher, HookScript};
use tidewater::engine::{Effect, EffectBody};
use tidewater::model::audience_hash::hashed;
use tidewater::model::value::ValueMap;
use tidewater::model::{EffectId, ProfileId, Span, Timestamp, Value};
use tidewater::workspace::config::{AudienceConfig, Limits, Secret, WebhookConfig};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn settings(url: String, allow_private_network: bool) -> WebhookConfig {
    WebhookConfig {
        url,
        secret: Secret::new(SECRET),
        headers: BTreeMap::from([("x-tenant".to_owned(), Secret::new("shop"))]),
        allow_private_network,
        requests_at_once: 4,
        limits: Limits::default(),
    }
}

fn webhook(catcher: &HookCatcher) -> Webhook {
    Webhook::new(&settings(format!("{}/crm", catcher.url()), true)).unwrap()
}

fn effect(body: EffectBody) -> Effect {
    Effect {
        id: EffectId(5),
        profile: ProfileId(1),
        destination: "crm".to_owned(),
        origin: None,
        consent: None,
        decided_at: Timestamp(0),
        expires_at: None,
        body,
    }
}

fn order() -> Effect {
    let body: Value = serde_json::from_str(r#"{"order":"{{ order_id }}","n":3,"list":["{{ name }}"]}"#).unwrap();
    let variables: ValueMap = serde_json::from_str(r#"{"order_id":"o1","name":"Zoë \"Z\""}"#).unwrap();
    effect(EffectBody::Webhook { body, variables })
}

#[tokio::test]
async fn a_receiver_with_the_schemes_own_library_accepts_what_arrives() {
    let catcher = HookCatcher::start().await.unwrap();
    let hook = webhook(&catcher);
    catcher.script(HookScript::Answer { status: 500, headers: Vec::new(), body: "down".to_owned() });
    assert!(matches!(hook.perform(&order(), 0).await, Outcome::RetryAt { .. }));
    assert!(matches!(hook.perform(&order(), 1).await, Outcome::Sent { .. }));
    let requests = catcher.requests();
    assert_eq!(requests.len(), 2);
    let receiver = standardwebhooks::Webhook::new(SECRET).unwrap();
    for request in &requests {
        let mut headers = reqwest::header::HeaderMap::new();
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            headers.insert(name, request.header(name).unwrap().parse().unwrap());
        }
        receiver.verify(request.body.as_bytes(), &headers).unwrap();
        assert_eq!(request.header("webhook-id"), Some(EffectId(5).to_string().as_str()));
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/crm"));
        assert_eq!(request.header("x-tenant"), Some("shop"));
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body, serde_json::json!({"order": "o1", "n": 3, "list": ["Zoë \"Z\""]}));
    }
}

#[tokio::test]
async fn every_answer_has_its_outcome() {
    let catcher = HookCatcher::start().await.unwrap();
    let hook = webhook(&catcher);
    for status in [200, 201, 204] {
        catcher.script(HookScript::Answer { status, headers: Vec::new(), body: String::new() });
        let outcome = hook.perform(&order(), 0).await;
        assert!(matches!(outcome, Outcome::Sent { .. }), "{status}: {outcome:?}");
    }
    for status in [400, 401, 403, 404, 410, 422, 302] {
        catcher.script(HookScript::Answer { status, headers: Vec::new(), body: "why".to_owned() });
        let outcome = hook.perform(&order(), 0).await;
        let Outcome::Failed { reason } = outcome else { panic!("{status}: {outcome:?}") };
        assert!(reason.contains(&status.to_string()) && reason.contains("why"), "{reason}");
    }
    for status in [408, 425, 429, 500, 502, 503] {
        catcher.script(HookScript::Answer { status, headers: Vec::new(), body: String::new() });
        let outcome = hook.perform(&order(), 0).await;
        assert!(matches!(outcome, Outcome::RetryAt { .. }), "{status}: {outcome:?}");
    }
    let wait = vec![("retry-after".to_owned(), "7200".to_owned())];
    catcher.script(HookScript::Answer { status: 429, headers: wait, body: String::new() });
    let outcome = hook.perform(&order(), 0).await;
    assert!(matches!(outcome, Outcome::RetryAt { after, .. } if after >= Span::HOUR.times(2)), "{outcome:?}");
    catcher.script(HookScript::HangUp);
    let outcome = hook.perform(&order(), 0).await;
    assert!(matches!(outcome, Outcome::RetryAt { .. }), "{outcome:?}");
    // The last try says so.
    catcher.script(HookScript::Answer { status: 500, headers: Vec::new(), body: String::new() });
    let outcome = hook.perform(&order(), 13).await;
    assert!(matches!(&outcome, Outcome::Failed { reason } if reason.contains("given up")), "{outcome:?}");
}

#[tokio::test]
async fn redirects_are_not_followed_and_long_answers_end() {
    let (catcher, trap) = (HookCatcher::start().await.unwrap(), HookCatcher::start().await.unwrap());
    let hook = webhook(&catcher);
    let to_trap = vec![("location".to_owned(), trap.url())];
    catcher.script(HookScript::Answer { status: 307, headers: to_trap, body: String::new() });
    assert!(matches!(hook.perform(&order(), 0).await, Outcome::Failed { .. }));
    assert!(trap.requests().is_empty());
    let endless = "x".repeat(5_000_000);
    catcher.script(HookScript::Answer { status: 400, headers: Vec::new(), body: endless });
    let outcome = tokio::time::timeout(Duration::from_secs(20), hook.perform(&order(), 0)).await.unwrap();
    let Outcome::Failed { reason } = outcome else { panic!("{outcome:?}") };
    assert!(reason.len() < 400, "{}", reason.len());
}

#[tokio::test]
async fn a_name_that_is_not_known_fails_before_anything_leaves() {
    let catcher = HookCatcher::start().await.unwrap();
    let body: Value = serde_json::from_str(r#"{"order":"{{ oder_id }}"}"#).unwrap();
    let outcome = webhook(&catcher).perform(&effect(EffectBody::Webhook { body, variables: ValueMap::new() }), 0).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(catcher.requests().is_empty());
}

#[tokio::test]
async fn inner_addresses_are_called_only_where_that_is_meant() {
    let trap = HookCatcher::start().await.unwrap();
    let port = trap.url().rsplit(':').next().unwrap().to_owned();
    assert!(Webhook::new(&settings(trap.url(), false)).is_err());
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
        assert!(Webhook::new(&settings(format!("https://{host}:{port}/"), false)).is_err(), "{host}");
    }
    // A name passes the first look, and is refused when it turns out to lead inside.
    let hook = Webhook::new(&settings(format!("https://localhost:{port}/"), false)).unwrap();
    let outcome = hook.perform(&order(), 0).await;
    assert!(matches!(&outcome, Outcome::RetryAt { reason, .. } if reason.contains("private network")), "{outcome:?}");
    assert!(trap.requests().is_empty());
}

#[tokio::test]
async fn an_audience_hears_hashes_and_never_an_address() {
    let catcher = HookCatcher::start().await.unwrap();
    let config = AudienceConfig {
        url: format!("{}/audiences", catcher.url()),
        token: Some(Secret::new("token")),
        allow_private_network: true,
        requests_at_once: 2,
        limits: Limits::default(),
    };
    let identifiers = BTreeMap::from([
        ("email".to_owned(), " Ada@Example.com ".to_owned()),
        ("phone".to_owned(), "+44 20 7946 0018".to_owned()),
    ]);
    let update = effect(EffectBody::Audience { audience: "vip".to_owned(), add: true, identifiers, change: 1 });
    assert!(matches!(Audience::new(&config).unwrap().perform(&update, 0).await, Outcome::Sent { .. }));
    let request = catcher.requests().remove(0);
    assert_eq!(request.header("idempotency-key"), Some(EffectId(5).to_string().as_str()));
    assert_eq!(request.header("authorization"), Some("Bearer token"));
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["action"], "add");
    assert_eq!(body["members"][0]["email"], hashed("email", "ada@example.com"));
    assert!(!request.body.to_lowercase().contains("example.com") && !request.body.contains("7946"), "{}", request.body);
}
