//! The outer shape of a request: a single event, or a batch of them, with what they share.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::model::limit::{BATCH_BYTES, BATCH_EVENTS, EVENT_BYTES};
use crate::model::value::ValueMap;
use crate::model::{EventKind, Timestamp};

use super::field::{Fields, WRITE_KEY, instant, object, text};
use super::refusal::BadRequest;

/// Which route a request came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
    Batch,
    /// A batch of things that happened long ago; same form.
    Import,
}

impl Call {
    /// The call of this name, as in `/v1/track`, or of its first letter, as browsers send it.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Some(match name {
            "track" | "t" => Self::Track,
            "identify" | "i" => Self::Identify,
            "page" | "p" => Self::Page,
            "screen" | "s" => Self::Screen,
            "group" | "g" => Self::Group,
            "alias" | "a" => Self::Alias,
            "batch" | "b" => Self::Batch,
            "import" => Self::Import,
            _ => return None,
        })
    }

    /// The call's name, as in `/v1/track`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Import => "import",
            _ => self.kind().map_or("batch", EventKind::as_str),
        }
    }

    /// The kind of the one event that such a call carries; `None` for batches, whose events each say theirs.
    #[must_use]
    pub fn kind(self) -> Option<EventKind> {
        Some(match self {
            Self::Track => EventKind::Track,
            Self::Identify => EventKind::Identify,
            Self::Page => EventKind::Page,
            Self::Screen => EventKind::Screen,
            Self::Group => EventKind::Group,
            Self::Alias => EventKind::Alias,
            Self::Batch | Self::Import => return None,
        })
    }

    /// Largest body of such a call, inflated, in bytes.
    #[must_use]
    pub fn body_limit(self) -> usize {
        if self.kind().is_some() { EVENT_BYTES } else { BATCH_BYTES }
    }
}

/// A request whose outer shape is right. Its events are still text.
#[derive(Debug)]
pub struct Request<'a> {
    pub(super) call: Call,
    pub(super) items: Vec<&'a RawValue>,
    write_key: Option<String>,
    pub(super) sent_at: Option<Timestamp>,
    /// What a batch says for all its events; an event's own context wins, name by name.
    pub(super) context: ValueMap,
}

impl<'a> Request<'a> {
    /// Reads the outer shape of an inflated body.
    ///
    /// # Errors
    /// The body is too large, is not JSON, or is not an object of the form that the call needs.
    pub fn read(call: Call, body: &'a [u8]) -> Result<Self, BadRequest> {
        if body.len() > call.body_limit() {
            let limit = call.body_limit();
            return Err(BadRequest::new("too_large", "", format!("the body is larger than {limit} bytes")));
        }
        let whole: &RawValue = serde_json::from_slice(body).map_err(|error| not_json(&error, body))?;
        let fields = Fields::read(whole).map_err(|_| {
            BadRequest::new("not_an_object", "", "the body must be a JSON object, such as {\"userId\": …}")
        })?;
        let write_key = text(&fields, WRITE_KEY).map_err(whole_request)?;
        if call.kind().is_some() {
            // A single event says `sentAt` among its own fields, where `take` reads it.
            return Ok(Self { call, items: vec![whole], write_key, sent_at: None, context: ValueMap::new() });
        }
        let items = batch_items(&fields)?;
        let sent_at = instant(&fields, "sentAt").map_err(whole_request)?;
        let context = object(&fields, "context").map_err(whole_request)?;
        Ok(Self { call, items, write_key, sent_at, context })
    }

    /// The write key in the body, for sources that do not use basic authentication.
    #[must_use]
    pub fn write_key(&self) -> Option<&str> {
        self.write_key.as_deref()
    }

    /// Whether the request carries a batch, so that its answer counts events.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.call.kind().is_none()
    }
}

fn batch_items<'a>(fields: &Fields<'a>) -> Result<Vec<&'a RawValue>, BadRequest> {
    let missing = || BadRequest::new("invalid", "batch", "`batch` is missing: it must be a list of events");
    let raw = fields.get("batch").ok_or_else(missing)?;
    let items: Vec<&RawValue> = serde_json::from_str(raw.get())
        .map_err(|_| BadRequest::new("invalid", "batch", "`batch` must be a list of events"))?;
    if items.len() > BATCH_EVENTS {
        let message = format!("a batch holds at most {BATCH_EVENTS} events; this one holds {}", items.len());
        return Err(BadRequest::new("too_large", "batch", message));
    }
    Ok(items)
}

fn whole_request(refusal: super::Refusal) -> BadRequest {
    BadRequest::new("invalid", refusal.path, refusal.message)
}

/// Says where the body breaks off being JSON. serde_json counts columns in bytes; people count characters.
fn not_json(error: &serde_json::Error, body: &[u8]) -> BadRequest {
    let line = error.line().max(1);
    let column = body.split(|byte| *byte == b'\n').nth(line - 1).map_or(1, |bytes| {
        String::from_utf8_lossy(&bytes[..error.column().saturating_sub(1).min(bytes.len())]).chars().count() + 1
    });
    // The library repeats line and column at the end of its sentence.
    let whole = error.to_string();
    let what = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(what, _)| what);
    let message = if body.is_empty() {
        "the body is empty: it must be a JSON object".to_owned()
    } else if std::str::from_utf8(body).is_err() {
        format!("the body is not UTF-8 text (line {line}, column {column})")
    } else {
        format!("the body is not valid JSON: {what} (line {line}, column {column})")
    };
    BadRequest { code: "invalid_json", message, path: String::new(), line: Some(line), column: Some(column) }
}

/// The fields of an object by name, each still text; of two with one name the later counts, as everywhere in JSON.
pub(super) type RawFields<'a> = BTreeMap<String, &'a RawValue>;
