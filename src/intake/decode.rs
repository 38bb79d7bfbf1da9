//! One event of the Segment spec: from its fields to an [`Event`] under the name by which rules know it.

use serde_json::value::RawValue;

use crate::model::limit::{EVENT_BYTES, IDENTIFIER_CHARS, MESSAGE_ID_CHARS, NAME_CHARS};
use crate::model::platform_event::{self, ALIASED, CONSENT_GIVEN, CONSENT_WITHDRAWN, GROUPED, IDENTIFIED, PAGE_VIEWED};
use crate::model::platform_event::{SCREEN_VIEWED, SUBSCRIBED, UNSUBSCRIBED};
use crate::model::value::ValueMap;
use crate::model::{Event, EventKind, Timestamp, Value};

use super::field::{Fields, id, instant, object, short_text};
use super::refusal::Refusal;
use super::request::Call;
use super::take::Arrival;
use super::times::happened_at;

/// What all events of one request share.
pub(super) struct Shared<'a> {
    pub call: Call,
    pub sent_at: Option<Timestamp>,
    pub context: &'a ValueMap,
    pub arrival: &'a Arrival<'a>,
}

/// Decodes one event. Its properties and traits are within bounds, and not yet held against the plan.
pub(super) fn decode(raw: &RawValue, fields: &Fields<'_>, shared: &Shared<'_>) -> Result<Event, Refusal> {
    if raw.get().len() > EVENT_BYTES {
        return Err(Refusal::new("too_large", "", format!("the event is larger than {EVENT_BYTES} bytes")));
    }
    let kind = kind(fields, shared.call)?;
    let user_id = id(fields, "userId", IDENTIFIER_CHARS)?;
    let anonymous_id = id(fields, "anonymousId", IDENTIFIER_CHARS)?;
    if user_id.is_none() && anonymous_id.is_none() {
        let message = "`userId` and `anonymousId` are both missing: one of them must say who this is about";
        return Err(Refusal::new("missing_id", "userId", message));
    }
    let message_id = match id(fields, "messageId", MESSAGE_ID_CHARS)? {
        Some(given) => given,
        None => (shared.arrival.new_message_id)(),
    };
    let sent_at = instant(fields, "sentAt")?.or(shared.sent_at);
    let happened = match instant(fields, "timestamp")? {
        Some(happened) => Some(happened),
        None => instant(fields, "originalTimestamp")?,
    };
    let mut context = shared.context.clone();
    context.extend(object(fields, "context")?);
    let mut event = Event {
        message_id,
        kind,
        name: String::new(),
        source: shared.arrival.source.to_owned(),
        timestamp: happened_at(happened, sent_at, shared.arrival.received_at),
        user_id,
        anonymous_id,
        previous_id: None,
        group_id: None,
        properties: object(fields, "properties")?,
        traits: object(fields, "traits")?,
        context,
    };
    finish(&mut event, fields)?;
    Ok(event)
}

/// What the route says, or in a batch the event's `type`. Where both speak they must agree.
fn kind(fields: &Fields<'_>, call: Call) -> Result<EventKind, Refusal> {
    let said = short_text(fields, "type", NAME_CHARS)?;
    let named = said.as_deref().and_then(Call::find).and_then(Call::kind);
    match (call.kind(), said, named) {
        (Some(route), None, _) => Ok(route),
        (Some(route), Some(_), Some(named)) if named == route => Ok(route),
        (Some(route), Some(said), _) => {
            let message = format!("`type` says `{said}`, but the call is `{}`", route.as_str());
            Err(Refusal::new("invalid", "type", message))
        }
        (None, Some(_), Some(named)) => Ok(named),
        (None, None, _) => Err(Refusal::new("invalid", "type", format!("`type` is missing: {TYPES}"))),
        (None, Some(said), None) => {
            let message = format!("`{said}` is no type of event: {TYPES}");
            Err(Refusal::new("invalid", "type", message))
        }
    }
}

const TYPES: &str = "it must be track, identify, page, screen, group or alias";

