//! A store in memory with the meaning of the real one, whose calls take time, fail, and die in the middle.
//!
//! What is durable outlives a crash; everything else goes with the platform that is dropped.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use tidewater::engine::backfill::{Past, Wanted};
use tidewater::engine::skip::Skip;
use tidewater::engine::transition::{AUDIENCE_SYNC, Relay};
use tidewater::engine::{Effect, EffectBody, MembershipChange, is_forgotten, snapshot};
use tidewater::lang::rules::MessageClass;
use tidewater::model::{ConsentKey, EffectId, Entry, EntryBody, Offset, ProfileId, ShardId, Target, Timestamp};
use tidewater::store::dead_letters::{DROPPABLE, DROPPED, RETRIABLE};
use tidewater::store::identity::{ErasedIdentifier, Identifier, IdentityChange};
use tidewater::store::journal::{Append, Deny, Erasure, JournalHead};
use tidewater::store::outbox::{Claim, Claimed, OutboxItem, OutboxStatus, OutboxUpdate, Room};
use tidewater::store::outcome::event_of;
use tidewater::store::program::ProgramSources;
use tidewater::store::state::{Poisoned, Reached, SavedProfile, ShardCommit};
use tidewater::store::{Backing, Journal, Keep, Store, StoreError};

use super::script::{Hand, Verb};
use super::world::World;

/// What survives.
#[derive(Debug, Default, Clone)]
pub struct Durable {
    pub journal: Vec<Entry>,
    pub identities: BTreeMap<(String, String), ProfileId>,
    pub merged: BTreeMap<ProfileId, ProfileId>,
    denies: BTreeMap<(ProfileId, String), Deny>,
    pub outbox: BTreeMap<EffectId, OutboxItem>,
    not_before: BTreeMap<EffectId, Timestamp>,
    /// Of effects that were put aside: the domain whose limit they wait for.
    queues: BTreeMap<EffectId, String>,
    relays: BTreeMap<(u64, usize, String), Relay>,
    schedules: BTreeMap<String, Timestamp>,
    pub profiles: BTreeMap<ProfileId, SavedProfile>,
    pub memberships: BTreeMap<(ProfileId, String), Timestamp>,
    pub changes: BTreeMap<(ProfileId, String, Timestamp, bool), MembershipChange>,
    pub history: BTreeMap<Offset, (ProfileId, String)>,
    /// What was set aside, by its id in the quarantine.
    pub poison: BTreeMap<String, Poisoned>,
    /// What was passed over of people who were erased.
    skips: Vec<Skip>,
    reached: BTreeMap<ShardId, Reached>,
    programs: BTreeMap<String, ProgramSources>,
    /// Profiles of people who were erased.
    pub erased: BTreeSet<ProfileId>,
    pub former: BTreeMap<(String, String), ErasedIdentifier>,
    /// Erasures that are under way, and what the histories lost by those that were carried out, by message id.
    pub erasing: Vec<Erasure>,
    pub forgotten: BTreeSet<String>,
    /// What somebody decided about which effect, and the place of it among all that can be seen from outside.
    pub by_hand: Vec<(Effect, Verb, usize)>,
}

/// What may go wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It says that it failed, and did.
    Fails,
    /// It says that it failed, and took place all the same.
    Lies,
    /// The process dies before it takes place.
    DiesBefore,
    /// The process dies after it took place, before anyone hears.
    DiesAfter,
}

/// How often what goes wrong, in calls of a thousand.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    pub fails: u32,
    pub lies: u32,
    pub dies: u32,
    /// Longest a call takes, in milliseconds.
    pub slow: u64,
    /// The call of this number, the first being 0, goes wrong like this, whatever the chances are.
    pub strike: Option<(usize, Fault)>,
}

pub const CALM: Weather = Weather { fails: 0, lies: 0, dies: 0, slow: 3, strike: None };

