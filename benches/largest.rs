//! Files of a megabyte, the largest that are read, in the shapes that a careless reader would go over again and again: none
//! takes a second. `cargo bench --bench largest`.

#[path = "../tests/language/fuzz/shapes.rs"]
mod shapes;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};

use tidewater::model::limit::SOURCE_BYTES;
use tidewater::{lint, workspace};

fn largest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a megabyte");
    group.sample_size(10);
    for shape in &shapes::SHAPES {
        let mut text = shape.text(SOURCE_BYTES - 1024);
        text.truncate(text.floor_char_boundary(SOURCE_BYTES));
        group.bench_function(shape.what, |bencher| {
            bencher.iter(|| {
                let loaded = workspace::compile(vec![(shape.path.to_owned(), text.clone())], &|_| None);
                black_box(lint::report(&loaded))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, largest);
criterion_main!(benches);
