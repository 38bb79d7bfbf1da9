//! Steps that a platform could take, at random.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use tidewater::engine::transition::{EffectConsent, Lifted, Relay};
use tidewater::engine::{Effect, EffectBody};
use tidewater::lang::rules::MessageClass;
use tidewater::model::value::ValueMap;
use tidewater::model::{
    ConsentKey, Deploy, EffectId, Entry, EntryBody, Event, EventKind, Offset, ProfileId, Target, Timestamp, Value,
};
use tidewater::store::identity::{Identifier, IdentityChange};
use tidewater::store::journal::{Append, Deny, Erasure};
use tidewater::store::outbox::{OutboxStatus, OutboxUpdate};
use tidewater::store::state::{SavedProfile, ShardCommit};

use super::super::run::rng;
use super::super::script::{Hand, Verb};
use super::{DESTINATIONS, KINDS};

/// What a platform does to a store.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Append(Append),
    Commit(Vec<ShardCommit>),
    Claim(&'static str, Timestamp, usize),
    /// Somebody decides about effects, beside the platform.
    Hand(Hand, Timestamp),
    Program(String, Vec<(String, String)>),
    Reopen,
    Upkeep,
}

/// Writes steps that a platform could take: offsets follow one another, who was merged stays merged.
pub(super) struct Author {
    chance: TestRng,
    pub(super) now: Timestamp,
    pub(super) journal: Vec<Entry>,
    /// Entries that no history holds yet.
    fresh: Vec<Entry>,
    /// Everyone, and those among them who were merged, into whom.
    pub(super) people: Vec<ProfileId>,
    pub(super) merged: BTreeMap<ProfileId, ProfileId>,
    /// Those who were erased.
    gone: BTreeSet<ProfileId>,
    pub(super) effects: u128,
    relays: usize,
    commits: u64,
    last_commit: Option<Vec<ShardCommit>>,
}

