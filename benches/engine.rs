//! The parts of the engine by themselves: an event through `apply`, and what 10,000 segments cost an event
//! that touches none of them. `cargo bench --bench engine`.

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

fn segments(count: usize) -> Program {
    let mut rules = "event \"Read\" { price: number }\nevent \"Other\" { price: number }\n".to_owned();
    for n in 0..count {
        rules.push_str(&format!("segment s{n} = did \"Read\" where price > {n} at least 3 times in last 30 days\n"));
    }
    program(&rules)
}

fn events(criterion: &mut Criterion) {
    for (label, count, name) in [
        ("an event that 10 segments read", 10, "Read"),
        ("an event that 100 segments read", 100, "Read"),
        ("an event that none of 10 segments reads", 10, "Other"),
        ("an event that none of 10,000 segments reads", 10_000, "Other"),
    ] {
        let program = segments(count);
        let mut profile = Profile::new(ProfileId::from_identifier("user_id", "u"));
        engine::apply(&mut profile, &program, &entry(1, "Read"));
        let mut offset = 1;
        criterion.bench_function(label, |bench| {
            bench.iter_batched(
                || {
                    offset += 1;
                    entry(offset, name)
                },
                |entry| engine::apply(black_box(&mut profile), &program, &entry),
                criterion::BatchSize::SmallInput,
            );
        });
        criterion.bench_function(&format!("{label}: snapshot"), |bench| {
            bench.iter(|| snapshot::encode(black_box(&profile)));
        });
    }
}

criterion_group!(engine_parts, events);
criterion_main!(engine_parts);
