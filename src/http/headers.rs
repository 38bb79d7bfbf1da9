//! What every answer carries, and the trace that every request leaves.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use tracing::Instrument;

/// Names a request, in the answer and in the log.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// For answers that set no policy of their own: nothing may be loaded, framed or run.
const NOTHING_LOADED: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

/// Adds the headers, and logs the request by the pattern of its route: paths hold tokens and ids of people.
pub(super) async fn of_every_answer<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let request_id = format!("{:016x}", rand::random::<u64>());
    let span = tracing::info_span!("request", request_id, method = %request.method());
    async move {
        let mut response = next.call(request).await?;
        let route = response.request().match_pattern().unwrap_or_default();
        tracing::debug!(route, status = response.status().as_u16(), "answered");
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            headers.insert(REQUEST_ID.clone(), value);
        }
        add_missing(headers);
        Ok(response)
    }
    .instrument(span)
    .await
}

fn add_missing(headers: &mut HeaderMap) {
    let usual = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, NOTHING_LOADED),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in usual {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}
