//! Every event of a request by itself: accepted, refused, or kept with a note.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;

use crate::lang::rules::EventDeclaration;
use crate::model::limit::{EVENT_BYTES, IDENTIFIER_CHARS};
use crate::model::{Event, EventKind, Timestamp, platform_event};
use crate::store::identity::Identifier;
use crate::store::journal::{Mistake, Quarantined};
use crate::workspace::Program;

use super::decode::{Shared, decode};
use super::field::{Fields, id, object};
use super::plan::check_event;
use super::refusal::Refusal;
use super::request::Request;
use super::traits::{clean_traits, undeclared};

/// Most undeclared names that are told of in the log; a source that makes names up must not fill our memory.
const NAMES_TOLD: usize = 1_000;

/// Code of a quarantine row about an event that broke the plan and was taken, its declaration not being strict.
pub const PLAN_BREACH_KEPT: &str = "plan_breach_kept";

/// What a request brings along that its body does not say.
pub struct Arrival<'a> {
    /// Name of the source that the write key belongs to.
    pub source: &'a str,
    pub received_at: Timestamp,
    /// Makes the `messageId` of an event that has none; each must be new.
    pub new_message_id: &'a dyn Fn() -> String,
}

/// What became of the events of a request.
#[derive(Debug, Default)]
pub struct Taken {
    pub accepted: Vec<Event>,
    /// Rows for the store: what was refused, and what was kept although something was wrong with it.
    pub quarantined: Vec<Quarantined>,
    /// Events that were not accepted, each with the first or only reason.
    pub refused: Vec<Refusal>,
    /// Of accepted events: traits left out, and breaches of a plan that is not strict.
    pub notes: Vec<Refusal>,
}

/// Intake under one program.
#[derive(Debug)]
pub struct Intake {
    program: Arc<Program>,
    /// Index into the declared events, by name.
    events: BTreeMap<String, usize>,
    /// Undeclared names that the log already told of.
    told: Mutex<BTreeSet<String>>,
}

impl Intake {
    #[must_use]
    pub fn new(program: Arc<Program>) -> Self {
        let events =
            program.rules.events.iter().enumerate().map(|(index, event)| (event.name.clone(), index)).collect();
        Self { program, events, told: Mutex::default() }
    }

    /// The program whose tracking plan this holds events against.
    #[must_use]
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Takes the events of a request, each by itself: a bad one does not harm its neighbours.
    #[must_use]
    pub fn take(&self, request: &Request<'_>, arrival: &Arrival<'_>) -> Taken {
        let shared = Shared { call: request.call, sent_at: request.sent_at, context: &request.context, arrival };
        let mut taken = Taken::default();
        for (index, raw) in request.items.iter().enumerate() {
            let index = request.is_batch().then_some(index);
            self.take_one(raw, index, &shared, &mut taken);
        }
        taken
    }

    fn take_one(&self, raw: &RawValue, index: Option<usize>, shared: &Shared<'_>, taken: &mut Taken) {
        let fields = match Fields::read(raw) {
            Ok(fields) => fields,
            // Not even an envelope: there is nothing to keep.
            Err(refusal) => return taken.refused.push(Refusal { index, ..refusal }),
        };
        let quarantine = |refusals: &[Refusal]| quarantined(shared, refusals, raw, &fields);
        match self.judge(raw, &fields, shared) {
            Ok((event, notes)) => {
                if !notes.is_empty() {
                    taken.quarantined.push(quarantine(&notes));
                }
                taken.notes.extend(notes.into_iter().map(|note| Refusal { index, ..note }));
                taken.accepted.push(event);
            }
            Err(refusals) => {
                taken.quarantined.push(quarantine(&refusals));
                taken.refused.extend(refusals.into_iter().take(1).map(|refusal| Refusal { index, ..refusal }));
            }
        }
    }

    /// The event, with what is to be said about it; or why it is refused.
    pub(super) fn judge(
        &self,
        raw: &RawValue,
        fields: &Fields<'_>,
        shared: &Shared<'_>,
    ) -> Result<(Event, Vec<Refusal>), Vec<Refusal>> {
        let decoded = decode(raw, fields, shared).map_err(|refusal| vec![refusal]);
        decoded.and_then(|event| self.hold_against_plan(event))
    }

