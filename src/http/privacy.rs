//! What people decide about themselves, and that they are to be forgotten, told by whoever serves them. The key was checked before (see `access`).

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use crate::model::{ConsentChange, ConsentKey, ConsentSource, ConsentState, Timestamp};
use crate::workspace::Program;

use super::answer::{failure, refused};
use super::body;
use super::doors::Doors;
use super::manage::{broken, named};

/// Largest body of a word on consent, in bytes.
const BODY_BYTES: usize = 16 * 1024;

/// What `POST …/consent` takes: a topic on a channel, a purpose, or everything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    topic: Option<String>,
    channel: Option<String>,
    purpose: Option<String>,
    #[serde(default)]
    everything: bool,
    state: ConsentState,
    /// When it was said: now, if it does not say.
    at: Option<String>,
    note: Option<String>,
    /// Makes a repeat nothing.
    id: Option<String>,
    #[serde(default = "by_api")]
    by: ConsentSource,
}

fn by_api() -> ConsentSource {
    ConsentSource::Api
}

impl Said {
    /// What it is about, if that is one thing that the program declares.
    fn key(&self, program: &Program) -> Result<ConsentKey, String> {
        let (rules, channel) = (&program.rules, self.channel.as_deref().unwrap_or("email"));
        match (&self.topic, &self.purpose, self.everything) {
            (Some(topic), None, false) => {
                let declared = rules.topics.iter().find(|declared| declared.name == *topic);
                let declared = declared.ok_or_else(|| format!("there is no topic `{topic}`"))?;
                if !declared.channels.iter().any(|known| known == channel) {
                    return Err(format!("the topic `{topic}` is not sent by `{channel}`"));
                }
                Ok(ConsentKey::Topic { topic: topic.clone(), channel: channel.to_owned() })
            }
            (None, Some(purpose), false) if self.channel.is_none() => {
                let is_declared = rules.purposes.iter().any(|declared| declared.name == *purpose);
                let key = || ConsentKey::Purpose(purpose.clone());
                is_declared.then(key).ok_or_else(|| format!("there is no purpose `{purpose}`"))
            }
            (None, None, true) if self.channel.is_none() && self.state == ConsentState::Withdrawn => {
                Ok(ConsentKey::Everything)
            }
            (None, None, true) => Err("`everything` can only be withdrawn, for good, and has no channel".to_owned()),
            _ => Err("say one of `topic` (with its `channel`), `purpose` and `everything: true`".to_owned()),
        }
    }

    fn change(self, program: &Program, now: Timestamp) -> Result<ConsentChange, String> {
        let key = self.key(program)?;
        let not_a_time = |text: &str| format!("`at`: `{text}` is no instant such as 2026-03-01T08:00:00Z");
        let at = self.at.as_deref().map(|text| Timestamp::parse(text).ok_or_else(|| not_a_time(text))).transpose()?;
        let id = self.id.unwrap_or_else(|| format!("consent-{:032x}", rand::random::<u128>()));
        let (state, by, note) = (self.state, self.by, self.note);
        Ok(ConsentChange { id, key, state, by, at: at.unwrap_or(now), note, message: Default::default() })
    }
}

/// A body, or what to answer.
async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Vec<u8>, HttpResponse> {
    let unreadable = |_| failure(StatusCode::BAD_REQUEST, "unreadable", "the body could not be read, or is too large");
    body::read(request, payload, BODY_BYTES).await.map_err(unreadable)
}

/// `POST /api/v1/profiles/{key}/consent`: a person's word. Answered once it is durable: nothing that it refuses leaves
/// any more, what is queued included.
pub(super) async fn consent(
    request: HttpRequest,
    key: web::Path<String>,
    payload: web::Payload,
    doors: web::Data<Doors>,
) -> HttpResponse {
    let body = match read(&request, payload).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let said = serde_json::from_slice::<Said>(&body).map_err(|error| error.to_string());
    let change = match said.and_then(|said| said.change(&doors.platform.program(), doors.platform.now())) {
        Ok(change) => change,
        Err(message) => return failure(StatusCode::BAD_REQUEST, "invalid", &message),
    };
    let profile = match named(&doors, &key).await {
        Ok(profile) => profile,
        Err(answer) => return answer,
    };
    let about = change.key.to_string();
    match doors.platform.consent(profile, change).await {
        Ok(accepted) => HttpResponse::Ok().json(json!({
            "profile": profile, "about": about, "offset": accepted.offset, "received_at": accepted.received_at.to_string(),
        })),
        Err(why) => refused(&why),
    }
}

/// What `POST …/erase` takes; nothing is as good.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    /// They are not to be known again by any of their identifiers.
    suppress: bool,
}

/// `POST /api/v1/profiles/{key}/erase`: forgets a person, with all that were merged into them. Answered once nothing is sent
/// to them any more; the receipt tells how far the rest has come.
pub(super) async fn erase(
    request: HttpRequest,
    key: web::Path<String>,
    payload: web::Payload,
    doors: web::Data<Doors>,
) -> HttpResponse {
    let body = match read(&request, payload).await {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let wish = if body.is_empty() { Ok(Wish::default()) } else { serde_json::from_slice(&body) };
    let Wish { suppress } = match wish {
        Ok(wish) => wish,
        Err(error) => return failure(StatusCode::BAD_REQUEST, "invalid", &error.to_string()),
    };
    let profile = match named(&doors, &key).await {
        Ok(profile) => profile,
        Err(answer) => return answer,
    };
    match doors.platform.erase(profile, suppress).await {
        Ok(accepted) => match doors.database.erasure(accepted.offset).await {
            Ok(receipt) => HttpResponse::Ok().json(json!({ "erasure": accepted.offset, "receipt": receipt })),
            Err(error) => broken(&error),
        },
        Err(why) => refused(&why),
    }
}

/// `GET /api/v1/erasures`: the receipts, newest first, those under way among them.
pub(super) async fn erasures(doors: web::Data<Doors>) -> HttpResponse {
    match doors.database.erasures().await {
        Ok(receipts) => HttpResponse::Ok().json(json!({ "erasures": receipts })),
        Err(error) => broken(&error),
    }
}
