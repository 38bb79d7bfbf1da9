//! The store of the simulation answers as the real ones do: what it shows is worth as much as it is like them. One long
//! random sequence of what the platform asks of a store, to memory and to a database; after each step all that can be
//! asked is asked of both.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use tidewater::actors::Clock;
use tidewater::engine::backfill::Wanted;
use tidewater::engine::transition::{EffectConsent, Relay};
use tidewater::engine::{Effect, EffectBody};
use tidewater::lang::rules::MessageClass;
use tidewater::model::value::ValueMap;
use tidewater::model::{
    ConsentKey, Deploy, EffectId, Entry, EntryBody, Event, EventKind, Offset, ProfileId, Target, Timestamp, Value,
};
use tidewater::store::dead_letters::Selection;
use tidewater::store::identity::{Identifier, IdentityChange};
use tidewater::store::journal::{Append, Deny, Erasure};
use tidewater::store::outbox::{OutboxStatus, OutboxUpdate, Room};
use tidewater::store::state::{SavedProfile, ShardCommit};
use tidewater::store::{Backing, Database, Keep};

use super::run::rng;
use super::script::{Hand, Verb};
use super::store::{CALM, Durable, Memory, Weather};
use super::world::World;
use crate::databases::{TestDatabase, on_both_databases};

on_both_databases!(memory_answers_as_the_database_does);

const STEPS: usize = 150;
const DESTINATIONS: [&str; 2] = ["crm", "ads"];
const KINDS: [&str; 2] = ["user_id", "anonymous_id"];

