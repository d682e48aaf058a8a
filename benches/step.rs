//! What a step costs: `cargo bench --bench step`.
//!
//! In: the workloads of `benches/peers/README.md`. Out: Criterion's groups
//! - `step`: an iteration is one training step as a user makes it. `<workload>`: all steps of a run in one call of
//!   `epoch_into`, timed on whole runs and divided; `<workload>_call`: one `step` a call. `infer_*`: one call of `forward`,
//!   `infer_*_into`: one of `forward_into`. `eltwise_1M`: one call of `gradients_into`, `eltwise_1M_call`: one of `gradients_of`;
//! - `compile`: an iteration is one `build()`, from the declaration to a network that is ready; `<workload>_first_step`
//!   makes a step (an answer, a gradient) as well.
//!
//! Before them it measures the machine: a loop of multiply-adds, and moving memory.
//!
//! Must hold: a workload is timed only after its losses were PyTorch's; every run starts from the same weights, so that
//! how long Criterion measures has no influence on the numbers that are computed.

mod common;

use common::elementwise::{self, Differentiator};
use common::workload::{Caller, INFERENCE, TRAINING, Trainer};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, criterion_group, criterion_main};
use downhill::profile::Machine;
use std::path::PathBuf;
use std::time::Duration;

/// Measures what other figures are held against: a loop of multiply-adds, and moving memory; `benches/peers/table.py` prints it.
fn machine(_: &mut Criterion) {
    let machine = Machine::measure().expect("a machine").to_string();
    println!("{machine}");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    std::fs::create_dir_all(&target).expect("a folder");
    std::fs::write(target.join("machine.txt"), machine + "\n").expect("a file");
}

fn configure(group: &mut BenchmarkGroup<'_, WallTime>, samples: usize, seconds: f64) {
    group.sampling_mode(SamplingMode::Flat).sample_size(samples).nresamples(2000);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs_f64(seconds));
}

fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    for workload in &TRAINING {
        // Building, and the proof of the losses, wait until a benchmark is really run.
        let mut trainer = None;
        configure(&mut group, if workload.is_large() { 10 } else { 50 }, 3.0);
        group.bench_function(workload.name, |bencher| {
            let trainer = trainer.get_or_insert_with(|| Trainer::new(workload));
            bencher.iter_custom(|steps| trainer.time_steps(steps));
        });
        group.bench_function(format!("{}_call", workload.name), |bencher| {
            let trainer = trainer.get_or_insert_with(|| Trainer::new(workload));
            bencher.iter_custom(|steps| trainer.time_calls(steps));
        });
    }
    configure(&mut group, 30, 2.0);
    let mut differentiator = None;
    group.bench_function("eltwise_1M", |bencher| {
        let differentiator = differentiator.get_or_insert_with(Differentiator::new);
        bencher.iter(|| differentiator.differentiate());
    });
    group.bench_function("eltwise_1M_call", |bencher| {
        let differentiator = differentiator.get_or_insert_with(Differentiator::new);
        bencher.iter(|| differentiator.call());
    });
    configure(&mut group, 50, 2.0);
    for (name, workload) in INFERENCE {
        let mut caller = None;
        group.bench_function(name, |bencher| {
            let caller = caller.get_or_insert_with(|| Caller::new(workload));
            bencher.iter(|| caller.forward());
        });
        group.bench_function(format!("{name}_into"), |bencher| {
            let caller = caller.get_or_insert_with(|| Caller::new(workload));
            bencher.iter(|| caller.forward_into()[0]);
        });
    }
    group.finish();
}

fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    configure(&mut group, 10, 1.0);
    for workload in &TRAINING {
        let mut first = true;
        group.bench_function(workload.name, |bencher| {
            if std::mem::take(&mut first) {
                println!("{}: {}", workload.name, workload.build(true).expect("a network").report());
            }
            bencher.iter_with_large_drop(|| workload.build(true).expect("a network"));
        });
        let mut batch = None;
        group.bench_function(format!("{}_first_step", workload.name), |bencher| {
            let (x, y) = batch.get_or_insert_with(|| workload.first_batch());
            bencher.iter_with_large_drop(|| {
                let mut net = workload.build(true).expect("a network");
                let loss = net.step(&*x, &*y).expect("a step");
                (net, loss)
            });
        });
    }
    for (name, workload) in INFERENCE {
        let mut batch = None;
        group.bench_function(format!("{name}_first_step"), |bencher| {
            let (x, _) = batch.get_or_insert_with(|| workload.first_batch());
            bencher.iter_with_large_drop(|| {
                let net = workload.build(false).expect("a network");
                let answer = net.forward(&*x).expect("an answer");
                (net, answer)
            });
        });
    }
    let mut x = None;
    group.bench_function("eltwise_1M_first_step", |bencher| {
        let x = x.get_or_insert_with(elementwise::elements);
        bencher.iter_with_large_drop(|| {
            let net = elementwise::build();
            let gradient = net.gradients_of(None, &["x"], &*x, ()).expect("a gradient");
            (net, gradient)
        });
    });
    group.finish();
}

criterion_group!(benches, machine, compile, steps);
criterion_main!(benches);
