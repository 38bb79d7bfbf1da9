//! How people are forgotten.

use tidewater::engine::{is_forgotten, snapshot};
use tidewater::model::{EntryBody, ProfileId, Target};
use tidewater::store::identity::ErasedIdentifier;
use tidewater::store::journal::Erasure;
use tidewater::store::outbox::{OutboxItem, OutboxStatus};
use tidewater::store::state::SavedProfile;

use super::Durable;
use super::outbox::is_open;

impl Durable {
    pub(super) fn begin_erasure(&mut self, erasure: &Erasure) {
        let Erasure { entry, lineage, is_suppressed, .. } = erasure;
        self.erased.extend(lineage);
        for (name, _) in self.identities.iter().filter(|(_, owner)| lineage.contains(owner)) {
            let is_suppressed = *is_suppressed || self.former.get(name).is_some_and(|former| former.is_suppressed);
            self.former.insert(name.clone(), ErasedIdentifier { erasure: *entry, is_suppressed });
        }
        self.identities.retain(|_, owner| !lineage.contains(owner));
        self.denies.retain(|(profile, _), _| !lineage.contains(profile));
        self.drop_waiting(lineage);
        self.erasing.push(erasure.clone());
    }

    fn drop_waiting(&mut self, lineage: &[ProfileId]) {
        let is_waiting =
            |item: &OutboxItem| item.status == OutboxStatus::Ready && lineage.contains(&item.effect.profile);
        self.outbox.retain(|_, item| !is_waiting(item) || item.effect.body.is_removal());
        // The queue of an effect goes with it.
        self.queues.retain(|effect, _| self.outbox.contains_key(effect));
        for item in self.outbox.values_mut().filter(|item| is_waiting(item)) {
            item.effect.body = item.effect.body.clone().concealed();
        }
    }

    /// Leaves nothing of those who were erased, once all that was decided of them before is saved and nothing is on its way.
    pub(super) fn clean_up(&mut self) {
        let (ready, waiting): (Vec<Erasure>, Vec<Erasure>) =
            std::mem::take(&mut self.erasing).into_iter().partition(|erasure| self.is_saved(&erasure.lineage));
        self.erasing = waiting;
        for Erasure { lineage, .. } in ready.iter() {
            self.drop_waiting(lineage);
            let is_theirs = |profile: &ProfileId| lineage.contains(profile);
            let lost = self.history.values().filter(|(profile, _)| is_theirs(profile));
            self.forgotten.extend(lost.map(|(_, message)| message.clone()));
            self.history.retain(|_, (profile, _)| !is_theirs(profile));
            self.memberships.retain(|(profile, _), _| !is_theirs(profile));
            self.changes.retain(|(profile, ..), _| !is_theirs(profile));
            self.merged.retain(|loser, _| !is_theirs(loser));
            let set_aside = self.poison.extract_if(.., |_, poisoned| is_theirs(&poisoned.profile));
            self.skips.extend(set_aside.filter_map(|(_, poisoned)| poisoned.skip));
            for entry in &mut self.journal {
                let is_concerned = matches!(entry.target, Target::Profile(profile) if is_theirs(&profile));
                if is_concerned && is_forgotten(&entry.body) {
                    entry.body = EntryBody::Erased;
                }
            }
        }
        // What is on its way goes when it has arrived.
        let waiting = &self.erasing;
        let erased = &self.erased;
        let is_done = |profile: &ProfileId| {
            erased.contains(profile) && !waiting.iter().any(|erasure| erasure.lineage.contains(profile))
        };
        self.outbox.retain(|_, item| is_open(item) || !is_done(&item.effect.profile));
        self.queues.retain(|effect, _| self.outbox.contains_key(effect));
    }

    /// Whether something is left of somebody who was erased.
    pub(super) fn has_traces(&self) -> bool {
        !self.erasing.is_empty() || self.outbox.values().any(|item| self.erased.contains(&item.effect.profile))
    }

    fn is_saved(&self, lineage: &[ProfileId]) -> bool {
        let is_erased =
            |saved: &SavedProfile| snapshot::decode(&saved.snapshot).is_ok_and(|profile| profile.is_erased());
        lineage.iter().all(|profile| self.profiles.get(profile).is_some_and(is_erased))
    }
}
