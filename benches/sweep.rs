//! How the time of a step grows with width, batch and threads: `cargo bench --bench sweep`, or
//! `cargo bench --bench sweep -- 46 128x4096` for these widths, or this width and batch; `profile` among them shows where the time goes.
//!
//! In: networks 10-w-w-10 with rectifiers, cross-entropy and SGD. Out: a line for each width and batch: µs a step on one thread with code
//! for the size, and how many times as fast two threads are, and code for any size. No factor below 1 means that nothing is lost by
//! more threads; a step's cost a row stays the same from batch to batch.
//!
//! Must hold: the variants of a line are measured in turns, each at its fastest, since a machine is not equally fast all the time.

use downhill::prelude::*;
use std::time::{Duration, Instant};

network! {
    Dense(width: usize) {
        input  x: [batch, 10];
        target y: i32[batch];
        let h = relu(linear(x, width));
        h = relu(linear(h, width));
        output logits = linear(h, 10);
        loss cross_entropy(logits, y);
    }
}

const WIDTHS: [usize; 9] = [16, 32, 45, 46, 64, 128, 256, 512, 1024];
const BATCHES: [usize; 6] = [1, 16, 128, 512, 1024, 4096];
const ROWS: usize = 4096;
/// How long each variant of a line is measured.
const MEASURED: Duration = Duration::from_millis(60);

/// Threads, and whether the batch is named.
const VARIANTS: [(usize, bool); 4] = [(1, true), (2, true), (1, false), (2, false)];

fn main() -> Result<(), downhill::Error> {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let data = data()?;
    println!(
        "{:>5} {:>5} {:>12} {:>10} {:>10} {:>10} {:>10}",
        "width", "batch", "µs a step", "ns a row", "2 threads", "any size", "both"
    );
    for width in WIDTHS {
        for batch in BATCHES {
            let names = [width.to_string(), format!("{width}x{batch}")];
            if asked.is_empty() || names.iter().any(|name| asked.contains(name)) {
                line(width, batch, &data)?;
            }
        }
    }
    Ok(())
}

fn data() -> Result<Dataset, downhill::Error> {
    let noise = |n: usize| (n * 7919 % 10_007) as f32 / 5000.0 - 1.0;
    let x = Tensor::new([ROWS, 10], (0..ROWS * 10).map(noise).collect::<Vec<f32>>())?;
    let y = Tensor::new([ROWS], (0..ROWS).map(|row| (row * 31 % 10) as i32).collect::<Vec<i32>>())?;
    Dataset::new([("x", x), ("y", y)])
}

fn line(width: usize, batch: usize, data: &Dataset) -> Result<(), downhill::Error> {
    let build = |(threads, named): (usize, bool)| {
        let net = Dense::new(width).optimizer(sgd(0.01)).threads(threads);
        if named { net.batch_sizes([batch]).build() } else { net.build() }
    };
    let mut nets = VARIANTS.into_iter().map(build).collect::<Result<Vec<_>, _>>()?;
    let mut least = [Duration::MAX; VARIANTS.len()];
    let begin = Instant::now();
    while begin.elapsed() < MEASURED * VARIANTS.len() as u32 {
        for (net, least) in nets.iter_mut().zip(&mut least) {
            *least = (*least).min(step(net, batch, data)?);
        }
    }
    let times = |variant: usize| least[0].as_secs_f64() / least[variant].as_secs_f64();
    if std::env::args().any(|argument| argument == "profile") {
        let x = Tensor::new([batch, 10], vec![0.5_f32; batch * 10])?;
        println!("{}", nets[0].profile(&x, &vec![3_i32; batch])?);
    }
    println!(
        "{width:>5} {batch:>5} {:>12.3} {:>10.1} {:>10.2} {:>10.2} {:>10.2}",
        least[0].as_secs_f64() * 1e6,
        least[0].as_secs_f64() * 1e9 / batch as f64,
        times(1),
        times(2),
        times(3)
    );
    Ok(())
}

/// The time of a step of an epoch; of one that has at most so many steps as take some milliseconds.
fn step(net: &mut Model, batch: usize, data: &Dataset) -> Result<Duration, downhill::Error> {
    let rows: Vec<u32> = (0..(batch * 1024).min(ROWS)).map(|row| (row * 1237 % ROWS) as u32).collect();
    let options = EpochOptions { rows: Some(&rows), ..EpochOptions::default() };
    let begin = Instant::now();
    let report = net.epoch_with(data, Epoch { batch, seed: 1 }, options)?;
    Ok(begin.elapsed() / report.losses.len().max(1) as u32)
}
