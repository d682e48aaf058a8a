//! What `fit` costs over its steps: `cargo bench --bench fit`; `-- ratio` prints both side by side.
//!
//! In: networks for tables of the size of digits and of breast cancer, and one of 128 units. Out: Criterion's groups, an iteration being an
//! epoch: `steps`, the compiled steps of an order of rows that is there already; `epochs`, the same from a seed; and `fit`, which makes a record
//! of each epoch besides.
//!
//! Must hold: both make the same steps on the same rows; `ratio` measures them in turns, each at its fastest, since a machine is not equally
//! fast all the time.

use criterion::{BenchmarkId, Criterion, criterion_group};
use downhill::fit::seed_of;
use downhill::prelude::*;
use std::time::{Duration, Instant};

network! {
    Table(inputs: usize, hidden: usize, classes: usize) {
        input  x: [batch, inputs];
        target y: i32[batch];
        output logits = linear(relu(linear(x, hidden)), classes);
        loss cross_entropy(logits, y);
    }
}

/// Name, rows, inputs, hidden units, classes.
const TABLES: [(&str, usize, usize, usize, usize); 4] = [
    ("breast_cancer_16", 569, 30, 16, 2),
    ("breast_cancer_100", 569, 30, 100, 2),
    ("digits_32", 1797, 64, 32, 10),
    ("digits_128", 1797, 64, 128, 10),
];
const BATCH: usize = 32;
/// Epochs of a call of `fit`.
const EPOCHS: u64 = 20;
/// How long a ratio is measured.
const MEASURED: Duration = Duration::from_secs(3);

/// An epoch, several times.
type Way = fn(&mut Ways);

/// Every way to train, by its name.
const WAYS: [(&str, Way); 3] = [("steps", Ways::steps), ("epochs", Ways::epochs), ("fit", Ways::fit)];

/// A table and what trains on it.
struct Ways {
    net: Model,
    data: Dataset,
    /// The orders of epochs, as `fit` makes them.
    orders: Vec<Vec<u32>>,
    report: EpochReport,
}

impl Ways {
    fn new((_, rows, inputs, hidden, classes): (&str, usize, usize, usize, usize)) -> Ways {
        let noise = |n: usize| (n * 7919 % 10_007) as f32 / 5000.0 - 1.0;
        let x = Tensor::new([rows, inputs], (0..rows * inputs).map(noise).collect::<Vec<f32>>()).expect("x");
        let y = Tensor::from((0..rows).map(|row| (row * 31 % classes) as i32).collect::<Vec<i32>>());
        let order = |epoch| {
            let mut order: Vec<u32> = (0..rows as u32).collect();
            downhill::epoch::shuffle(&mut order, seed_of(0, epoch));
            order
        };
        Ways {
            net: Table::new(inputs, hidden, classes).optimizer(adam(1e-3)).build().expect("a network"),
            data: Dataset::new([("x", x), ("y", y)]).expect("data"),
            orders: (0..EPOCHS).map(order).collect(),
            report: EpochReport::default(),
        }
    }

    fn steps(&mut self) {
        for order in &self.orders {
            let options = EpochOptions { rows: Some(order), ..EpochOptions::default() };
            let epoch = Epoch { batch: BATCH, seed: 0 };
            self.net.epoch_into(&self.data, epoch, options, &mut self.report).expect("an epoch");
        }
    }

    fn epochs(&mut self) {
        for epoch in 0..EPOCHS {
            let epoch = Epoch { batch: BATCH, seed: seed_of(0, epoch) };
            let options = EpochOptions::default();
            self.net.epoch_into(&self.data, epoch, options, &mut self.report).expect("an epoch");
        }
    }

    fn fit(&mut self) {
        let options = Fit { epochs: EPOCHS, batch: BATCH, ..Fit::default() };
        self.net.fit(&self.data, options).expect("training");
    }
}

fn epochs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fit");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(2))
        .throughput(criterion::Throughput::Elements(EPOCHS));
    for table in TABLES {
        for (name, way) in WAYS {
            let mut ways = None;
            group.bench_function(BenchmarkId::new(name, table.0), |bencher| {
                let ways = ways.get_or_insert_with(|| Ways::new(table));
                bencher.iter(|| way(ways));
            });
        }
    }
    group.finish();
}

fn ratios() {
    println!("µs an epoch        {:>12} {:>12} {:>12} {:>22}", "steps", "epochs", "fit", "more than either");
    for table in TABLES {
        let mut ways = Ways::new(table);
        let mut least = [Duration::MAX; WAYS.len()];
        let begin = Instant::now();
        while begin.elapsed() < MEASURED {
            for ((_, way), least) in WAYS.iter().zip(&mut least) {
                let begin = Instant::now();
                way(&mut ways);
                *least = (*least).min(begin.elapsed());
            }
        }
        let [steps, epochs, fit] = least.map(|time| time.as_secs_f64() * 1e6 / EPOCHS as f64);
        let [over_steps, over_epochs] = [steps, epochs].map(|least| 100.0 * (fit / least - 1.0));
        let name = table.0;
        println!(
            "{name:<18} {steps:>12.2} {epochs:>12.2} {fit:>12.2} {over_steps:>10.1} % {over_epochs:>8.1} %"
        );
    }
}

criterion_group!(benches, epochs);

fn main() {
    if std::env::args().any(|argument| argument == "ratio") {
        return ratios();
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
