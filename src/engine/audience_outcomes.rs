//! What became of changes that the far side was told: what did not arrive it does not hold, or holds still, and what
//! follows from that is decided anew, as a change of its own.

use std::collections::BTreeMap;

use crate::model::platform_event::{AUDIENCE_DROPPED, AUDIENCE_FAILED, AUDIENCE_SUPPRESSED, AUDIENCE_SYNCED};
use crate::model::value::ValueMap;
use crate::model::{EffectId, Value};

use super::profile::{AudienceChange, AudienceState};
use super::turn::Turn;

/// Changes that failed in a row after which the next one is decided only when something about the person changes: a far
/// side that refuses somebody is not asked for ever.
const AGAIN: u32 = 3;

impl Turn<'_> {
    /// Takes in the outcome of an audience update, if the event is one of ours that is not known yet.
    pub(super) fn note_audience_outcome(&mut self, name: &str, properties: &ValueMap) {
        let (has_arrived, is_dropped) = match name {
            AUDIENCE_SYNCED => (true, false),
            AUDIENCE_FAILED | AUDIENCE_SUPPRESSED => (false, false),
            // What a person took out of the way is not decided again before something changes.
            AUDIENCE_DROPPED => (false, true),
            _ => return,
        };
        let id = properties.get("effect_id").and_then(Value::as_text).and_then(|id| id.parse::<EffectId>().ok());
        let Some(Settled { audience, change, is_inherited }) = id.and_then(|id| self.settle_change(id)) else { return };
        let state = self.profile.audiences.or_default(audience.clone());
        if has_arrived {
            state.failures = 0;
            if is_inherited {
                self.take_in(&audience, change);
            }
            return;
        }
        state.failures = if is_dropped { AGAIN + 1 } else { state.failures + 1 };
        let is_asked_again = state.failures <= AGAIN;
        let left_over = correct(state, change);
        if !is_asked_again {
            return;
        }
        if let Some(stale) = left_over {
            self.take_out(&audience, stale);
        }
        self.mirror_audience(&audience);
    }

    /// A change arrived that a profile decided which is merged into this one. It may have come to the far side after
    /// what this one told since, as each profile has an order of its own.
    fn take_in(&mut self, audience: &str, change: AudienceChange) {
        if change.add {
            return self.take_out(audience, change.identifiers);
        }
        let state = self.profile.audiences.or_default(audience.to_owned());
        if state.sent.iter().any(|(name, value)| change.identifiers.get(name) == Some(value)) {
            state.sent.clear();
            self.mirror_audience(audience);
        }
    }

    fn mirror_audience(&mut self, audience: &str) {
        let program = self.program;
        let index = program.rules.audience_syncs.iter().position(|sync| sync.name == audience);
        self.unmirrored.extend(index);
    }

    /// The change that this effect told, which is not under way any more.
    fn settle_change(&mut self, id: EffectId) -> Option<Settled> {
        let profile = self.profile.id;
        for (name, state) in &mut self.profile.audiences {
            if let Some(change) = state.inherited.remove(&id) {
                return Some(Settled { audience: name.clone(), change, is_inherited: true });
            }
            let mut numbers = state.under_way.keys();
            let number = numbers.find(|number| EffectId::of_audience(profile, name, **number) == id).copied();
            if let Some(change) = number.and_then(|number| state.under_way.remove(&number)) {
                return Some(Settled { audience: name.clone(), change, is_inherited: false });
            }
        }
        None
    }
}

/// A change whose outcome is known.
struct Settled {
    audience: String,
    change: AudienceChange,
    /// It was decided by a profile that is merged into this one.
    is_inherited: bool,
}

/// Brings what we believe in line with a change that did not arrive. Returns what the far side holds still where it was
/// told something else since: that is to be taken out once more.
fn correct(state: &mut AudienceState, change: AudienceChange) -> Option<BTreeMap<String, String>> {
    if change.add {
        if state.sent == change.identifiers {
            state.sent.clear();
        }
        return None;
    }
    if state.sent.is_empty() {
        state.sent = change.identifiers;
        return None;
    }
    Some(change.identifiers)
}
