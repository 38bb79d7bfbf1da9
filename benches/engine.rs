//! The parts of the engine by themselves: an event through `apply` beside more and more segments that it does not touch,
//! and what it takes to compile and to lint large workspaces. `cargo bench --bench engine`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};

use tidewater::engine::{self, Profile, snapshot};
use tidewater::model::value::ValueMap;
use tidewater::model::{Entry, EntryBody, Event, EventKind, Offset, ProfileId, Target, Timestamp, Value};
use tidewater::workspace::Program;
use tidewater::workspace::load::compile;

const START: i64 = 1_767_225_600_000;

fn program(rules: &str) -> Program {
    let files = vec![
        ("rules/r.tide".to_owned(), rules.to_owned()),
        ("tidewater.yaml".to_owned(), "sources: { s: key }\n".to_owned()),
    ];
    let loaded = compile(files, &|_| None);
    (*loaded.program.expect("the benchmark's rules compile")).clone()
}

fn entry(offset: u64, name: &str) -> Entry {
    let at = Timestamp(START + offset as i64 * 1_000);
    let properties: ValueMap = [("price".to_owned(), Value::Number(20.0))].into();
    let event = Event {
        message_id: format!("m{offset}"),
        kind: EventKind::Track,
        name: name.to_owned(),
        source: "s".to_owned(),
        timestamp: at,
        user_id: Some("u".to_owned()),
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        properties,
        traits: ValueMap::new(),
        context: ValueMap::new(),
    };
    let target = Target::Profile(ProfileId::from_identifier("user_id", "u"));
    Entry { offset: Offset(offset), received_at: at, target, body: EntryBody::Event(event) }
}

/// Segments over as many events as there are segments, three to an event.
fn segments(count: usize) -> Program {
    let mut rules = String::new();
    for n in 0..count {
        if n % 3 == 0 {
            rules.push_str(&format!("event \"Read {}\" {{ price: number }}\n", n / 3));
        }
        let event = n / 3;
        rules.push_str(&format!(
            "segment s{n} = did \"Read {event}\" where price > {} at least 3 times in last 30 days\n",
            n % 3
        ));
    }
    program(&rules)
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("an event that 3 segments read");
    for count in [10, 100, 1_000, 10_000] {
        let program = segments(count);
        let mut profile = Profile::new(ProfileId::from_identifier("user_id", "u"));
        engine::apply(&mut profile, &program, &entry(1, "Read 0"));
        let mut offset = 1;
        group.bench_function(format!("of {count}"), |bench| {
            bench.iter_batched(
                || {
                    offset += 1;
                    entry(offset, "Read 0")
                },
                |entry| engine::apply(black_box(&mut profile), &program, &entry),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    let program = segments(100);
    let mut profile = Profile::new(ProfileId::from_identifier("user_id", "u"));
    engine::apply(&mut profile, &program, &entry(1, "Read 0"));
    criterion.bench_function("a snapshot", |bench| bench.iter(|| snapshot::encode(black_box(&profile))));
}

fn workspace(files: usize, segments: usize, rule: impl Fn(usize) -> String) -> Vec<(String, String)> {
    let mut all = vec![
        ("tidewater.yaml".to_owned(), "sources: { s: key }\n".to_owned()),
        (
            "rules/plan.tide".to_owned(),
            "event \"Read\" { price: number }\ntrait plan: text\nsegment s = did \"Read\"\n".to_owned(),
        ),
    ];
    for file in 0..files {
        let rules =
            (0..segments).map(|n| format!("segment s{} = {}\n", file * segments + n, rule(file * segments + n)));
        all.push((format!("rules/r{file}.tide"), rules.collect()));
    }
    all
}

fn workspaces(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a workspace");
    group.sample_size(10);
    let plain = |n: usize| {
        format!("did \"Read\" where price > {n} at least 3 times in last 30 days and plan is \"p{}\"", n % 7)
    };
    let chained = |n: usize| match n {
        0 => "did \"Read\"".to_owned(),
        n => format!("in segment s{} and did \"Read\" where price > {n} in last 9 days", n - 1),
    };
    for (name, files) in [
        ("compile 10,000 segments", workspace(1, 10_000, plain)),
        ("compile 10,000 segments, each in the one before", workspace(1, 10_000, chained)),
    ] {
        group.bench_function(name, |bench| bench.iter(|| compile(black_box(files.clone()), &|_| None)));
    }
    let files = workspace(1_000, 10, plain);
    group.bench_function("read and lint 1,000 files", |bench| {
        bench.iter(|| tidewater::lint::check(&compile(black_box(files.clone()), &|_| None)));
    });
    group.finish();
}

criterion_group!(engine_parts, events, workspaces);
criterion_main!(engine_parts);