/// Gives the event its name, and what only its kind has.
fn finish(event: &mut Event, fields: &Fields<'_>) -> Result<(), Refusal> {
    match event.kind {
        EventKind::Track => {
            event.name = track_name(fields)?;
            needs_matter(event)?;
        }
        EventKind::Identify => IDENTIFIED.clone_into(&mut event.name),
        EventKind::Page => {
            PAGE_VIEWED.clone_into(&mut event.name);
            name_and_category(event, fields)?;
        }
        EventKind::Screen => {
            SCREEN_VIEWED.clone_into(&mut event.name);
            name_and_category(event, fields)?;
        }
        EventKind::Group => {
            GROUPED.clone_into(&mut event.name);
            let group = id(fields, "groupId", IDENTIFIER_CHARS)?;
            let missing =
                || Refusal::new("missing_id", "groupId", "`groupId` is missing: a group call must name the group");
            let group = group.ok_or_else(missing)?;
            event.properties.insert("group_id".to_owned(), Value::from(group.as_str()));
            event.group_id = Some(group);
        }
        EventKind::Alias => {
            ALIASED.clone_into(&mut event.name);
            event.previous_id = previous_id(event, fields)?;
        }
        EventKind::Platform => {}
    }
    Ok(())
}

fn track_name(fields: &Fields<'_>) -> Result<String, Refusal> {
    let name = short_text(fields, "event", NAME_CHARS)?;
    let missing = || Refusal::new("missing_event", "event", "`event` is missing: a track call must name what happened");
    let name = name.ok_or_else(missing)?.trim().to_owned();
    match platform_event::find(&name) {
        Some(ours) if !ours.from_sources => {
            let message = format!("`{name}` is a name that the platform keeps for its own events");
            Err(Refusal::new("forbidden_event", "event", message))
        }
        _ => Ok(name),
    }
}

/// A word on consent that does not say on what would be lost in silence.
fn needs_matter(event: &Event) -> Result<(), Refusal> {
    let needed = match event.name.as_str() {
        SUBSCRIBED | UNSUBSCRIBED => "topic",
        CONSENT_GIVEN | CONSENT_WITHDRAWN => "purpose",
        _ => return Ok(()),
    };
    let said = |name: &str| event.properties.get(name).and_then(Value::as_text);
    if said(needed).is_none_or(str::is_empty) {
        let message = format!("`{}` must say its `{needed}`", event.name);
        return Err(Refusal::new("invalid", format!("properties.{needed}"), message));
    }
    // It becomes a key, of which no database takes any length.
    for name in [needed, "channel"] {
        if said(name).is_some_and(|text| text.chars().count() > NAME_CHARS) {
            let message = format!("`{name}` is longer than {NAME_CHARS} characters");
            return Err(Refusal::new("too_long", format!("properties.{name}"), message));
        }
    }
    Ok(())
}

/// The spec has the page's name and category beside its properties; rules read them among the properties.
fn name_and_category(event: &mut Event, fields: &Fields<'_>) -> Result<(), Refusal> {
    for field in ["name", "category"] {
        if let Some(text) = short_text(fields, field, NAME_CHARS)? {
            event.properties.insert(field.to_owned(), Value::Text(text));
        }
    }
    Ok(())
}

/// The id that becomes another name of `userId`; a sender that leaves it out means its `anonymousId`.
fn previous_id(event: &Event, fields: &Fields<'_>) -> Result<Option<String>, Refusal> {
    let previous = id(fields, "previousId", IDENTIFIER_CHARS)?.or_else(|| event.anonymous_id.clone());
    if event.user_id.is_none() {
        let message = "`userId` is missing: an alias call must say whose name `previousId` is";
        return Err(Refusal::new("missing_id", "userId", message));
    }
    if previous.is_none() {
        let message = "`previousId` is missing: an alias call must say which id the person was known by";
        return Err(Refusal::new("missing_id", "previousId", message));
    }
    Ok(previous)
}
