//! Answers in JSON: one form for everything that went wrong.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::actors::Refused;
use crate::intake::BadRequest;

/// `{"success": false, "code": …, "message": …}`: the fields that Segment's libraries read from a failure.
pub(super) fn failure(status: StatusCode, code: &str, message: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "success": false, "code": code, "message": message }))
}

/// A request that as a whole could not be taken.
pub(super) fn bad_request(bad: &BadRequest) -> HttpResponse {
    let status = if bad.is_too_large() { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
    let mut body = json!(bad);
    body["success"] = json!(false);
    HttpResponse::build(status).json(body)
}

/// The platform took nothing; unless it can never be stored, the same request may come again.
pub(super) fn refused(refused: &Refused) -> HttpResponse {
    let (status, code, seconds) = match refused {
        Refused::Unwritable => return failure(StatusCode::BAD_REQUEST, "unwritable", &refused.to_string()),
        Refused::Busy { retry_after } => (StatusCode::TOO_MANY_REQUESTS, "busy", retry_after.as_secs().max(1)),
        Refused::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", 5),
        Refused::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping", 5),
    };
    let mut answer = failure(status, code, &refused.to_string());
    answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    answer
}

/// A path that leads nowhere.
pub(super) async fn no_such_page(_request: HttpRequest) -> HttpResponse {
    failure(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn told(why: &Refused) -> (u16, String) {
        let answer = refused(why);
        let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        (answer.status().as_u16(), retry_after.unwrap_or_default().to_owned())
    }

    #[test]
    fn who_may_come_again_is_told_when() {
        assert_eq!(told(&Refused::Busy { retry_after: Duration::from_secs(7) }), (429, "7".to_owned()));
        assert_eq!(told(&Refused::Busy { retry_after: Duration::from_millis(3) }), (429, "1".to_owned()));
        assert_eq!(told(&Refused::Unavailable { reason: "disk full".into() }).0, 503);
        assert_eq!(told(&Refused::Stopping).0, 503);
        assert_eq!(told(&Refused::Unwritable), (400, String::new()));
    }
}
