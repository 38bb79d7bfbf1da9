//! The two seams, as the platform calls them: each question is one call.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use tidewater::engine::backfill::{Past, Wanted};
use tidewater::engine::skip::Skip;
use tidewater::engine::transition::Relay;
use tidewater::model::{EffectId, Entry, EntryBody, Offset, ProfileId, ShardId, Timestamp};
use tidewater::store::commit::Prepared;
use tidewater::store::identity::{ErasedIdentifier, Identifier};
use tidewater::store::journal::{Append, JournalHead};
use tidewater::store::outbox::{Claim, Claimed, OutboxItem, OutboxStatus, Room};
use tidewater::store::program::ProgramSources;
use tidewater::store::state::{Reached, SavedProfile, ShardCommit};
use tidewater::store::{Journal, Keep, Store, StoreError};

use super::{Durable, Memory, lock};

#[async_trait]
impl Journal for Memory {
    async fn append(&self, append: &Append) -> Result<(), StoreError> {
        self.call("append", |durable| durable.append(append)).await
    }

    async fn head(&self) -> Result<JournalHead, StoreError> {
        self.call("head", |durable| {
            durable.journal.last().map_or(JournalHead { offset: Offset(0), received_at: Timestamp::MIN }, |last| {
                JournalHead { offset: last.offset, received_at: last.received_at }
            })
        })
        .await
    }

    async fn read(&self, after: Offset, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.call("read", |durable| {
            durable.journal.iter().filter(|entry| entry.offset > after).take(limit).cloned().collect()
        })
        .await
    }

    async fn reopen(&self) -> Result<(), StoreError> {
        self.call("reopen", |_| ()).await
    }

    async fn find_profiles(&self, identifiers: &[Identifier]) -> Result<HashMap<Identifier, ProfileId>, StoreError> {
        self.call("find_profiles", |durable| {
            let found = identifiers.iter().filter_map(|one| {
                Some((one.clone(), *durable.identities.get(&(one.kind.clone(), one.value.clone()))?))
            });
            found.collect()
        })
        .await
    }

    async fn identifiers_of(&self, profile: ProfileId) -> Result<Vec<Identifier>, StoreError> {
        self.call("identifiers_of", |durable| {
            let own = durable.identities.iter().filter(|(_, owner)| **owner == profile);
            own.map(|((kind, value), _)| Identifier { kind: kind.clone(), value: value.clone() }).collect()
        })
        .await
    }

    async fn surviving_profile(&self, profile: ProfileId) -> Result<ProfileId, StoreError> {
        self.call("surviving_profile", |durable| durable.survivor(profile)).await
    }

    async fn lineage(&self, profile: ProfileId) -> Result<Vec<ProfileId>, StoreError> {
        self.call("lineage", |durable| {
            let losers = durable.merged.keys().filter(|loser| durable.survivor(**loser) == profile);
            std::iter::once(profile).chain(losers.copied()).collect()
        })
        .await
    }

    async fn erased_profiles(&self) -> Result<Vec<ProfileId>, StoreError> {
        self.call("erased_profiles", |durable| durable.erased.iter().copied().collect()).await
    }

    async fn erased_identifiers(
        &self,
        identifiers: &[Identifier],
    ) -> Result<HashMap<Identifier, ErasedIdentifier>, StoreError> {
        self.call("erased_identifiers", |durable| {
            let found = identifiers
                .iter()
                .filter_map(|one| Some((one.clone(), *durable.former.get(&(one.kind.clone(), one.value.clone()))?)));
            found.collect()
        })
        .await
    }

    async fn deploys(&self) -> Result<Vec<(Offset, String)>, StoreError> {
        self.call("deploys", |durable| {
            let deployed = |entry: &Entry| match &entry.body {
                EntryBody::Deploy(deploy) => Some((entry.offset, deploy.version.clone())),
                _ => None,
            };
            durable.journal.iter().filter_map(deployed).collect()
        })
        .await
    }

    async fn schedules_fired(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        self.call("schedules_fired", |durable| durable.schedules.clone().into_iter().collect()).await
    }
}

#[async_trait]
impl Store for Memory {
    async fn upkeep(&self, _: Keep, _: Timestamp) -> Result<(), StoreError> {
        let is_needed = lock(&self.durable).has_traces();
        if is_needed { self.call("upkeep", Durable::clean_up).await } else { Ok(()) }
    }

    async fn prepare(&self, commits: Vec<ShardCommit>) -> Prepared {
        Prepared::of(commits)
    }

    async fn commit(&self, commits: &mut Prepared) -> Result<(), StoreError> {
        self.call("commit", |durable| durable.commit(commits.commits())).await
    }