#[derive(Debug)]
pub struct Memory {
    pub durable: Mutex<Durable>,
    weather: Mutex<(TestRng, Weather)>,
    world: Arc<World>,
    /// Told when the process dies.
    pub death: tokio::sync::Notify,
    pub calls: Mutex<usize>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    pub fn new(durable: Durable, chance: TestRng, weather: Weather, world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            durable: Mutex::new(durable),
            weather: Mutex::new((chance, weather)),
            world: world.clone(),
            death: tokio::sync::Notify::new(),
            calls: Mutex::new(0),
        })
    }

    /// Nothing goes wrong by chance any more.
    pub fn clear_up(&self) {
        let weather = &mut lock(&self.weather).1;
        *weather = Weather { strike: weather.strike, ..CALM };
    }

    pub fn backing(self: &Arc<Self>) -> Backing {
        Backing { journal: self.clone(), store: self.clone() }
    }

    /// How many effects may still leave.
    pub fn open(&self) -> usize {
        let is_open = |item: &&OutboxItem| matches!(item.status, OutboxStatus::Ready | OutboxStatus::Taken);
        lock(&self.durable).outbox.values().filter(is_open).count()
    }

    /// Whether something is left of somebody who is to be forgotten.
    pub fn is_forgetting(&self) -> bool {
        lock(&self.durable).has_traces()
    }

    /// What a command beside the server does: it has a connection of its own.
    /// Returns to how many effects.
    pub fn by_hand(&self, hand: &Hand, now: Timestamp) -> usize {
        let mut durable = lock(&self.durable);
        let decided = durable.by_hand(hand, now);
        for id in &decided {
            let effect = durable.outbox[id].effect.clone();
            durable.by_hand.push((effect, hand.verb, self.world.place()));
        }
        decided.len()
    }

    /// Waits until one of the store's own checks has failed: the actor that asked is gone, and nobody else would say so.
    pub async fn misused(&self) {
        while !self.durable.is_poisoned() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    pub fn durable(&self) -> Durable {
        lock(&self.durable).clone()
    }

    /// One call: takes its time, and perhaps goes wrong.
    async fn call<T>(&self, what: &str, effect: impl FnOnce(&mut Durable) -> T) -> Result<T, StoreError> {
        let weather = self.forecast(true);
        self.under(weather, what, effect).await
    }

    /// A look into a shard. Where nobody lives it tells nothing, and is no call of its own to strike at: of 256 shards
    /// a run uses a few.
    async fn look<T>(&self, shard: ShardId, what: &str, at: impl FnOnce(&mut Durable) -> T) -> Result<T, StoreError> {
        let is_lived_in = lock(&self.durable).profiles.keys().any(|id| id.shard() == shard);
        let weather = self.forecast(is_lived_in);
        self.under(weather, what, at).await
    }

    async fn under<T>(
        &self,
        (pause, fault): (u64, Fault),
        what: &str,
        effect: impl FnOnce(&mut Durable) -> T,
    ) -> Result<T, StoreError> {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        match fault {
            Fault::None => Ok(effect(&mut lock(&self.durable))),
            Fault::Fails => Err(failure(what)),
            Fault::Lies => {
                effect(&mut lock(&self.durable));
                Err(failure(what))
            }
            Fault::DiesBefore => self.die().await,
            Fault::DiesAfter => {
                effect(&mut lock(&self.durable));
                self.die().await
            }
        }
    }

    async fn die<T>(&self) -> T {
        self.death.notify_one();
        std::future::pending().await
    }

    /// How long the next call takes, and what goes wrong with it. One that `counts` has a number.
    fn forecast(&self, counts: bool) -> (u64, Fault) {
        let (chance, weather) = &mut *lock(&self.weather);
        let calls = &mut *lock(&self.calls);
        let number = counts.then_some(*calls);
        *calls += usize::from(counts);
        let pause = chance.random_range(0..=weather.slow);
        let dice = chance.random_range(0..1_000_u32);
        let Weather { fails, lies, dies, strike, .. } = *weather;
        let struck = strike.filter(|(struck, _)| Some(*struck) == number).map(|(_, fault)| fault);
        let by_chance = match dice {
            _ if dice < dies => Fault::DiesBefore,
            _ if dice < 2 * dies => Fault::DiesAfter,
            _ if dice < 2 * dies + fails => Fault::Fails,
            _ if dice < 2 * dies + fails + lies => Fault::Lies,
            _ => Fault::None,
        };
        (pause, struck.unwrap_or(by_chance))
    }
}

fn failure(what: &str) -> StoreError {
    StoreError::Unusable(format!("simulated: {what} failed"))
}

impl Durable {
    pub fn survivor(&self, mut profile: ProfileId) -> ProfileId {
        while let Some(winner) = self.merged.get(&profile) {
            profile = *winner;
        }
        profile
    }

