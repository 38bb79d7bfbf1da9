//! Reads of the management API. The key was checked before a handler here runs (see `access`).

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::analytics;
use crate::engine::explain::profile_view;
use crate::engine::{Profile, snapshot};
use crate::model::ProfileId;
use crate::store::StoreError;
use crate::store::identity::Identifier;
use crate::store::named::Unnamed;

use super::answer::failure;
use super::doors::Doors;

/// Rows of a page unless the caller says otherwise, and at most.
const PAGE_ROWS: u64 = 100;
const PAGE_ROWS_AT_MOST: u64 = 1_000;
/// Newest events that a profile is shown with.
const HISTORY_ROWS: u64 = 50;

/// `?limit=…&after=…`
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    limit: Option<u64>,
    /// The last profile id of the page before.
    after: Option<String>,
}

impl Page {
    pub(super) fn rows(&self) -> u64 {
        self.limit.unwrap_or(PAGE_ROWS).clamp(1, PAGE_ROWS_AT_MOST)
    }
}

/// `GET /api/v1/profiles/{key}`: one customer, however they are named.
pub(super) async fn profile(key: web::Path<String>, doors: web::Data<Doors>) -> HttpResponse {
    match named(&doors, &key).await {
        Ok(id) => show_profile(&doors, id).await.unwrap_or_else(|error| broken(&error)),
        Err(answer) => answer,
    }
}

/// The profile that a path names, or what to answer.
pub(super) async fn named(doors: &Doors, key: &str) -> Result<ProfileId, HttpResponse> {
    match doors.database.named(key).await {
        Ok(Ok(profile)) => Ok(profile),
        Ok(Err(why @ Unnamed::Several(_))) => Err(failure(StatusCode::CONFLICT, "ambiguous", &why.to_string())),
        Ok(Err(why)) => Err(failure(StatusCode::NOT_FOUND, "not_found", &why.to_string())),
        Err(error) => Err(broken(&error)),
    }
}

/// The profile as it was last saved: about a second old, and under load up to 16.
async fn show_profile(doors: &Doors, id: ProfileId) -> Result<HttpResponse, StoreError> {
    let store = &doors.database;
    let saved = store.load_profiles(&[id]).await?.pop();
    let identifiers = store.identifiers_of(id).await?;
    let mut view = match saved.map(|saved| snapshot::decode(&saved.snapshot)).transpose() {
        Ok(profile) => {
            let profile = profile.unwrap_or_else(|| Profile::new(id));
            profile_view(&profile, &doors.platform.program(), doors.platform.now())
        }
        Err(error) => return Ok(failure(StatusCode::INTERNAL_SERVER_ERROR, "damaged", &error.to_string())),
    };
    view["identifiers"] = identifiers_json(&identifiers);
    let history = store.profile_history(id, HISTORY_ROWS).await?;
    let events = history.iter().map(|item| {
        json!({
            "offset": item.offset, "received_at": item.received_at.to_string(),
            "timestamp": item.event.timestamp.to_string(), "event": item.event.name, "source": item.event.source,
            "properties": item.event.properties, "message_id": item.event.message_id,
        })
    });
    view["events"] = events.collect();
    Ok(HttpResponse::Ok().json(view))
}

fn identifiers_json(identifiers: &[Identifier]) -> Json {
    identifiers.iter().map(|one| json!({ "kind": one.kind, "value": one.value })).collect()
}

/// `GET /api/v1/segments`: every segment of the running program, with its size.
pub(super) async fn segments(doors: web::Data<Doors>) -> HttpResponse {
    let sizes = match doors.database.segment_sizes().await {
        Ok(sizes) => sizes,
        Err(error) => return broken(&error),
    };
    let program = doors.platform.program();
    let segments = program.rules.segments.iter().map(|segment| {
        let members = sizes.iter().find(|size| size.segment == segment.name).map_or(0, |size| size.members);
        json!({ "segment": segment.name, "title": segment.title, "members": members })
    });
    HttpResponse::Ok().json(json!({ "segments": segments.collect::<Json>() }))
}

/// `GET /api/v1/segments/{name}/members`: in order of profile id, a page at a time.
pub(super) async fn members(name: web::Path<String>, page: web::Query<Page>, doors: web::Data<Doors>) -> HttpResponse {
    let program = doors.platform.program();
    if !program.rules.segments.iter().any(|segment| segment.name == *name) {
        return failure(StatusCode::NOT_FOUND, "not_found", "there is no segment of this name");
    }
    let after = match page.after.as_deref().map(str::parse::<ProfileId>).transpose() {
        Ok(after) => after,
        Err(error) => return failure(StatusCode::BAD_REQUEST, "invalid", &format!("`after`: {error}")),
    };
    match doors.database.segment_members(&name, after, page.rows()).await {
        Ok(members) => {
            let is_full = u64::try_from(members.len()).is_ok_and(|found| found == page.rows());
            let next = members.last().filter(|_| is_full).map(|member| member.profile);
            let members = members.iter().map(|member| {
                let identifiers = identifiers_json(&member.identifiers);
                json!({ "profile": member.profile, "identifiers": identifiers, "since": member.since.to_string() })
            });
            HttpResponse::Ok().json(json!({ "members": members.collect::<Json>(), "next": next }))
        }
        Err(error) => broken(&error),
    }
}

/// `GET /api/v1/journeys/{name}/report`: who entered, where they wait, what was sent and what came of it.
pub(super) async fn journey_report(name: web::Path<String>, doors: web::Data<Doors>) -> HttpResponse {
    if doors.platform.program().journey(&name).is_none() {
        return failure(StatusCode::NOT_FOUND, "not_found", "there is no journey of this name");
    }
    match analytics::journey_report(&doors.database, &name).await {
        Ok(report) => HttpResponse::Ok().json(report),
        Err(error) => broken(&error),
    }
}

pub(super) fn broken(error: &StoreError) -> HttpResponse {
    tracing::error!(%error, "a read of the store failed");
    let (status, code) = match error {
        StoreError::Statement(_) => (StatusCode::BAD_REQUEST, "invalid"),
        StoreError::Corrupt(_) => (StatusCode::INTERNAL_SERVER_ERROR, "damaged"),
        StoreError::Database(_) | StoreError::Unusable(_) | StoreError::Superseded => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
    };
    failure(status, code, error.told_outside())
}
