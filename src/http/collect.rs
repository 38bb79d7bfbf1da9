//! The collecting calls of the Segment spec.

use std::time::Duration;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::intake::{Arrival, Call, Request, Taken};

use super::access::write_key_of_header;
use super::answer::{bad_request, failure, refused};
use super::body::{self, BodyError};
use super::doors::Doors;
use crate::actors::Refused;
use crate::model::limit::STRANGER_BYTES;

/// When those may come again for whose body there was no room.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// `POST /v1/{call}`: takes events, and answers when they are durable.
pub(super) async fn collect(
    request: HttpRequest,
    call: web::Path<String>,
    payload: web::Payload,
    doors: web::Data<Doors>,
) -> HttpResponse {
    let mut answer = match Call::find(&call) {
        Some(call) => take(&request, call, payload, &doors).await,
        None => failure(StatusCode::NOT_FOUND, "not_found", "there is no such call"),
    };
    answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, header::HeaderValue::from_static("*"));
    answer
}

/// `OPTIONS /v1/{call}`: browsers ask before they send. The write key of a web site is public, so any origin may.
pub(super) async fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, Method::POST.as_str()))
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type, Content-Encoding, X-Retry-Count",
        ))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
}

async fn take(request: &HttpRequest, call: Call, payload: web::Payload, doors: &Doors) -> HttpResponse {
    let config = doors.platform.config();
    let header_key = write_key_of_header(request);
    if let Some(key) = &header_key
        && config.source_of_key(key).is_none()
    {
        return wrong_key();
    }
    let is_stranger = header_key.is_none();
    let limit = if is_stranger { call.body_limit().min(STRANGER_BYTES) } else { call.body_limit() };
    // What will be refused is not held meanwhile.
    if let Err(why) = doors.platform.ready() {
        body::throw_away(payload, limit).await;
        return refused(&why);
    }
    let mut place = doors.room.place(is_stranger);
    let body = match body::read_within(request, payload, limit, &mut place).await {
        Ok(body) => body,
        Err(error) => return unreadable(&error, limit),
    };
    let (taken, is_batch) = {
        let read = match Request::read(call, &body) {
            Ok(read) => read,
            Err(bad) => return bad_request(&bad),
        };
        let key = header_key.as_deref().or(read.write_key()).unwrap_or_default();
        let Some(source) = config.source_of_key(key) else { return wrong_key() };
        let arrival = Arrival {
            source: &source.name,
            received_at: doors.platform.now(),
            new_message_id: &|| format!("tw-{:032x}", rand::random::<u128>()),
        };
        (doors.intake().take(&read, &arrival), read.is_batch())
    };
    // From here on it is in the account of what waits.
    drop((body, place));
    keep(taken, is_batch, doors).await
}

/// Makes durable what was taken, refused events among it, and says what became of each.
async fn keep(taken: Taken, is_batch: bool, doors: &Doors) -> HttpResponse {
    let Taken { accepted, quarantined, refused: rejected, notes } = taken;
    let count = accepted.len();
    if !(accepted.is_empty() && quarantined.is_empty())
        && let Err(why) = doors.platform.ingest(accepted, quarantined).await
    {
        return refused(&why);
    }
    if !is_batch && let Some(refusal) = rejected.first() {
        let mut body = json!(refusal);
        body["success"] = json!(false);
        return HttpResponse::BadRequest().json(body);
    }
    let mut body = json!({ "success": true });
    if is_batch {
        body["accepted"] = json!(count);
        body["rejected"] = json!(rejected);
    }
    if !notes.is_empty() {
        body["warnings"] = json!(notes);
    }
    HttpResponse::Ok().json(body)
}

fn wrong_key() -> HttpResponse {
    let message = "the write key is missing or unknown: send it as the user of basic authentication, or as `writeKey`";
    failure(StatusCode::UNAUTHORIZED, "unknown_write_key", message)
}

fn unreadable(error: &BodyError, limit: usize) -> HttpResponse {
    match error {
        BodyError::NoRoom => refused(&Refused::Busy { retry_after: RETRY_AFTER }),
        BodyError::TooLarge if limit == STRANGER_BYTES => {
            let message = format!(
                "the body is larger than {limit} bytes: send a smaller batch, or the write key as the user of basic \
                 authentication"
            );
            failure(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &message)
        }
        BodyError::TooLarge => {
            let message = format!("the body is larger than {limit} bytes");
            failure(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &message)
        }
        BodyError::BadGzip => {
            failure(StatusCode::BAD_REQUEST, "bad_gzip", "the body says it is gzip, and is not, or breaks off")
        }
        BodyError::UnknownEncoding => failure(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unknown_encoding",
            "a body may be plain or gzip, and nothing else",
        ),
        BodyError::Broken => failure(StatusCode::REQUEST_TIMEOUT, "broken_off", "the body did not arrive in full"),
    }
}
