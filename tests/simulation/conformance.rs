//! The store of the simulation answers as the real ones do: what it shows is worth as much as it is like them. One long
//! random sequence of what the platform asks of a store, to memory and to a database; after each step all that can be
//! asked is asked of both.

mod author;

use std::collections::BTreeSet;

use proptest::prelude::RngExt;
use proptest::test_runner::TestRng;
use tidewater::actors::Clock;
use tidewater::engine::backfill::Wanted;
use tidewater::model::{Offset, Timestamp};
use tidewater::store::commit::Prepared;
use tidewater::store::dead_letters::Selection;
use tidewater::store::identity::Identifier;
use tidewater::store::outbox::{OutboxStatus, Room};
use tidewater::store::{Backing, Database, Keep};

use self::author::{Author, Step};
use super::run::rng;
use super::script::{Hand, Verb};
use super::store::{CALM, Durable, Memory, Weather};
use super::world::World;
use crate::databases::{TestDatabase, on_both_databases};

on_both_databases!(memory_answers_as_the_database_does);

const STEPS: usize = 150;
const DESTINATIONS: [&str; 2] = ["crm", "ads"];
const KINDS: [&str; 2] = ["user_id", "anonymous_id"];

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
        Step::Commit(commits) => format!("{:?}", store.commit(&mut Prepared::of(commits.clone())).await.unwrap()),
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
