//! Withdrawals by the links of messages after which nothing was said: the same once more changes nothing, and makes no entry.
//! So nobody can fill the journal by calling one link again and again, and nobody's withdrawal is refused.

use std::collections::{HashMap, HashSet};

use crate::model::{ConsentChange, ConsentKey, ConsentSource, ConsentState, ProfileId};

/// Words that are remembered at most; beyond it they are forgotten, and the next ones are entries once more.
const REMEMBERED: usize = 10_000;

/// What this process heard last, by the journal's order.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The messages whose links said no since anything else was said.
    withdrawn: HashMap<(ProfileId, ConsentKey), HashSet<String>>,
    count: usize,
}

impl Words {
    /// Hears a word that is an entry of its own. True where the same link said the same before, and nothing was said since.
    pub(super) fn is_repeat(&mut self, profile: ProfileId, change: &ConsentChange) -> bool {
        if change.by != ConsentSource::Link || change.state != ConsentState::Withdrawn {
            self.forget(profile, &change.key);
            return false;
        }
        if self.count >= REMEMBERED {
            *self = Self::default();
        }
        let link = change.message.get("effect_id").and_then(|effect| effect.as_text()).unwrap_or_default();
        let links = self.withdrawn.entry((profile, change.key.clone())).or_default();
        let is_first = links.insert(link.to_owned());
        self.count += usize::from(is_first);
        !is_first
    }

    /// Something else was said on the matter.
    pub(super) fn forget(&mut self, profile: ProfileId, key: &ConsentKey) {
        if let Some(links) = self.withdrawn.remove(&(profile, key.clone())) {
            self.count -= links.len();
        }
    }
}