    /// The event cleaned, with what is to be said about it; or every breach, where the plan is strict.
    fn hold_against_plan(&self, mut event: Event) -> Result<(Event, Vec<Refusal>), Vec<Refusal>> {
        let mut notes = Vec::new();
        if event.kind == EventKind::Identify {
            notes = clean_traits(&self.program.rules.traits, &mut event.traits);
            for name in undeclared(&self.program.rules.traits, &event.traits) {
                self.tell_once("trait", name);
            }
        }
        match self.declaration(&event.name) {
            Some(declared) => {
                let breaches = check_event(declared, &mut event.properties);
                if declared.strict && !breaches.is_empty() {
                    return Err(breaches);
                }
                notes.extend(breaches.into_iter().map(|breach| Refusal { code: PLAN_BREACH_KEPT, ..breach }));
            }
            None if platform_event::find(&event.name).is_none() => self.tell_once("event", &event.name),
            None => {}
        }
        Ok((event, notes))
    }

    fn declaration(&self, name: &str) -> Option<&EventDeclaration> {
        self.events.get(name).and_then(|index| self.program.rules.events.get(*index))
    }

    /// What nothing declares is kept, and told of once: rules cannot read it until it is declared.
    fn tell_once(&self, what: &str, name: &str) {
        let key = format!("{what} {name}");
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < NAMES_TOLD && told.insert(key) {
            tracing::warn!(what, name, "undeclared name is kept; no rule can read it until it is declared");
        }
    }
}

/// A row for the store. Several things wrong with one event make one row.
pub(super) fn quarantined(
    shared: &Shared<'_>,
    refusals: &[Refusal],
    raw: &RawValue,
    fields: &Fields<'_>,
) -> Quarantined {
    Quarantined {
        source: shared.arrival.source.to_owned(),
        received_at: shared.arrival.received_at,
        code: code(refusals).to_owned(),
        mistakes: mistakes(refusals),
        call: Some(shared.call.name().to_owned()),
        payload: payload(raw, fields, shared),
        names: names(fields),
    }
}

/// Whom the event names, as far as that can be read, whatever is wrong with the rest of it.
fn names(fields: &Fields<'_>) -> Vec<Identifier> {
    let [user_id, anonymous_id, previous_id] =
        ["userId", "anonymousId", "previousId"].map(|name| id(fields, name, IDENTIFIER_CHARS).ok().flatten());
    Identifier::named(user_id, anonymous_id, previous_id)
}

/// The short word for all of it.
pub(super) fn code(refusals: &[Refusal]) -> &'static str {
    refusals.first().map_or("invalid", |refusal| refusal.code)
}

pub(super) fn mistakes(refusals: &[Refusal]) -> Vec<Mistake> {
    let mistake = |Refusal { path, message, .. }: &Refusal| Mistake { path: path.clone(), message: message.clone() };
    refusals.iter().map(mistake).collect()
}

/// The event as it came, without the write key, and with what its batch says for all, so that it can be tried again by
/// itself. Of one that is too large only the beginning, as a text in an object.
fn payload(raw: &RawValue, fields: &Fields<'_>, shared: &Shared<'_>) -> String {
    if raw.get().len() > EVENT_BYTES {
        let beginning: String = fields.without_secrets(&[]).chars().take(4_096).collect();
        return serde_json::json!({ "bytes": raw.get().len(), "beginning": beginning }).to_string();
    }
    let mut said = Vec::new();
    if let (None, Some(sent_at)) = (fields.get("sentAt"), shared.sent_at) {
        said.push(("sentAt", serde_json::json!(sent_at.to_string()).to_string()));
    }
    if let (false, Ok(own)) = (shared.context.is_empty(), object(fields, "context")) {
        let mut context = shared.context.clone();
        context.extend(own);
        said.extend(serde_json::to_string(&context).ok().map(|context| ("context", context)));
    }
    fields.without_secrets(&said)
}
