//! For those who watch over the server.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::answer::refused;
use super::doors::Doors;

/// `GET /healthz`: the process answers.
pub(super) async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// `GET /readyz`: events are being taken. Where nothing is sent it says so: that keeps no event out.
pub(super) async fn ready(doors: web::Data<Doors>) -> HttpResponse {
    if let Err(why) = doors.platform.ready() {
        return refused(&why);
    }
    let mut body = json!({ "status": "ready" });
    if let Ok(Some(hold)) = doors.database.sending_hold().await {
        body["sending"] = json!("held");
        body["reason"] = json!(hold.reason);
        body["help"] = json!("`tidewater outbox resume` sends again");
    }
    HttpResponse::Ok().json(body)
}
