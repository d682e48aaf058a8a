//! What building costs as networks grow deeper: `cargo bench --bench build`.
//!
//! In: `Deep(depth, 32)`, a loop of narrow layers, with SGD and with Adam. Out: for each depth a line that says how many
//! milliseconds each further layer costs, in all and stage by stage, then Criterion's group `build`: an iteration is one `build()`.
//!
//! Must hold: milliseconds for a further layer stay the same from depth to depth, as every stage takes time linear in the graph.

use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use downhill::optimizer::Optimizer;
use downhill::prelude::*;
use std::time::Duration;

network! {
    /// Layers of 32, one behind the other.
    Deep(depth: usize, width: usize) {
        input  x: [batch, width];
        target y: [batch, 1];
        let h = x;
        for _ in 0..depth {
            h = relu(linear(h, width));
        }
        output p = linear(h, 1);
        loss   mean(square(p - y));
    }
}

const DEPTHS: [usize; 5] = [5, 40, 160, 320, 1000];

fn optimizers() -> [(&'static str, Optimizer); 2] {
    [("sgd", sgd(0.01).into()), ("adam", adam(0.01).into())]
}

fn build(depth: usize, optimizer: &Optimizer) -> Model {
    Deep::new(depth, 32).optimizer(optimizer.clone()).batch_sizes([32]).build().expect("a network")
}

/// What each layer beyond the least depth costs, stage by stage, and one build as `net.report()` tells of it.
fn print_stages(name: &str, depth: usize, optimizer: &Optimizer) {
    let (least, net) = (build(DEPTHS[0], optimizer), build(depth, optimizer));
    println!("{name}/{depth}: {}", net.report());
    if depth == DEPTHS[0] {
        return;
    }
    let further = |time: Duration, before: Duration| {
        (time.as_secs_f64() - before.as_secs_f64()) * 1e3 / (depth - DEPTHS[0]) as f64
    };
    let (report, before) = (net.report(), least.report());
    let stages = report
        .stages
        .iter()
        .map(|(stage, time)| format!("{} {:.4}", stage.name(), further(*time, before.time_of(*stage))));
    let stages: Vec<String> = stages.collect();
    let all = further(report.compile_time(), before.compile_time());
    println!("{name}/{depth}: {all:.3} ms a further layer: {}", stages.join(", "));
}

fn builds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).nresamples(2000);
    group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(1));
    for (name, optimizer) in optimizers() {
        for depth in DEPTHS {
            let mut first = true;
            group.bench_function(BenchmarkId::new(name, depth), |bencher| {
                if std::mem::take(&mut first) {
                    print_stages(name, depth, &optimizer);
                }
                bencher.iter_with_large_drop(|| build(depth, &optimizer));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, builds);
criterion_main!(benches);
