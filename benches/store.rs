//! The store by itself, beside plain SQLite that does the same rows of the same bytes in the same run, as durable:
//! appending, saving, loading and claiming. `cargo bench --bench store`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime};
use tokio::runtime::Runtime;

use tidewater::engine::{Effect, EffectBody};
use tidewater::model::value::ValueMap;
use tidewater::model::{
    EffectId, Entry, EntryBody, Event, EventKind, Offset, ProfileId, ShardId, Target, Timestamp, Value,
};
use tidewater::store::Database;
use tidewater::store::journal::Append;
use tidewater::store::limit::{Plain, plain_inserts};
use tidewater::store::outbox::Room;
use tidewater::store::state::{SavedProfile, ShardCommit};

const START: i64 = 1_767_225_600_000;
/// Profiles that are in the store before any is saved again or loaded.
const PROFILES: u64 = 10_000;
/// Bytes of a snapshot, as a customer of `tidewater bench profiles` has about.
const SNAPSHOT: usize = 1_000;

/// Both databases, each in a file of its own.
struct Pair {
    runtime: Runtime,
    database: Database,
    plain: Plain,
    /// Of entries and effects.
    next: u64,
    _folder: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let url = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
        let database = runtime.block_on(Database::open(&url("ours.db"))).expect("a database");
        let plain = runtime.block_on(plain_inserts(&url("plain.db"))).expect("a database");
        Self { runtime, database, plain, next: 1, _folder: folder }
    }

    /// Numbers that nobody has had yet.
    fn numbers(&mut self, count: u64) -> std::ops::Range<u64> {
        self.next += count;
        self.next - count..self.next
    }

    fn commit(&self, commit: ShardCommit) {
        self.runtime.block_on(self.database.commit(&[commit])).expect("a commit");
    }

    fn insert(&mut self, rows: &[String]) {
        self.runtime.block_on(self.plain.insert(rows)).expect("an insert");
    }
}

/// Measures `work` without what prepares it.
fn measure<I>(
    group: &mut BenchmarkGroup<WallTime>,
    name: &str,
    pair: &mut Pair,
    prepare: impl Fn(&mut Pair) -> I,
    work: impl Fn(&mut Pair, I),
) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                let input = prepare(pair);
                let begin = Instant::now();
                work(pair, input);
                took += begin.elapsed();
            }
            took
        });
    });
}

fn profile(number: u64) -> ProfileId {
    ProfileId::from_identifier("user_id", &(number % PROFILES).to_string())
}

fn entry(number: u64) -> Entry {
    let at = Timestamp(START + number as i64);
    let properties: ValueMap = [
        ("amount".to_owned(), Value::Number((number % 64) as f64)),
        ("item".to_owned(), Value::from(format!("item-{}", number % 61).as_str())),
    ]
    .into();
    let event = Event {
        message_id: format!("m{number}"),
        kind: EventKind::Track,
        name: format!("Kind {}", number % 10),
        source: "bench".to_owned(),
        timestamp: at,
        user_id: Some(format!("user-{}", number % PROFILES)),
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        properties,
        traits: ValueMap::new(),
        context: ValueMap::new(),
    };
    let target = Target::Profile(profile(number));
    Entry { offset: Offset(number), received_at: at, target, body: EntryBody::Event(event) }
}

fn effect(number: u64) -> Effect {
    Effect {
        id: EffectId(u128::from(number)),
        profile: profile(number),
        destination: "hook".to_owned(),
        origin: None,
        consent: None,
        decided_at: Timestamp(START + number as i64),
        expires_at: None,
        body: EffectBody::Webhook { body: Value::from("hello"), variables: ValueMap::new() },
    }
}

/// Bytes that do not compress, as text.
fn snapshot(number: u64) -> String {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'0' + (state % 75) as u8)
    };
    (0..SNAPSHOT).map(|_| next()).collect()
}

/// What a shard saves of so many profiles: a snapshot and an event each.
fn saved(numbers: std::ops::Range<u64>) -> ShardCommit {
    let of = |number: u64| SavedProfile {
        id: profile(number),
        snapshot: snapshot(number).into_bytes(),
        wake: Some(Timestamp(START * 2)),
    };
    ShardCommit {
        history: numbers.clone().map(|number| (profile(number), entry(number))).collect(),
        profiles: numbers.clone().map(of).collect(),
        ..ShardCommit::empty(ShardId(0), Offset(numbers.end))
    }
}

fn as_text(entry: &Entry) -> String {
    serde_json::to_string(entry).expect("an entry is JSON")
}

