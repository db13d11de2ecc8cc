//! How long each part takes, by the clock.

use criterion::{Criterion, criterion_group, criterion_main};

fn parts(criterion: &mut Criterion) {
    for (name, prepare) in parts::PARTS {
        let mut once = prepare();
        criterion.bench_function(name, |bencher| bencher.iter(&mut once));
    }
}

criterion_group!(benches, parts);
criterion_main!(benches);
