//! Who may come in: write keys of sources, and the bearer key of the management API.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, web};
use base64::Engine as _;
use subtle::ConstantTimeEq;

use super::answer::failure;
use super::doors::Doors;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// The write key of a source, as basic-auth user or in the body.
    WriteKey,
    /// The management key, as a bearer token.
    ApiKey,
    /// A token in the path that we signed.
    SignedLink,
}

/// The write key in the header: the user of basic authentication. Some libraries leave out the colon.
///
/// `None`: there is no such header, and the body must have the key. `Some("")` where the header cannot be read.
pub(super) fn write_key_of_header(request: &HttpRequest) -> Option<String> {
    let header = request.headers().get(header::AUTHORIZATION)?;
    let encoded =
        header.to_str().ok()?.strip_prefix("Basic ").or_else(|| header.to_str().ok()?.strip_prefix("basic "))?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).unwrap_or_default();
    let pair = String::from_utf8(decoded).unwrap_or_default();
    Some(pair.split_once(':').map_or(pair.as_str(), |(user, _)| user).to_owned())
}

/// Lets a request through that brings the management key.
pub(super) async fn require_api_key<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let expected = request.app_data::<web::Data<Doors>>().and_then(|doors| doors.platform.config().api_key.clone());
    let Some(expected) = expected else {
        let answer =
            failure(StatusCode::FORBIDDEN, "no_api_key", "the management API is off: tidewater.yaml sets no api_key");
        return Ok(request.into_response(answer).map_into_right_body());
    };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|header| header.to_str().ok());
    let given = given.and_then(|header| header.strip_prefix("Bearer ")).unwrap_or_default().trim();
    if bool::from(given.as_bytes().ct_eq(expected.reveal().as_bytes())) && !given.is_empty() {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    }
    let mut answer = failure(StatusCode::UNAUTHORIZED, "unauthorized", "the bearer key is missing or wrong");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    Ok(request.into_response(answer).map_into_right_body())
}