    /// Decides about effects; returns those that it was about.
    pub fn by_hand(&mut self, hand: &Hand, now: Timestamp) -> Vec<EffectId> {
        let Hand { verb, destination } = *hand;
        let (mut decided, mut dropped) = (Vec::new(), Vec::new());
        for item in self.outbox.values_mut() {
            let is_meant = item.effect.destination == destination;
            let is_in_time = item.effect.expires_at.is_none_or(|at| at > now);
            let change = match verb {
                Verb::Retry if is_meant && RETRIABLE.contains(&item.status) && is_in_time => {
                    (item.attempts, item.status) = (0, OutboxStatus::Ready);
                    self.not_before.insert(item.effect.id, now);
                    self.queues.remove(&item.effect.id);
                    "to be sent again, by hand"
                }
                Verb::Drop if is_meant && DROPPABLE.contains(&item.status) => {
                    item.status = OutboxStatus::Dropped;
                    if item.effect.body.kind() == AUDIENCE_SYNC {
                        dropped.push(item.effect.clone());
                    }
                    DROPPED
                }
                _ => continue,
            };
            (item.detail, item.updated_at) = (Some(change.to_owned()), now);
            decided.push(item.effect.id);
        }
        // The people concerned by updates of audiences hear of it.
        for (ordinal, effect) in dropped.into_iter().enumerate() {
            let body = EntryBody::Event(event_of(&effect, OutboxStatus::Dropped, Some(DROPPED.to_owned()), now));
            let relay = Relay { id: format!("dropped:{}:{}", effect.id, now.0), to: effect.profile, body };
            self.hand_on(Offset(0), ordinal, &relay);
        }
        decided
    }

    fn hand_on(&mut self, created: Offset, ordinal: usize, relay: &Relay) {
        if !self.relays.values().any(|known| known.id == relay.id) {
            self.relays.insert((created.0, ordinal, relay.id.clone()), relay.clone());
        }
    }

    fn append(&mut self, append: &Append) {
        for entry in &append.entries {
            let next = self.journal.last().map_or(1, |last| last.offset.0 + 1);
            assert_eq!(entry.offset.0, next, "the journal has no gaps and no overlaps");
            assert!(self.journal.last().is_none_or(|last| last.received_at <= entry.received_at), "time runs forward");
            self.journal.push(entry.clone());
        }
        append.identities.iter().for_each(|change| self.identify(change));
        append.denies.iter().for_each(|deny| self.deny(deny));
        append.outbox.iter().for_each(|update| self.update(update));
        self.relays.retain(|_, relay| !append.relayed.contains(&relay.id));
        self.schedules.extend(append.schedules_fired.iter().cloned());
        append.erasures.iter().for_each(|erasure| self.begin_erasure(erasure));
    }

    fn begin_erasure(&mut self, erasure: &Erasure) {
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
        for item in self.outbox.values_mut().filter(|item| is_waiting(item)) {
            item.effect.body = item.effect.body.clone().concealed();
        }
    }

    /// Leaves nothing of those who were erased, once all that was decided of them before is saved and nothing is on its way.
    fn clean_up(&mut self) {
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
        let is_over = |item: &OutboxItem| !matches!(item.status, OutboxStatus::Ready | OutboxStatus::Taken);
        let waiting = &self.erasing;
        let erased = &self.erased;
        let is_done = |profile: &ProfileId| {
            erased.contains(profile) && !waiting.iter().any(|erasure| erasure.lineage.contains(profile))
        };
        self.outbox.retain(|_, item| !(is_over(item) && is_done(&item.effect.profile)));
    }

    /// Whether something is left of somebody who was erased.
    fn has_traces(&self) -> bool {
        !self.erasing.is_empty() || self.outbox.values().any(|item| self.erased.contains(&item.effect.profile))
    }

    fn is_saved(&self, lineage: &[ProfileId]) -> bool {
        let is_erased =
            |saved: &SavedProfile| snapshot::decode(&saved.snapshot).is_ok_and(|profile| profile.is_erased());
        lineage.iter().all(|profile| self.profiles.get(profile).is_some_and(is_erased))
    }

    fn identify(&mut self, change: &IdentityChange) {
        match change {
            IdentityChange::Add { identifier, profile } => {
                let key = (identifier.kind.clone(), identifier.value.clone());
                self.identities.entry(key).or_insert(*profile);
            }
            IdentityChange::Merge { loser, winner } => {
                self.identities.values_mut().filter(|profile| *profile == loser).for_each(|profile| *profile = *winner);
                self.merged.entry(*loser).or_insert(*winner);
                let refused: Vec<Deny> =
                    self.denies.values().filter(|deny| deny.profile == *loser && deny.denied).cloned().collect();
                for deny in refused {
                    let key = (*winner, deny.key.to_string());
                    let theirs = Deny { profile: *winner, ..deny };
                    self.denies.entry(key).or_insert(theirs).denied = true;
                }
            }
        }
    }

