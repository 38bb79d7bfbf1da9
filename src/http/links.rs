//! Signed links in mail: to leave a topic, and to follow a link while we note it.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::actors::Refused;
use crate::engine::transition::Origin;
use crate::model::platform_event::EMAIL_CLICKED;
use crate::model::value::ValueMap;
use crate::model::{ConsentChange, ConsentKey, ConsentSource, ConsentState};
use crate::model::{EffectId, Event, Timestamp, Value};

use super::body;
use super::doors::Doors;
use super::page::{escape, page};

/// Largest body of the unsubscribe form, in bytes: it holds one field.
const FORM_BYTES: usize = 4 * 1024;

/// `GET /u/{token}`: asks, and changes nothing, for mail scanners follow every link.
pub(super) async fn ask_unsubscribe(token: web::Path<String>, doors: web::Data<Doors>) -> HttpResponse {
    let Some(link) = doors.platform.links().verify_unsubscribe(&token) else { return bad_link() };
    let topic = escape(&topic_title(&doors, &link.topic));
    let body = format!(
        "<p>You will get no more messages about <strong>{topic}</strong>.</p><form method=\"post\">\
<input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\"><button type=\"submit\">Unsubscribe</button></form>"
    );
    page(StatusCode::OK, "Unsubscribe?", &body)
}

/// `POST /u/{token}`: our form's button, or a mail program's own (RFC 8058). Works at once and without questions.
pub(super) async fn unsubscribe(
    request: HttpRequest,
    token: web::Path<String>,
    payload: web::Payload,
    doors: web::Data<Doors>,
) -> HttpResponse {
    let Some(link) = doors.platform.links().verify_unsubscribe(&token) else { return bad_link() };
    let Ok(form) = body::read(&request, payload, FORM_BYTES).await else { return bad_form() };
    if !is_one_click(&form) {
        return bad_form();
    }
    let withdrawal = ConsentChange {
        id: new_id(),
        message: link_properties(link.effect, link.origin.as_ref()),
        key: ConsentKey::Topic { topic: link.topic.clone(), channel: link.channel },
        state: ConsentState::Withdrawn,
        by: ConsentSource::Link,
        at: doors.platform.now(),
        note: None,
    };
    match doors.platform.consent(link.profile, withdrawal).await {
        Ok(_) => {
            let topic = escape(&topic_title(&doors, &link.topic));
            let body = format!("<p>You will get no more messages about <strong>{topic}</strong>.</p>");
            page(StatusCode::OK, "You are unsubscribed", &body)
        }
        Err(why) => {
            tracing::error!(reason = %why, "unsubscription could not be stored");
            let mut answer = page(
                StatusCode::SERVICE_UNAVAILABLE,
                "That did not work",
                "<p>We could not store your choice just now. Please try again in a minute.</p>",
            );
            answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("60"));
            answer
        }
    }
}

/// `GET /c/{token}`: notes the click and leads on to the address that we signed, never to another. `HEAD` leads on
/// alone: people do not send it.
pub(super) async fn click(request: HttpRequest, token: web::Path<String>, doors: web::Data<Doors>) -> HttpResponse {
    let Some(link) = doors.platform.links().verify_click(&token) else { return bad_link() };
    let Some(target) = web_address(&link.url) else { return bad_link() };
    if request.method() == Method::GET {
        let mut properties = link_properties(link.effect, link.origin.as_ref());
        properties.insert("channel".to_owned(), Value::from("email"));
        properties.insert("url".to_owned(), Value::from(target.as_str()));
        let event = our_event(EMAIL_CLICKED, properties, doors.platform.now());
        if let Err(why) = doors.platform.record(link.profile, event).await {
            // The customer wants to get on, whatever state we are in. How many were let go is counted.
            match why {
                Refused::Busy { .. } => tracing::debug!(reason = %why, "a click was let go"),
                _ => tracing::error!(reason = %why, "click could not be stored"),
            }
        }
    }
    HttpResponse::Found().insert_header((header::LOCATION, target)).finish()
}

/// Which message carried the link.
fn link_properties(effect: EffectId, origin: Option<&Origin>) -> ValueMap {
    let mut properties = ValueMap::from([("effect_id".to_owned(), Value::Text(effect.to_string()))]);
    if let Some(origin) = origin {
        properties.insert("journey".to_owned(), Value::from(origin.journey.as_str()));
        properties.insert("run_id".to_owned(), Value::Text(origin.run.to_string()));
        properties.insert("step".to_owned(), Value::from(origin.step.as_str()));
    }
    properties
}

/// Each click counts, and each word on consent, unless the same link said the same just before.
fn new_id() -> String {
    format!("link-{:032x}", rand::random::<u128>())
}

fn our_event(name: &str, properties: ValueMap, now: Timestamp) -> Event {
    Event::of_platform(name, new_id(), now, properties)
}

/// The address in its plain ASCII form, if it is one of the web.
fn web_address(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.to_string())
}

/// `List-Unsubscribe=One-Click`, as a form sends it or as parts.
fn is_one_click(form: &[u8]) -> bool {
    let in_form =
        url::form_urlencoded::parse(form).any(|(name, value)| name == "List-Unsubscribe" && value == "One-Click");
    let text = String::from_utf8_lossy(form);
    in_form || (text.contains("name=\"List-Unsubscribe\"") && text.lines().any(|line| line.trim_end() == "One-Click"))
}

fn topic_title(doors: &Doors, topic: &str) -> String {
    let program = doors.platform.program();
    let declared = program.rules.topics.iter().find(|declared| declared.name == topic);
    declared.and_then(|declared| declared.title.clone()).unwrap_or_else(|| topic.to_owned())
}

fn bad_link() -> HttpResponse {
    let body = "<p>It may have been cut short on its way. Please use the whole link from your message.</p>";
    page(StatusCode::BAD_REQUEST, "This link is not valid", body)
}

fn bad_form() -> HttpResponse {
    page(StatusCode::BAD_REQUEST, "That did not work", "<p>Please use the link from your message once more.</p>")
}