fn append(criterion: &mut Criterion) {
    for count in [1, 100, 8_000] {
        let mut pair = Pair::new();
        let mut group = criterion.benchmark_group(format!("store: append of {count} entries"));
        group.sample_size(10);
        let prepare = |pair: &mut Pair| {
            let numbers = pair.numbers(count);
            // A group is received at one instant.
            let received_at = Timestamp(START + numbers.start as i64);
            let entries = numbers.map(|number| Entry { received_at, ..entry(number) }).collect();
            Append { entries, ..Append::default() }
        };
        measure(&mut group, "tidewater", &mut pair, prepare, |pair, append| {
            pair.runtime.block_on(pair.database.append(&append)).expect("an append");
        });
        let rows = |pair: &mut Pair| pair.numbers(count).map(|number| as_text(&entry(number))).collect::<Vec<_>>();
        measure(&mut group, "plain SQLite", &mut pair, rows, |pair, rows| pair.insert(&rows));
    }
}

fn commit(criterion: &mut Criterion) {
    for count in [32, 256] {
        let mut pair = Pair::new();
        fill(&mut pair);
        let mut group = criterion.benchmark_group(format!("store: commit of {count} profiles with an event each"));
        group.sample_size(10);
        let prepare = |pair: &mut Pair| saved(pair.numbers(count));
        measure(&mut group, "tidewater", &mut pair, prepare, |pair, commit| pair.commit(commit));
        let rows = |pair: &mut Pair| -> Vec<String> {
            pair.numbers(count).flat_map(|number| [snapshot(number), as_text(&entry(number))]).collect()
        };
        measure(&mut group, "plain SQLite", &mut pair, rows, |pair, rows| pair.insert(&rows));
    }
}

fn load(criterion: &mut Criterion) {
    const COUNT: u64 = 256;
    let mut pair = Pair::new();
    fill(&mut pair);
    let mut group = criterion.benchmark_group(format!("store: load of {COUNT} profiles"));
    group.sample_size(10);
    // Far apart, in an order of their own.
    let scattered = |pair: &mut Pair| pair.numbers(COUNT).map(|number| number * 7_919 % PROFILES).collect::<Vec<_>>();
    let ids = |pair: &mut Pair| scattered(pair).into_iter().map(profile).collect::<Vec<_>>();
    measure(&mut group, "tidewater", &mut pair, ids, |pair, ids| {
        let loaded = pair.runtime.block_on(pair.database.load_profiles(&ids)).expect("profiles");
        assert_eq!(black_box(loaded).len(), ids.len());
    });
    let keys = |pair: &mut Pair| scattered(pair).into_iter().map(|number| number as i64).collect::<Vec<_>>();
    measure(&mut group, "plain SQLite", &mut pair, keys, |pair, keys| {
        let loaded = pair.runtime.block_on(pair.plain.read(&keys)).expect("rows");
        assert_eq!(black_box(loaded).len(), keys.len());
    });
}

/// Ten thousand profiles, on both sides.
fn fill(pair: &mut Pair) {
    for first in (0..PROFILES).step_by(1_000) {
        pair.next = first + 1_000;
        pair.commit(saved(first..first + 1_000));
        let rows: Vec<String> = (first..first + 1_000).map(snapshot).collect();
        pair.insert(&rows);
    }
}

fn claim(criterion: &mut Criterion) {
    const COUNT: u64 = 100;
    for waiting in [0, 100_000] {
        let mut pair = Pair::new();
        for _ in 0..waiting / 1_000 {
            decide(&mut pair, 1_000);
        }
        let mut group = criterion.benchmark_group(format!("store: claim of {COUNT} effects, {waiting} more waiting"));
        group.sample_size(10);
        let prepare = |pair: &mut Pair| decide(pair, COUNT);
        measure(&mut group, "tidewater", &mut pair, prepare, |pair, _| {
            let now = Timestamp(START * 2);
            let claim =
                pair.runtime.block_on(pair.database.claim("hook", now, &Room::of(COUNT as usize))).expect("a claim");
            assert_eq!(black_box(claim).taken.len(), COUNT as usize);
        });
        measure(&mut group, "plain SQLite", &mut pair, prepare, |pair, rows| {
            pair.runtime.block_on(pair.plain.overwrite(rows, "taken")).expect("an update");
        });
    }
}

/// So many more effects wait, on both sides. The keys of the plain rows.
fn decide(pair: &mut Pair, count: u64) -> std::ops::Range<i64> {
    let effects: Vec<Effect> = pair.numbers(count).map(effect).collect();
    let rows: Vec<String> =
        effects.iter().map(|effect| serde_json::to_string(effect).expect("an effect is JSON")).collect();
    pair.commit(ShardCommit { effects, ..ShardCommit::empty(ShardId(0), Offset(pair.next)) });
    pair.insert(&rows);
    let end = pair.plain.count();
    end - count as i64..end
}

criterion_group!(benches, append, commit, load, claim);
criterion_main!(benches);