    async fn load_profiles(&self, profiles: &[ProfileId]) -> Result<Vec<SavedProfile>, StoreError> {
        self.call("load_profiles", |durable| {
            profiles.iter().filter_map(|id| durable.profiles.get(id).cloned()).collect()
        })
        .await
    }

    async fn profiles_of_shard(
        &self,
        shard: ShardId,
        after: Option<ProfileId>,
        limit: u64,
    ) -> Result<Vec<ProfileId>, StoreError> {
        self.look(shard, "profiles_of_shard", |durable| {
            let later =
                durable.profiles.keys().filter(|id| id.shard() == shard && after.is_none_or(|after| **id > after));
            later.take(limit as usize).copied().collect()
        })
        .await
    }

    async fn wakes(
        &self,
        shard: ShardId,
        after: Option<(Timestamp, ProfileId)>,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<(Timestamp, ProfileId)>, StoreError> {
        self.look(shard, "wakes", |durable| {
            let of_shard = durable.profiles.values().filter(|saved| saved.id.shard() == shard);
            let wakes = of_shard.filter_map(|saved| Some((saved.wake?, saved.id)));
            let mut wakes: Vec<_> =
                wakes.filter(|wake| wake.0 <= until && after.is_none_or(|after| *wake > after)).collect();
            wakes.sort_unstable();
            wakes.truncate(limit as usize);
            wakes
        })
        .await
    }

    async fn shards_reached(&self) -> Result<Vec<(ShardId, Reached)>, StoreError> {
        self.call("shards_reached", |durable| durable.reached.clone().into_iter().collect()).await
    }

    async fn skips(&self, after: Offset) -> Result<Vec<Skip>, StoreError> {
        self.call("skips", |durable| {
            let skips = durable.poison.values().filter_map(|poisoned| poisoned.skip);
            let skips = skips.chain(durable.skips.iter().copied());
            skips.filter(|skip| skip.place > after).collect()
        })
        .await
    }

    async fn pasts(
        &self,
        profiles: &[ProfileId],
        wanted: &Wanted,
    ) -> Result<HashMap<ProfileId, Vec<Past>>, StoreError> {
        self.call("pasts", |durable| {
            let pasts = profiles.iter().map(|id| (*id, durable.past(*id, wanted)));
            pasts.filter(|(_, past)| !past.is_empty()).collect()
        })
        .await
    }

    async fn pending_relays(&self, limit: usize) -> Result<Vec<Relay>, StoreError> {
        self.call("pending_relays", |durable| durable.relays.values().take(limit).cloned().collect()).await
    }

    async fn queues(&self, destination: &str) -> Result<BTreeSet<String>, StoreError> {
        self.call("queues", |durable| {
            let is_waiting = |id: &EffectId| {
                let item = &durable.outbox[id];
                item.effect.destination == destination && item.status == OutboxStatus::Ready
            };
            durable.queues.iter().filter(|(id, _)| is_waiting(id)).map(|(_, queue)| queue.clone()).collect()
        })
        .await
    }

    async fn claim(&self, destination: &str, now: Timestamp, room: &Room) -> Result<Claim, StoreError> {
        self.call("claim", |durable| {
            let claim = durable.claim(destination, now, room);
            let head = durable.journal.last().map_or(Offset(0), |last| last.offset);
            claim.taken.iter().for_each(|claimed| self.world.note_claim(&claimed.effect, now, head));
            claim
        })
        .await
    }

    async fn note_silence(&self, _: &str, _: Option<Timestamp>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn taken(&self, destination: &str) -> Result<Vec<Claimed>, StoreError> {
        self.call("taken", |durable| {
            let taken = durable
                .outbox
                .values()
                .filter(|item| item.effect.destination == destination && item.status == OutboxStatus::Taken);
            taken.map(|item| Claimed { effect: item.effect.clone(), attempts: item.attempts }).collect()
        })
        .await
    }

    async fn outbox(&self, status: Option<OutboxStatus>, limit: u64) -> Result<Vec<OutboxItem>, StoreError> {
        self.call("outbox", |durable| {
            let of_status = durable.outbox.values().filter(|item| status.is_none_or(|status| item.status == status));
            let mut items: Vec<OutboxItem> = of_status.cloned().collect();
            items.sort_by_key(|item| (Reverse(item.effect.decided_at), item.effect.id));
            items.truncate(limit as usize);
            items
        })
        .await
    }

    async fn save_program(&self, version: &str, sources: &[(String, String)]) -> Result<(), StoreError> {
        self.call("save_program", |durable| {
            durable.programs.entry(version.to_owned()).or_insert_with(|| sources.to_vec());
        })
        .await
    }

    async fn program(&self, version: &str) -> Result<Option<ProgramSources>, StoreError> {
        self.call("program", |durable| durable.programs.get(version).cloned()).await
    }

    async fn secret(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.call("secret", |_| name.as_bytes().repeat(8)).await
    }
}
