//! What was refused, once more: under the rules of now, as it came or mended, and with the time at which it came.

use serde_json::value::RawValue;

use crate::model::value::ValueMap;
use crate::model::{Entry, EntryBody, Event, ProfileId, Target};
use crate::store::journal::{Mistake, Quarantined};

use super::decode::Shared;
use super::field::Fields;
use super::mend::Mend;
use super::refusal::Refusal;
use super::request::Call;
use super::take::{Arrival, Intake, PLAN_BREACH_KEPT, code, mistakes, quarantined};
use super::traits::TRAIT_LEFT_OUT;

/// What becomes of a row of the quarantine.
#[derive(Debug, PartialEq)]
pub enum Again {
    /// It is taken; with a row on what is wrong with it all the same, where its plan is not strict.
    Event(Event, Option<Quarantined>),
    /// What the engine failed on, for the profile that it came for.
    Entry(ProfileId, EntryBody),
    /// It is refused as before, or for another reason.
    Refused { code: String, mistakes: Vec<Mistake> },
    /// It cannot be tried again: why.
    Never(&'static str),
}

/// Code of a row about something that the engine failed on.
pub const POISON: &str = "poison";
/// Code of a row about an event that named somebody who was erased and is not to be known again.
pub const UNWANTED: &str = "erased";

/// What is wrong with such an event.
#[must_use]
pub fn unwanted() -> Mistake {
    Mistake::of_all("the event names somebody who was erased and is not to be known again")
}

impl Intake {
    /// Tries a row again. Its event keeps the instant at which it came, and its `messageId`; one that had none is called
    /// after the row, so that it counts once however often this is asked.
    #[must_use]
    pub fn again(&self, id: &str, row: &Quarantined, mend: &Mend) -> Again {
        match row.code.as_str() {
            PLAN_BREACH_KEPT | TRAIT_LEFT_OUT => Again::Never(
                "its event was taken when it came, and this row only tells what was wrong with it: send another event to put it right",
            ),
            UNWANTED => Again::Never("it names somebody who is not to be known again, and nothing of it was kept"),
            POISON if !mend.is_empty() => {
                Again::Never("what the engine failed on was accepted, and is tried again as it is")
            }
            POISON => of_poison(&row.payload),
            _ => self.of_refused(id, row, mend),
        }
    }

    fn of_refused(&self, id: &str, row: &Quarantined, mend: &Mend) -> Again {
        let payload = match mend.mended(&row.payload) {
            Ok(payload) => payload,
            Err((path, message)) => {
                return Again::Refused { code: "invalid".to_owned(), mistakes: vec![Mistake { path, message }] };
            }
        };
        let refused =
            |refusals: &[Refusal]| Again::Refused { code: code(refusals).to_owned(), mistakes: mistakes(refusals) };
        let Ok(raw) = serde_json::from_str::<&RawValue>(&payload) else {
            return refused(&[Refusal::new("not_an_object", "", "an event must be a JSON object")]);
        };
        let fields = match Fields::read(raw) {
            Ok(fields) => fields,
            Err(refusal) => return refused(&[refusal]),
        };
        let came_by = row.call.as_deref().and_then(Call::find).unwrap_or(Call::Batch);
        // Whoever mends an event may say of what type it is.
        let call = if !mend.is_empty() && fields.get("type").is_some() { Call::Batch } else { came_by };
        let new_message_id = || format!("quarantine-{id}");
        let arrival = Arrival { source: &row.source, received_at: row.received_at, new_message_id: &new_message_id };
        let shared = Shared { call, sent_at: None, context: &ValueMap::new(), arrival: &arrival };
        match self.judge(raw, &fields, &shared) {
            Ok((event, notes)) => {
                let note = (!notes.is_empty()).then(|| quarantined(&shared, &notes, raw, &fields));
                Again::Event(event, note)
            }
            Err(refusals) => refused(&refusals),
        }
    }
}

/// What the engine failed on was passed over for good, so it comes as a new entry.
fn of_poison(payload: &str) -> Again {
    let Ok(Entry { target: Target::Profile(profile), body, .. }) = serde_json::from_str(payload) else {
        return Again::Never(
            "what was due at an instant has passed, and what is for everyone is not told to one person again",
        );
    };
    match body {
        EntryBody::Event(_) | EntryBody::Consent(_) | EntryBody::MergeAway { .. } | EntryBody::Absorb { .. } => {
            Again::Entry(profile, body)
        }
        _ => Again::Never("it says nothing by itself"),
    }
}
