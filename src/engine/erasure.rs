//! A person who is to be forgotten: what is known of them goes, and what ad platforms hold is taken back.

use crate::model::{EntryBody, Offset, ProfileId, Timestamp};

use super::profile::Profile;
use super::transition::{Fact, MembershipChange};
use super::turn::Turn;

impl Turn<'_> {
    /// Leaves nothing of the person but that they were erased. Platforms are told of them by hashes: these effects are
    /// what lasts longest.
    pub(super) fn erase(&mut self) {
        let program = self.program;
        for sync in &program.rules.audience_syncs {
            let told = self.profile.audiences.get(&sync.name).map(|state| state.sent.clone()).unwrap_or_default();
            if !told.is_empty() {
                self.tell(sync, false, told, None);
            }
        }
        for effect in &mut self.out.effects {
            effect.body = effect.body.clone().concealed();
        }
        for (segment, _) in std::mem::take(&mut self.profile.memberships) {
            self.out.memberships.push(MembershipChange { segment, entered: false, at: self.now, cause: self.cause });
        }
        for run in std::mem::take(&mut self.profile.runs) {
            let reason = "erased".to_owned();
            self.out.facts.push(Fact::RunEnded { run: run.id, journey: run.journey, at: self.now, reason });
        }
        *self.profile = tombstone(self.profile.id, self.profile.applied, self.profile.clock);
        self.calendar = self.profile.calendar(program);
    }
}

/// What is left of a profile whose person was erased by this entry, whatever it was before.
#[must_use]
pub fn tombstone(id: ProfileId, erased_by: Offset, clock: Timestamp) -> Profile {
    Profile { applied: erased_by, clock, erased: true, ..Profile::new(id) }
}

/// Whether nothing is to be left of this entry of a person who was erased. What was passed over, and that they were
/// erased, a replay has to know.
#[must_use]
pub fn is_forgotten(body: &EntryBody) -> bool {
    !matches!(body, EntryBody::Erase | EntryBody::Erased | EntryBody::Skip(_))
}
