//! How much work a large input makes. Seconds differ from machine to machine; that the work grows with the input, and not
//! with its square, does not. So each shape of input is read at two sizes, and the processor's time for both compared.
//! `cargo bench --bench largest` tells the seconds of inputs of a megabyte.

use std::fs;
use std::hint::black_box;

use tidewater::lang::format;
use tidewater::{lint, workspace};

use super::shapes::{SHAPES, Shape};

const SMALL: usize = 32 * 1024;
const TIMES: usize = 8;
/// A square would be 64 times the work.
const BOUND: u64 = 3 * TIMES as u64;
/// The system tells time in ticks; work of less than one cannot be seen.
const TICK: u64 = 4_000_000;

/// Nanoseconds that this thread has been on a processor; nothing where the system does not tell.
fn processor_time() -> Option<u64> {
    fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

/// The lesser of two runs: whatever else the machine does only adds.
fn work(run: impl Fn()) -> Option<u64> {
    let times = (0..2).map(|_| {
        let before = processor_time()?;
        run();
        Some(processor_time()? - before)
    });
    times.min().flatten()
}

/// Work for the small and for the large input of a shape.
fn both(shape: &Shape, run: impl Fn(String)) -> Option<(u64, u64)> {
    let [small, large] = [SMALL, SMALL * TIMES].map(|bytes| shape.text(bytes));
    Some((work(|| run(small.clone()))?, work(|| run(large.clone()))?))
}

#[test]
fn work_grows_with_the_input_and_not_with_its_square() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for shape in &SHAPES {
        let read = |text: String| {
            let loaded = workspace::compile(vec![(shape.path.to_owned(), text)], &|_| None);
            drop(black_box(lint::report(&loaded)));
        };
        let lay_out = |text: String| drop(black_box(format(&text)));
        let is_rules = shape.path.starts_with("rules/");
        let measured = [("reading", both(shape, read)), ("layout", is_rules.then(|| both(shape, lay_out)).flatten())];
        for (what, (small, large)) in measured.into_iter().filter_map(|(what, work)| Some((what, work?))) {
            count += 1;
            let growth = large / (small + TICK);
            if growth > BOUND {
                wrong.push(format!("{what} {}: {small} ns, then {large} ns", shape.what));
            }
        }
    }
    println!("{count} shapes of input make work that grows as they do");
    assert!(wrong.is_empty(), "{TIMES} times the input is more than {BOUND} times the work: {wrong:#?}");
}
