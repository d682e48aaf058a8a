//! What a random order of rows costs an epoch: `cargo bench --bench shuffled`.
//!
//! In: 2-50-1 with batches of 64, and 30-16-1 with batches of 32. Out: nanoseconds a row of an epoch in order and in random orders, and what
//! making the order alone costs.
//!
//! Must hold: the ways are measured in turns, each at its fastest, since a machine is not equally fast all the time.

use downhill::epoch::shuffle;
use downhill::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

network! {
    Table(inputs: usize, hidden: usize) {
        input  x: [batch, inputs];
        target y: [batch, 1];
        output p = linear(relu(linear(x, hidden)), 1);
        loss bce_with_logits(p, y);
    }
}

/// Inputs, hidden units, rows of a batch.
const NETWORKS: [(usize, usize, usize); 2] = [(2, 50, 64), (30, 16, 32)];
const ROWS: [usize; 4] = [10_000, 100_000, 1_000_000, 4_000_000];
/// How long a case is measured, and how often at least.
const MEASURED: (Duration, u64) = (Duration::from_secs(3), 4);

/// The least time of an epoch in order, of a shuffled one, and of making its order.
fn measured(
    (inputs, hidden, batch): (usize, usize, usize),
    rows: usize,
) -> Result<[Duration; 3], downhill::Error> {
    let number = |n: usize| (n * 7919 % 10_007) as f32 / 5000.0 - 1.0;
    let x = Tensor::new([rows, inputs], (0..rows * inputs).map(number).collect::<Vec<f32>>())?;
    let y = Tensor::new([rows, 1], (0..rows).map(|row| (row * 31 % 2) as f32).collect::<Vec<f32>>())?;
    let data = Dataset::new([("x", x), ("y", y)])?;
    let mut net = Table::new(inputs, hidden).optimizer(sgd(1e-4)).build()?;
    let (in_order, mut order) = ((0..rows as u32).collect::<Vec<u32>>(), Vec::new());

    let (mut report, mut least) = (EpochReport::default(), [Duration::MAX; 3]);
    let (begin, mut seed) = (Instant::now(), 0);
    while begin.elapsed() < MEASURED.0 || seed < MEASURED.1 {
        seed += 1;
        for (way, least) in least.iter_mut().enumerate() {
            let begin = Instant::now();
            match way {
                0 => {
                    let options = EpochOptions { rows: Some(&in_order), ..EpochOptions::default() };
                    net.epoch_into(&data, Epoch { batch, seed }, options, &mut report)?;
                }
                1 => net.epoch_into(&data, Epoch { batch, seed }, EpochOptions::default(), &mut report)?,
                _ => {
                    order.clear();
                    order.extend(0..rows as u32);
                    shuffle(black_box(&mut order), seed);
                }
            }
            *least = (*least).min(begin.elapsed());
        }
    }
    Ok(least)
}

fn main() -> Result<(), downhill::Error> {
    println!("{:<20} {:>10} {:>10} {:>10} {:>10}  ns a row", "", "in order", "shuffled", "more", "the order");
    for network in NETWORKS {
        for rows in ROWS {
            let [in_order, shuffled, order] =
                measured(network, rows)?.map(|time| time.as_secs_f64() * 1e9 / rows as f64);
            let (name, more) =
                (format!("{}-{}-1, {rows}", network.0, network.1), 100.0 * (shuffled / in_order - 1.0));
            println!("{name:<20} {in_order:>10.1} {shuffled:>10.1} {more:>8.1} % {order:>10.1}");
        }
    }
    Ok(())
}
