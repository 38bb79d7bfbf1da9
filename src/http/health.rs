//! For those who watch over the server.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::answer::refused;
use super::doors::Doors;

/// `GET /healthz`: the process answers.
pub(super) async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// `GET /readyz`: events are being taken.
pub(super) async fn ready(doors: web::Data<Doors>) -> HttpResponse {
    match doors.platform.ready() {
        Ok(()) => HttpResponse::Ok().json(json!({ "status": "ready" })),
        Err(why) => refused(&why),
    }
}