/// What a platform does to a store.
#[derive(Debug, Clone)]
enum Step {
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
struct Author {
    chance: TestRng,
    now: Timestamp,
    journal: Vec<Entry>,
    /// Entries that no history holds yet.
    fresh: Vec<Entry>,
    /// Everyone, and those among them who were merged, into whom.
    people: Vec<ProfileId>,
    merged: BTreeMap<ProfileId, ProfileId>,
    /// Those who were erased.
    gone: BTreeSet<ProfileId>,
    effects: u128,
    relays: usize,
    commits: u64,
    last_commit: Option<Vec<ShardCommit>>,
}

impl Author {
    fn new(seed: u64) -> Self {
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

    fn step(&mut self) -> Step {
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
            let (profile, denied, at) = (self.anyone(), self.one_in(2), self.instant());
            append.denies.push(Deny { profile, key, denied, at });
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

/// What a command beside the platform does to a store. Returns to how many effects.
async fn by_hand(database: &Database, hand: &Hand, now: Timestamp) -> usize {
    let selection = Selection { destination: Some(hand.destination.to_owned()), ..Selection::default() };
    let done = match hand.verb {
        Verb::Retry => database.retry_effects(&selection, now).await,
        Verb::Drop => database.drop_effects(&selection, now).await,
    };
    done.unwrap() as usize
}

/// Takes the step; what it answers, as a text.
async fn take(backing: &Backing, step: &Step) -> String {
    let Backing { journal, store } = backing;
    match step {
        Step::Append(append) => format!("{:?}", journal.append(append).await.unwrap()),
        Step::Commit(commits) => format!("{:?}", store.commit(commits).await.unwrap()),
        Step::Claim(destination, now, limit) => {
            format!("{:?}", store.claim(destination, *now, &Room::of(*limit)).await.unwrap())
        }
        Step::Hand(..) => unreachable!("no platform does it"),
        Step::Program(version, sources) => format!("{:?}", store.save_program(version, sources).await.unwrap()),
        Step::Reopen => format!("{:?}", journal.reopen().await.unwrap()),
        Step::Upkeep => {
            format!("{:?}", store.upkeep(Keep { journal: None, history: None }, Timestamp(0)).await.unwrap())
        }
    }
}

/// Everything that can be asked, in an order of its own where the seam promises none.
async fn ask(backing: &Backing, author: &Author, chance: &mut TestRng) -> Vec<String> {
    let Backing { journal, store } = backing;
    let mut answers = vec![format!("head {:?}", journal.head().await.unwrap())];
    let (mut after, mut read) = (Offset(chance.random_range(0..=author.journal.len() as u64)), Vec::new());
    loop {
        let page = journal.read(after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.offset;
        read.extend(page);
    }
    answers.push(format!("read {read:?}"));
    let named = |number: usize| Identifier { kind: KINDS[number % 2].to_owned(), value: format!("name{}", number / 2) };
    let names: Vec<Identifier> = (0..40).map(named).collect();
    answers.push(sorted("find_profiles", journal.find_profiles(&names).await.unwrap()));
    answers.push(sorted("erased_identifiers", journal.erased_identifiers(&names).await.unwrap()));
    answers.push(sorted("erased_profiles", journal.erased_profiles().await.unwrap()));
    for profile in &author.people {
        answers.push(sorted("lineage", journal.lineage(*profile).await.unwrap()));
        answers.push(format!("identifiers_of {:?}", journal.identifiers_of(*profile).await.unwrap()));
        answers.push(format!("surviving_profile {:?}", journal.surviving_profile(*profile).await.unwrap()));
    }
    answers.push(format!("deploys {:?}", journal.deploys().await.unwrap()));
    answers.push(sorted("schedules_fired", journal.schedules_fired().await.unwrap()));
    answers.push(sorted("load_profiles", store.load_profiles(&author.people).await.unwrap()));
    let mut one = |author: &Author| author.people[chance.random_range(0..author.people.len())];
    let (shard, after) = (one(author).shard(), one(author));
    for after in [None, Some(after)] {
        answers.push(format!("profiles_of_shard {:?}", store.profiles_of_shard(shard, after, 2).await.unwrap()));
        let after = after.map(|after| (author.now, after));
        answers.push(format!("wakes {:?}", store.wakes(shard, after, author.now, 2).await.unwrap()));
        answers.push(format!("wakes {:?}", store.wakes(shard, after, Timestamp::MAX, 9).await.unwrap()));
    }
    answers.push(sorted("shards_reached", store.shards_reached().await.unwrap()));
    for names in [None, Some(BTreeSet::from(["Seen".to_owned()]))] {
        let before = Offset(chance.random_range(0..=author.journal.len() as u64 + 1));
        let pasts = store.pasts(&author.people, &Wanted { names, before }).await.unwrap();
        let each = pasts.into_iter().map(|(profile, pasts)| (profile, sorted("", pasts)));
        answers.push(sorted("pasts", each));
    }
    answers.push(format!("pending_relays {:?}", store.pending_relays(chance.random_range(1..9)).await.unwrap()));
    for destination in DESTINATIONS {
        answers.push(sorted("taken", store.taken(destination).await.unwrap()));
    }
    for (status, limit) in [(None, chance.random_range(1..99)), (Some(OutboxStatus::Ready), 9)] {
        let mut items = store.outbox(status, limit).await.unwrap();
        // That is for people who read the list; no actor asks, and the simulation does not say.
        items.iter_mut().for_each(|item| item.waits = None);
        answers.push(format!("outbox {items:?}"));
    }
    answers.push(format!("program {:?}", store.program("v1").await.unwrap()));
    let secret = store.secret("signing").await.unwrap();
    assert!(secret.len() >= 16 && secret == store.secret("signing").await.unwrap(), "a secret is made once");
    answers
}

fn sorted<T: std::fmt::Debug>(what: &str, things: impl IntoIterator<Item = T>) -> String {
    let mut texts: Vec<String> = things.into_iter().map(|thing| format!("{thing:?}")).collect();
    texts.sort_unstable();
    format!("{what} {texts:?}")
}

async fn memory_answers_as_the_database_does(database: TestDatabase) {
    let seed = super::number("TIDEWATER_SEED").unwrap_or_else(|| rand::random_range(0..1 << 32));
    println!("{STEPS} steps of seed {seed}: TIDEWATER_SEED={seed} takes the same ones");
    let weather = Weather { slow: 0, ..CALM };
    let memory = Memory::new(
        Durable::default(),
        rng(seed, 1),
        weather,
        &World::new(rng(seed, 2), Clock::virtual_from(Timestamp(0))),
    );
    let (simulated, database) = (memory.backing(), database.open().await);
    let real = Backing::from(database.clone());
    let mut author = Author::new(seed);
    for number in 0..STEPS {
        let step = author.step();
        if let Step::Hand(hand, now) = &step {
            let expected = by_hand(&database, hand, *now).await;
            assert_eq!(memory.by_hand(hand, *now), expected, "step {number} of seed {seed}: {step:?}");
        } else {
            assert_eq!(
                take(&simulated, &step).await,
                take(&real, &step).await,
                "step {number} of seed {seed}: {step:?}"
            );
        }
        let [mut questions, mut same_questions] = [(); 2].map(|()| rng(seed, 3 + number as u64));
        let expected = ask(&real, &author, &mut same_questions).await;
        let answers = ask(&simulated, &author, &mut questions).await;
        for (answer, expected) in answers.iter().zip(&expected) {
            assert_eq!(answer, expected, "after step {number} of seed {seed}: {step:?}");
        }
    }
    assert!(author.journal.len() > STEPS / 4 && author.effects > 20 && !author.merged.is_empty(), "much was done");
}