impl Author {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = rng(seed, 0);
        let people = (0..12).map(|_| ProfileId(chance.random_range(0..u128::MAX))).collect();
        let now = Timestamp::parse("2026-03-01T08:00:00Z").unwrap();
        let (journal, fresh, merged, gone) = (Vec::new(), Vec::new(), BTreeMap::new(), BTreeSet::new());
        Self { chance, now, journal, fresh, people, merged, gone, effects: 0, relays: 0, commits: 0, last_commit: None }
    }

    fn below(&mut self, end: usize) -> usize {
        self.chance.random_range(0..end)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn anyone(&mut self) -> ProfileId {
        let place = self.below(self.people.len());
        self.people[place]
    }

    fn instant(&mut self) -> Timestamp {
        Timestamp(self.now.0 + self.below(200) as i64 - 100)
    }

    pub(super) fn step(&mut self) -> Step {
        self.now = Timestamp(self.now.0 + self.below(50) as i64);
        match self.below(12) {
            0..4 => Step::Append(self.append()),
            4..8 => Step::Commit(self.commit()),
            8 => Step::Claim(DESTINATIONS[self.below(2)], self.now, 1 + self.below(4)),
            9 => {
                let (verb, destination) = ([Verb::Retry, Verb::Drop][self.below(2)], DESTINATIONS[self.below(2)]);
                Step::Hand(Hand { verb, destination }, self.instant())
            }
            10 => {
                let text = self.below(1_000).to_string();
                Step::Program(format!("v{}", self.below(4)), vec![("rules/shop.tide".to_owned(), text)])
            }
            _ if self.one_in(2) => Step::Reopen,
            _ => Step::Upkeep,
        }
    }

    fn append(&mut self) -> Append {
        let mut append = Append::default();
        // Relays are carried out only once their commit was answered: it does not come again after that.
        self.last_commit = None;
        for _ in 0..self.below(4) {
            let (target, body) = self.entry(&mut append);
            let offset = Offset(self.journal.len() as u64 + 1);
            let entry = Entry { offset, received_at: self.now, target, body };
            self.journal.push(entry.clone());
            self.fresh.push(entry.clone());
            append.entries.push(entry);
        }
        for _ in 0..self.below(3) {
            let identifier = self.identifier();
            append.identities.push(IdentityChange::Add { identifier, profile: self.anyone() });
        }
        if self.one_in(3) {
            let key = self.consent();
            let (profile, entry) = (self.anyone(), Offset(self.journal.len() as u64));
            append.denies.push(Deny { profile, key, entry });
        }
        for _ in 0..self.below(3) {
            append.outbox.extend(self.outcome());
        }
        for _ in 0..self.below(3) {
            append.relayed.push(format!("relay{}", self.below(self.relays.max(1))));
        }
        if self.one_in(12) {
            append.erasures.extend(self.erasure(&mut append.entries));
        }
        if self.one_in(3) {
            append.schedules_fired.push((format!("journey{}", self.below(3)), self.instant()));
        }
        append
    }

    /// Somebody is to be forgotten: their last entry is that of the erasure.
    fn erasure(&mut self, entries: &mut Vec<Entry>) -> Option<Erasure> {
        let person = self.anyone();
        if self.gone.contains(&person) || self.merged.contains_key(&person) {
            return None;
        }
        let losers = self.merged.iter().filter(|(_, winner)| **winner == person).map(|(loser, _)| *loser);
        let lineage: Vec<ProfileId> = std::iter::once(person).chain(losers).collect();
        for profile in lineage.iter().rev() {
            let offset = Offset(self.journal.len() as u64 + 1);
            let target = Target::Profile(*profile);
            let entry = Entry { offset, received_at: self.now, target, body: EntryBody::Erase };
            self.journal.push(entry.clone());
            entries.push(entry);
        }
        self.gone.extend(&lineage);
        let entry = Offset(self.journal.len() as u64);
        Some(Erasure { entry, at: self.now, lineage, is_suppressed: self.one_in(2) })
    }

    fn entry(&mut self, append: &mut Append) -> (Target, EntryBody) {
        match self.below(8) {
            0 => {
                let version = format!("v{}", self.below(4));
                (Target::Everyone, EntryBody::Deploy(Deploy { version, unknown: Vec::new() }))
            }
            1 => {
                let (loser, winner) = (self.anyone(), self.anyone());
                let is_gone = |profile| self.merged.contains_key(profile) || self.gone.contains(profile);
                // One link is a lineage: whoever won is not merged away here.
                let has_won = self.merged.values().any(|winner| *winner == loser);
                if loser == winner || has_won || is_gone(&loser) || is_gone(&winner) {
                    return self.event();
                }
                self.merged.insert(loser, winner);
                append.identities.push(IdentityChange::Merge { loser, winner });
                (Target::Profile(loser), EntryBody::MergeAway { winner })
            }
            _ => self.event(),
        }
    }

    fn event(&mut self) -> (Target, EntryBody) {
        let event = Event {
            message_id: format!("m{}", self.journal.len()),
            kind: EventKind::Track,
            name: ["Seen", "Bought"][self.below(2)].to_owned(),
            source: "shop".to_owned(),
            timestamp: self.instant(),
            user_id: self.one_in(2).then(|| "ada".to_owned()),
            anonymous_id: None,
            previous_id: None,
            group_id: None,
            properties: ValueMap::from([("n".to_owned(), Value::Number(self.below(9) as f64))]),
            traits: ValueMap::new(),
            context: ValueMap::new(),
        };
        (Target::Profile(self.anyone()), EntryBody::Event(event))
    }

    fn identifier(&mut self) -> Identifier {
        Identifier { kind: KINDS[self.below(2)].to_owned(), value: format!("name{}", self.below(20)) }
    }

    fn consent(&mut self) -> ConsentKey {
        match self.below(4) {
            0 => ConsentKey::Everything,
            purpose => ConsentKey::Purpose(["ads", "mail"][purpose % 2].to_owned()),
        }
    }

    fn outcome(&mut self) -> Option<OutboxUpdate> {
        let effect = EffectId(self.chance.random_range(0..self.effects.max(1)));
        let told = OutboxStatus::ALL.into_iter().filter(|status| *status != OutboxStatus::Dropped).collect::<Vec<_>>();
        let status = told[self.below(told.len())];
        let not_before = self.one_in(2).then(|| self.instant());
        let detail = self.one_in(2).then(|| "busy".to_owned());
        Some(OutboxUpdate { effect, status, not_before, detail, at: self.now })
    }

    /// Sometimes the last one again, as after an answer that was lost.
    fn commit(&mut self) -> Vec<ShardCommit> {
        if let (Some(last), true) = (&self.last_commit, self.chance.random_range(0..4) == 0) {
            return last.clone();
        }
        let mut commits = Vec::new();
        for _ in 0..1 + self.below(3) {
            let commit = self.commit_of_one();
            // A shard hands over all that it saves as one.
            if commits.iter().all(|other: &ShardCommit| other.shard != commit.shard) {
                commits.push(commit);
            }
        }
        self.last_commit = Some(commits.clone());
        commits
    }

    fn commit_of_one(&mut self) -> ShardCommit {
        let profile = self.anyone();
        self.commits += 1;
        let mut commit = ShardCommit::empty(profile.shard(), Offset(self.commits));
        commit.time = self.now;
        if !self.one_in(4) {
            let snapshot = vec![self.below(256) as u8; 1 + self.below(3)];
            let wake = self.one_in(2).then(|| self.instant());
            commit.profiles.push(SavedProfile { id: profile, snapshot, wake });
        }
        for _ in 0..self.below(3) {
            let effect = self.effect(profile);
            commit.effects.push(effect);
        }
        if self.one_in(2) {
            let up_to = Offset(self.below(self.journal.len() + 1) as u64);
            commit.lifted.push((profile, Lifted { key: self.consent(), up_to }));
        }
        for _ in 0..self.below(3) {
            let (id, to) = (format!("relay{}", self.relays), self.anyone());
            self.relays += 1;
            commit.relays.push(Relay { id, to, body: EntryBody::MergeAway { winner: profile } });
        }
        if self.one_in(2) {
            let of_event = |entry: &Entry| match (&entry.target, &entry.body) {
                (Target::Profile(profile), EntryBody::Event(_)) => Some((*profile, entry.clone())),
                _ => None,
            };
            commit.history = std::mem::take(&mut self.fresh).iter().filter_map(of_event).collect();
        }
        commit
    }

    fn effect(&mut self, profile: ProfileId) -> Effect {
        let id = EffectId(self.effects);
        self.effects += 1;
        let key = self.consent();
        let body = if self.one_in(2) {
            let identifiers = [("email".to_owned(), "ada@example.com".to_owned())].into();
            EffectBody::Audience { audience: "vips".to_owned(), add: self.one_in(2), change: id.0 as u64, identifiers }
        } else {
            EffectBody::Webhook { body: Value::from("hello"), variables: ValueMap::new() }
        };
        Effect {
            id,
            profile,
            destination: DESTINATIONS[self.below(2)].to_owned(),
            origin: None,
            consent: self.one_in(2).then_some(EffectConsent { key, class: MessageClass::Marketing }),
            decided_at: self.instant(),
            expires_at: self.one_in(3).then(|| self.instant()),
            body,
        }
    }
}