    /// What counted for a profile, or for one that was merged into it before.
    fn past(&self, profile: ProfileId, wanted: &Wanted) -> Vec<Past> {
        let mut found = Vec::new();
        for entry in self.journal.iter().filter(|entry| entry.offset < wanted.before) {
            let (Some((counts_for, _)), Some(event)) = (self.history.get(&entry.offset), entry.body.event()) else {
                continue;
            };
            let is_named = wanted.names.as_ref().is_none_or(|names| names.contains(&event.name));
            if let (true, Some(joined)) = (is_named, self.joined(*counts_for, profile)) {
                let (offset, received_at, event) = (entry.offset, entry.received_at, event.into_owned());
                found.push(Past { offset, joined, received_at, event });
            }
        }
        found
    }

    /// The entry by which one profile became part of another; 0 where they are one from the start.
    fn joined(&self, profile: ProfileId, owner: ProfileId) -> Option<Offset> {
        let (mut at, mut joined) = (profile, Offset(0));
        while at != owner {
            let merge = self.journal.iter().find(|entry| {
                entry.target == Target::Profile(at) && matches!(entry.body, EntryBody::MergeAway { .. })
            })?;
            (at, joined) = (*self.merged.get(&at)?, joined.max(merge.offset));
        }
        Some(joined)
    }

    fn deny(&mut self, deny: &Deny) {
        let profile = self.survivor(deny.profile);
        let key = (profile, deny.key.to_string());
        if self.denies.get(&key).is_none_or(|known| (known.at, known.denied) <= (deny.at, deny.denied)) {
            self.denies.insert(key, Deny { profile, ..deny.clone() });
        }
    }

    fn update(&mut self, update: &OutboxUpdate) {
        let Some(item) = self.outbox.get_mut(&update.effect) else { return };
        if item.status == OutboxStatus::Dropped {
            return;
        }
        (item.status, item.detail, item.updated_at) = (update.status, update.detail.clone(), update.at);
        self.queues.remove(&update.effect);
        if let Some(not_before) = update.not_before {
            self.not_before.insert(update.effect, not_before);
        }
    }

    fn commit(&mut self, commits: &[ShardCommit]) {
        for commit in commits {
            for saved in &commit.profiles {
                self.profiles.insert(saved.id, saved.clone());
            }
            for (profile, change) in &commit.memberships {
                let key = (*profile, change.segment.clone());
                if change.entered {
                    self.memberships.insert(key, change.at)
                } else {
                    self.memberships.remove(&key)
                };
                let key = (*profile, change.segment.clone(), change.at, change.entered);
                self.changes.entry(key).or_insert_with(|| change.clone());
            }
            commit.effects.iter().for_each(|effect| self.decide(effect));
            for (profile, entry) in &commit.history {
                let Some(event) = entry.body.event() else { continue };
                let before = self.history.insert(entry.offset, (*profile, event.message_id.clone()));
                assert!(before.is_none_or(|(same, _)| same == *profile), "an entry counts for one profile");
            }
            for (ordinal, relay) in commit.relays.iter().enumerate() {
                self.hand_on(commit.offset, ordinal, relay);
            }
            self.poison.extend(commit.poison.iter().map(|poisoned| (poisoned.id(), poisoned.clone())));
            let Reached { offset, time } = Reached { offset: commit.offset, time: commit.time };
            let before = self.reached.entry(commit.shard).or_insert(Reached { offset, time });
            let is_behind = offset < before.offset || time < before.time;
            assert!(!is_behind || commit.profiles.is_empty(), "only effects come behind what was saved already");
            if !is_behind {
                *before = Reached { offset, time };
            }
        }
    }

    fn decide(&mut self, effect: &Effect) {
        if let Some(known) = self.outbox.get(&effect.id) {
            assert_eq!(known.effect, *effect, "an effect is decided once");
            return;
        }
        let item = OutboxItem {
            effect: effect.clone(),
            status: OutboxStatus::Ready,
            attempts: 0,
            detail: None,
            updated_at: effect.decided_at,
            waits: None,
        };
        self.outbox.insert(effect.id, item);
        self.not_before.insert(effect.id, effect.decided_at);
    }

    fn is_behind(&self, effect: &Effect) -> bool {
        let is_open = |item: &OutboxItem| matches!(item.status, OutboxStatus::Ready | OutboxStatus::Taken);
        effect.body.kind() == "audience_sync"
            && self.outbox.values().any(|item| {
                item.effect.profile == effect.profile
                    && item.effect.destination == effect.destination
                    && is_open(item)
                    && (item.effect.decided_at, item.effect.body.ordinal()) < (effect.decided_at, effect.body.ordinal())
            })
    }

