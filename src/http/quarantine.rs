//! What was refused or set aside, and trying it again. The key was checked before (see `access`).

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::actors::{Refused, Retry};
use crate::intake::{Again, Mend, UNWANTED, unwanted};
use crate::model::Timestamp;
use crate::store::StoreError;
use crate::store::quarantine::{Held, Quarantined};

use super::answer::{failure, refused};
use super::body;
use super::doors::Doors;
use super::manage::{Page, broken};

/// Bytes of a request to try again: ids, and what is mended.
const REQUEST_BYTES: usize = 1024 * 1024;
/// Rows that are tried again in one append.
const AT_ONCE: u64 = 256;

/// `GET /api/v1/quarantine`: what was refused or reported, newest first.
pub(super) async fn list(page: web::Query<Page>, doors: web::Data<Doors>) -> HttpResponse {
    match doors.database.quarantine(page.rows()).await {
        Ok(rows) => {
            let rows = rows.iter().map(|(id, row)| row.shown(id));
            HttpResponse::Ok().json(json!({ "quarantine": rows.collect::<Json>() }))
        }
        Err(error) => broken(&error),
    }
}

/// Which rows to try again, and what is changed in them before.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    ids: Vec<String>,
    source: Option<String>,
    code: Option<String>,
    all: bool,
    /// The `next` of the answer before.
    after: Option<(Timestamp, String)>,
    mend: Mend,
}

impl Asked {
    fn held(self) -> Option<(Held, Mend)> {
        let Self { ids, source, code, all, after, mend } = self;
        let is_selection = all || !ids.is_empty() || source.is_some() || code.is_some();
        is_selection.then_some((Held { ids, source, code, after }, mend))
    }
}

/// `POST /api/v1/quarantine/retry`: takes some of it by the rules of now. What is taken leaves the quarantine together with
/// its entry in the journal.
pub(super) async fn retry(request: HttpRequest, payload: web::Payload, doors: web::Data<Doors>) -> HttpResponse {
    let Ok(body) = body::read(&request, payload, REQUEST_BYTES).await else {
        return failure(StatusCode::BAD_REQUEST, "unreadable", "the request could not be read, or is too large");
    };
    let asked: Asked = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => return failure(StatusCode::BAD_REQUEST, "unreadable", &error.to_string()),
    };
    let Some((held, mend)) = asked.held() else {
        let message = "say which: `ids`, `source`, `code`, or `all`";
        return failure(StatusCode::BAD_REQUEST, "nothing_selected", message);
    };
    match try_again(&doors, &held, &mend).await {
        Ok(answer) => HttpResponse::Ok().json(answer),
        Err(Trouble::Store(error)) => broken(&error),
        Err(Trouble::Refused(why)) => refused(&why),
    }
}

enum Trouble {
    Store(StoreError),
    Refused(Refused),
}

async fn try_again(doors: &Doors, held: &Held, mend: &Mend) -> Result<Json, Trouble> {
    // One after the other: what two ask for at once is read by the second when the first has taken it.
    let _turn = doors.retrying.lock().await;
    let rows = doors.database.quarantine_of(held, AT_ONCE).await.map_err(Trouble::Store)?;
    let is_full = u64::try_from(rows.len()).is_ok_and(|found| found == AT_ONCE);
    let next = rows.last().filter(|_| is_full).map(|(id, row)| (row.received_at, id.clone()));
    let mut sorted = Sorted::default();
    sorted.retry.is_mended = !mend.is_empty();
    let intake = doors.intake();
    for (id, row) in rows {
        let again = intake.again(&id, &row, mend);
        sorted.sort(id, &row, again, mend);
    }
    let Sorted { retry, mut refused, never } = sorted;
    let mut taken: Vec<String> = retry.events.iter().map(|(id, _)| id.clone()).collect();
    taken.extend(retry.rows.taken.iter().cloned());
    if !(taken.is_empty() && retry.rows.refused.is_empty()) {
        doors.platform.retry(retry).await.map_err(Trouble::Refused)?;
    }
    // Whom an event is about is known where it is taken: one that names somebody who is not to be known again stays.
    let left = Held { ids: taken.clone(), ..Held::default() };
    let left = if taken.is_empty() {
        Vec::new()
    } else {
        doors.database.quarantine_of(&left, AT_ONCE).await.map_err(Trouble::Store)?
    };
    taken.retain(|id| !left.iter().any(|(known, _)| known == id));
    refused.extend(
        left.into_iter()
            .map(|(id, row)| told(&id, &Quarantined { code: UNWANTED.to_owned(), mistakes: vec![unwanted()], ..row })),
    );
    Ok(json!({ "taken": taken, "refused": refused, "never": never, "next": next }))
}

fn told(id: &str, row: &Quarantined) -> Json {
    json!({ "id": id, "code": row.code, "reason": row.reason(), "mistakes": row.mistakes })
}

/// What becomes of the rows of one request.
#[derive(Default)]
struct Sorted {
    retry: Retry,
    refused: Vec<Json>,
    never: Vec<Json>,
}

impl Sorted {
    fn sort(&mut self, id: String, row: &Quarantined, again: Again, mend: &Mend) {
        match again {
            Again::Event(event, note) => {
                self.retry.noted.extend(note);
                self.retry.events.push((id, event));
            }
            Again::Entry(profile, body) => {
                self.retry.entries.push((profile, body));
                self.retry.rows.taken.push(id);
            }
            Again::Refused { code, mistakes } => {
                let now = Quarantined { code: code.clone(), mistakes: mistakes.clone(), ..row.clone() };
                self.refused.push(told(&id, &now));
                // What somebody else wrote is no reason for what came.
                if mend.is_empty() {
                    self.retry.rows.refused.push((id, code, mistakes));
                }
            }
            Again::Never(reason) => self.never.push(json!({ "id": id, "reason": reason })),
        }
    }
}
