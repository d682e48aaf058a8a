//! What a step of each optimizer costs: `cargo bench --bench optimizers`, or `cargo bench --bench optimizers -- muon lamb` for these.
//!
//! In: the rows of [`ROWS`]. Out: for each the least time of a step of 784-512-512-10 at batch 128 in microseconds, one thread, which
//! `benches/peers/optimizers.py` puts beside PyTorch's.
//!
//! Must hold: names and options are those of `benches/peers/optimizers.py`.

#[path = "common/numbers.rs"]
#[allow(dead_code, reason = "orders of rows are for whole trainings")]
mod numbers;

use downhill::optimizer::Optimizer;
use downhill::prelude::*;
use numbers::{Stream, units};
use std::time::{Duration, Instant};

network! {
    Mlp() {
        input  x: [batch, 784];
        target y: i32[batch];
        let h = relu(linear(x, 512));
        h = relu(linear(h, 512));
        output logits = linear(h, 10);
        loss cross_entropy(logits, y);
    }
}

const BATCH: usize = 128;

/// A name, and the optimizer.
type Row = (&'static str, fn() -> Optimizer);

const ROWS: &[Row] = &[
    ("sgd", || sgd(1e-3).into()),
    ("momentum", || sgd(1e-3).momentum(0.9).into()),
    ("nesterov", || sgd(1e-3).momentum(0.9).nesterov(true).into()),
    ("adam", || adam(1e-3).into()),
    ("amsgrad", || adam(1e-3).amsgrad(true).into()),
    ("adamw", || adamw(1e-3).into()),
    ("nadam", || nadam(1e-3).into()),
    ("radam", || radam(1e-3).into()),
    ("adamax", || adamax(1e-3).into()),
    ("adagrad", || adagrad(1e-3).into()),
    ("adadelta", || adadelta(1e-3).into()),
    ("rmsprop", || rmsprop(1e-3).into()),
    ("rprop", || rprop(1e-4).into()),
    ("muon", || muon(1e-3).into()),
    ("adam_clip_norm", || adam(1e-3).clip_norm(1.0).into()),
    ("adam_average", || adam(1e-3).average(0.999).into()),
    ("lion", || lion(1e-4).into()),
    ("lamb", || lamb(1e-3).into()),
    ("schedule_free", || schedule_free(1e-3).into()),
    ("sharpness_aware", || sgd(1e-3).sharpness_aware(0.05).into()),
];

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    for (name, optimizer) in ROWS.iter().filter(|(name, _)| is_wanted(name)) {
        println!("{name} {:.1}", least(optimizer()) * 1e6);
    }
}

/// The least time of a step, in seconds.
fn least(optimizer: Optimizer) -> f64 {
    let net = Mlp::new().seed(1).optimizer(optimizer).batch_sizes([BATCH]).threads(1).build();
    let mut net = net.expect("a network");
    let x = Tensor::new([BATCH, 784], units(1, BATCH * 784, 1.0)).expect("rows");
    let mut labels = Stream::new(2);
    let labels: Vec<i32> = (0..BATCH).map(|_| labels.class(10)).collect();
    let mut step = || {
        let start = Instant::now();
        net.step(&x, &labels).expect("a step");
        start.elapsed()
    };

    (0..3).for_each(|_| {
        step();
    });
    let (begin, mut least) = (Instant::now(), Duration::MAX);
    while begin.elapsed() < Duration::from_secs(2) {
        least = least.min(step());
    }
    least.as_secs_f64()
}
