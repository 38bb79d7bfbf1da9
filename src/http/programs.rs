//! The program that decides: which it is, and putting another in force. The key was checked before (see `access`).

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use crate::actors::{Deployed, StartError};
use crate::workspace::recompile;

use super::answer::{failure, refused};
use super::body;
use super::doors::Doors;
use super::manage::broken;

/// Bytes of all files of a workspace together.
const SOURCES_LIMIT: usize = 32 * 1024 * 1024;

/// What `tidewater apply` sends: the files that decide, without secrets.
#[derive(Debug, Deserialize)]
struct Offered {
    /// As the sender worked it out.
    version: String,
    /// Path and text.
    sources: Vec<(String, String)>,
}

/// `GET /api/v1/program`: the version in force, and how many walks over customers are still under way.
pub(super) async fn in_force(doors: web::Data<Doors>) -> HttpResponse {
    let (program, sweeps) = (doors.platform.program(), doors.platform.sweeps());
    HttpResponse::Ok().json(json!({ "version": program.version, "sweeps": sweeps }))
}

/// `POST /api/v1/program`: puts the program of these files in force. Events go on being taken meanwhile.
pub(super) async fn deploy(request: HttpRequest, payload: web::Payload, doors: web::Data<Doors>) -> HttpResponse {
    let Ok(body) = body::read(&request, payload, SOURCES_LIMIT).await else {
        return failure(StatusCode::BAD_REQUEST, "unreadable", "the files could not be read, or are too large");
    };
    let offered: Offered = match serde_json::from_slice(&body) {
        Ok(offered) => offered,
        Err(error) => return failure(StatusCode::BAD_REQUEST, "unreadable", &format!("no program: {error}")),
    };
    // Compiling a large workspace takes longer than a thread that answers requests may be kept.
    let compiled = web::block(move || recompile(&offered.sources).map(|program| (offered.version, program))).await;
    let Ok(Some((version, program))) = compiled else {
        return failure(
            StatusCode::UNPROCESSABLE_ENTITY,
            "findings",
            "the server finds errors in these files: lint them with the server's version of tidewater",
        );
    };
    if version != program.version {
        return failure(
            StatusCode::CONFLICT,
            "other_version",
            "this server reads the same files otherwise: apply them with the server's version of tidewater",
        );
    }
    match doors.platform.deploy(&program).await {
        Ok(Deployed { offset, backfilled }) => HttpResponse::Ok().json(json!({
            "version": version, "offset": offset, "backfilled": backfilled,
        })),
        Err(error) => not_deployed(&error),
    }
}

/// The program in force stays. Where that is the store's fault, the same may come again.
fn not_deployed(error: &StartError) -> HttpResponse {
    match error {
        StartError::Refused(why) => refused(why),
        StartError::Store(error) => broken(error),
        StartError::Unusable(why) => failure(StatusCode::CONFLICT, "refused", why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::Refused;
    use crate::store::StoreError;

    #[test]
    fn a_program_is_refused_for_what_it_is_and_not_for_a_store_that_is_down() {
        let down = Refused::Unavailable { reason: "the disk".to_owned() };
        assert_eq!(not_deployed(&StartError::Refused(down)).status(), 503);
        let gone = sea_orm::DbErr::Custom("connection refused".to_owned());
        assert_eq!(not_deployed(&StartError::Store(StoreError::Database(gone))).status(), 503);
        assert_eq!(not_deployed(&StartError::Unusable("no channel `crm`".to_owned())).status(), 409);
    }
}
