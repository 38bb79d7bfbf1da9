//! What became of changes that the far side was told: what did not arrive it does not hold, or holds still, and what
//! follows from that is decided anew, as a change of its own.

use std::collections::BTreeMap;

use crate::model::platform_event::{AUDIENCE_FAILED, AUDIENCE_SUPPRESSED, AUDIENCE_SYNCED};
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
        let has_arrived = match name {
            AUDIENCE_SYNCED => true,
            AUDIENCE_FAILED | AUDIENCE_SUPPRESSED => false,
            _ => return,
        };
        let id = properties.get("effect_id").and_then(Value::as_text).and_then(|id| id.parse::<EffectId>().ok());
        let Some((audience, change)) = id.and_then(|id| self.settle_change(id)) else { return };
        let state = self.profile.audiences.or_default(audience.clone());
        if has_arrived {
            state.failures = 0;
            return;
        }
        state.failures += 1;
        let is_asked_again = state.failures <= AGAIN;
        let left_over = correct(state, change);
        if !is_asked_again {
            return;
        }
        if let Some(stale) = left_over {
            self.take_out(&audience, stale);
        }
        let program = self.program;
        let index = program.rules.audience_syncs.iter().position(|sync| sync.name == audience);
        self.unmirrored.extend(index);
    }

    /// The change that this effect told, which is not under way any more.
    fn settle_change(&mut self, id: EffectId) -> Option<(String, AudienceChange)> {
        let profile = self.profile.id;
        for (name, state) in &mut self.profile.audiences {
            let mut numbers = state.under_way.keys();
            let number = numbers.find(|number| EffectId::of_audience(profile, name, **number) == id).copied();
            if let Some(change) = number.and_then(|number| state.under_way.remove(&number)) {
                return Some((name.clone(), change));
            }
        }
        None
    }
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
