//! Reading single fields of an event: ids, texts, instants and objects, each refused with its path.

use serde_json::value::RawValue;

use crate::model::Timestamp;
use crate::model::limit::{EVENT_DEPTH, EVENT_FIELDS};
use crate::model::value::ValueMap;

use super::refusal::Refusal;
use super::request::RawFields;
use super::values::check_values;

/// The body's name for the write key: read at the door, and kept out of everything that is stored.
pub(super) const WRITE_KEY: &str = "writeKey";

/// Texts that broken senders put where an id belongs. Taken as ids, they would make strangers one person.
const NOT_IDS: [&str; 5] = ["null", "undefined", "none", "nan", "[object object]"];

/// An object's fields, not decoded further.
#[derive(Debug)]
pub(super) struct Fields<'a>(RawFields<'a>);

impl<'a> Fields<'a> {
    /// The fields of a JSON text.
    ///
    /// # Errors
    /// It is not an object.
    pub(super) fn read(raw: &'a RawValue) -> Result<Self, Refusal> {
        serde_json::from_str(raw.get())
            .map(Self)
            .map_err(|_| Refusal::new("not_an_object", "", "an event must be a JSON object"))
    }

    /// The field of this name; `null` counts as not there.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied().filter(|raw| raw.get() != "null")
    }

    /// The object as JSON again, without the write key, and with what its request says in place of these fields.
    pub(super) fn without_secrets(&self, said: &[(&str, String)]) -> String {
        let is_kept = |name: &str| name != WRITE_KEY && said.iter().all(|(other, _)| *other != name);
        let own = self.0.iter().map(|(name, raw)| (name.as_str(), raw.get())).filter(|(name, _)| is_kept(name));
        let fields = own.chain(said.iter().map(|(name, json)| (*name, json.as_str())));
        let mut json = String::from("{");
        for (name, value) in fields {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&serde_json::Value::from(name).to_string());
            json.push(':');
            json.push_str(value);
        }
        json.push('}');
        json
    }
}

/// A field that must be a text if it is there.
pub(super) fn text(fields: &Fields<'_>, name: &str) -> Result<Option<String>, Refusal> {
    let Some(raw) = fields.get(name) else { return Ok(None) };
    let text: String = serde_json::from_str(raw.get())
        .map_err(|_| Refusal::new("invalid", name, format!("`{name}` must be a text")))?;
    if text.contains('\0') {
        return Err(Refusal::new("invalid", name, format!("`{name}` holds a NUL character")));
    }
    Ok(Some(text))
}

/// A text of at most so many characters; one of blanks alone counts as not there.
pub(super) fn short_text(fields: &Fields<'_>, name: &str, chars: usize) -> Result<Option<String>, Refusal> {
    let Some(text) = text(fields, name)? else { return Ok(None) };
    if text.trim().is_empty() {
        return Ok(None);
    }
    if text.chars().count() > chars {
        let message = format!("`{name}` is longer than {chars} characters");
        return Err(Refusal::new("too_long", name, message));
    }
    Ok(Some(text))
}

/// An id: a text, or a whole number, which is taken digit by digit so that long ones stay exact.
pub(super) fn id(fields: &Fields<'_>, name: &str, chars: usize) -> Result<Option<String>, Refusal> {
    let Some(raw) = fields.get(name) else { return Ok(None) };
    let written = raw.get();
    let digits = written.strip_prefix('-').unwrap_or(written);
    let is_whole_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_whole_number && written.len() <= chars {
        return Ok(Some(written.to_owned()));
    }
    if !written.starts_with('"') {
        return Err(Refusal::new("invalid", name, format!("`{name}` must be a text or a whole number")));
    }
    let Some(id) = short_text(fields, name, chars)? else { return Ok(None) };
    if NOT_IDS.contains(&id.trim().to_lowercase().as_str()) {
        let message = format!("`{name}` is `{id}`, which is no id: it would join strangers to one profile");
        return Err(Refusal::new("invalid", name, message));
    }
    Ok(Some(id))
}

/// A field that must be an RFC 3339 instant if it is there.
pub(super) fn instant(fields: &Fields<'_>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let wrong = |got: &str| {
        let message = format!("`{name}` must be a time such as 2026-03-01T09:00:00Z, with its zone; got {got}");
        Refusal::new("invalid_time", name, message)
    };
    let Some(raw) = fields.get(name) else { return Ok(None) };
    let shown: String = raw.get().chars().take(60).collect();
    let text: String = serde_json::from_str(raw.get()).map_err(|_| wrong(&shown))?;
    let parsed = chrono::DateTime::parse_from_rfc3339(text.trim()).map_err(|_| wrong(&shown))?;
    Ok(Some(Timestamp(parsed.timestamp_millis())))
}

/// A field that must be an object if it is there, within the limits on depth and number of names.
pub(super) fn object(fields: &Fields<'_>, name: &str) -> Result<ValueMap, Refusal> {
    let Some(raw) = fields.get(name) else { return Ok(ValueMap::new()) };
    if !raw.get().starts_with('{') {
        return Err(Refusal::new("invalid", name, format!("`{name}` must be an object")));
    }
    let map: ValueMap = serde_json::from_str(raw.get()).map_err(|error| unreadable(name, &error))?;
    check_values(&map, name, EVENT_DEPTH, EVENT_FIELDS)?;
    Ok(map)
}

/// The outer reading skipped over this value; now it is looked into, and numbers, escapes and nesting may yet be wrong.
fn unreadable(name: &str, error: &serde_json::Error) -> Refusal {
    let whole = error.to_string();
    let what = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(what, _)| what);
    if what.contains("recursion limit") {
        return Refusal::new("too_deep", name, format!("`{name}` is nested deeper than {EVENT_DEPTH} levels"));
    }
    Refusal::new("invalid", name, format!("`{name}` holds a value that cannot be read: {what}"))
}