    /// The effects that may be taken, in the order of their turns, and when the next of the others becomes ready.
    fn turns(&self, destination: &str, now: Timestamp, room: &Room) -> (Vec<EffectId>, Option<Timestamp>) {
        let waiting = |item: &&OutboxItem| item.effect.destination == destination && item.status == OutboxStatus::Ready;
        let mut lanes: BTreeMap<String, Vec<(Timestamp, EffectId)>> = BTreeMap::new();
        let mut next: Option<Timestamp> = None;
        let asked = room.domains.as_ref().map(|domains| domains.queues.as_slice()).unwrap_or_default();
        let is_looked_at = |id: &EffectId| self.queues.get(id).is_none_or(|queue| asked.contains(queue));
        for item in self.outbox.values().filter(waiting) {
            let at = self.not_before[&item.effect.id];
            if at > now {
                next = Some(next.map_or(at, |next| next.min(at)));
            } else if !self.is_behind(&item.effect) && is_looked_at(&item.effect.id) {
                lanes.entry(lane(&item.effect)).or_default().push((at, item.effect.id));
            }
        }
        let mut turns = Vec::new();
        for (lane, mut due) in lanes {
            due.sort_unstable();
            let is_over = room.served.as_ref().is_some_and(|served| lane <= *served);
            let urgency = lane.starts_with('1');
            turns.extend(due.into_iter().enumerate().map(|(turn, (_, id))| (urgency, turn, is_over, lane.clone(), id)));
        }
        turns.sort();
        (turns.into_iter().map(|(.., id)| id).collect(), next)
    }

    fn claim(&mut self, destination: &str, now: Timestamp, room: &Room) -> Claim {
        let (turns, next) = self.turns(destination, now, room);
        let mut claim = Claim { next, served: room.served.clone(), ..Claim::default() };
        if let Some(domains) = &room.domains {
            let is_empty = |queue: &&String| !turns.iter().any(|id| self.queues.get(id) == Some(*queue));
            claim.drained = domains.queues.iter().filter(is_empty).cloned().collect();
        }
        let mut domains = room.domains.as_ref().map(|domains| domains.room.clone());
        for id in turns {
            if claim.taken.len() + claim.suppressed.len() + claim.expired.len() >= room.effects {
                break;
            }
            let effect = self.outbox[&id].effect.clone();
            if self.erased.contains(&effect.profile) && !effect.body.is_removal() {
                claim.suppressed.push(effect);
                continue;
            }
            let person = self.survivor(effect.profile);
            let is_refused =
                |key: &ConsentKey| self.denies.get(&(person, key.to_string())).is_some_and(|deny| deny.denied);
            let reaches_the_person =
                matches!(&effect.body, EffectBody::Email { .. } | EffectBody::Audience { add: true, .. });
            let is_erased = self.erased.contains(&effect.profile);
            let is_denied = !is_erased && effect.consent.as_ref().is_some_and(|consent| is_refused(&consent.key))
                || (!is_erased && reaches_the_person && is_refused(&ConsentKey::Everything));
            if is_denied {
                claim.suppressed.push(effect);
                continue;
            }
            if effect.expires_at.is_some_and(|at| at <= now) {
                claim.expired.push(effect);
                continue;
            }
            if let (Some(domains), Some(domain)) = (&mut domains, effect.body.domain()) {
                let left = domains.known.entry(domain.clone()).or_insert(domains.others);
                if *left == 0 {
                    self.queues.insert(id, domain.clone());
                    claim.aside.insert(domain);
                    continue;
                }
                *left -= 1;
            }
            if let Some(item) = self.outbox.get_mut(&id) {
                claim.served = Some(lane(&effect));
                claim.taken.push(Claimed { effect, attempts: item.attempts });
                (item.status, item.attempts, item.updated_at) = (OutboxStatus::Taken, item.attempts + 1, now);
            }
        }
        claim
    }
}

/// As the store's: what is transactional, or asks nobody's consent, before the rest, each journey by itself.
fn lane(effect: &Effect) -> String {
    let is_marketing = effect.consent.as_ref().is_some_and(|consent| consent.class == MessageClass::Marketing);
    let journey = effect.origin.as_ref().map_or("", |origin| origin.journey.as_str());
    format!("{}{journey}", u8::from(is_marketing))
}

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

    async fn commit(&self, commits: &[ShardCommit]) -> Result<(), StoreError> {
        self.call("commit", |durable| durable.commit(commits)).await
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
            claim.taken.iter().for_each(|claimed| self.world.note_claim(&claimed.effect, now));
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
