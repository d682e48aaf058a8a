//! One hidden layer computed a neuron at a time against the layer as one matrix product, and what that makes of the time.
//!
//! A layer of 512 neurons on 784 pixels is 512 weighted sums for each picture, or one product of matrices. Both are the same
//! numbers; this measures what the difference in form costs, in plain Rust and in downhill's own code.
//!
//! ```sh
//! cargo run --release --example neuron_by_neuron
//! ```

use downhill::prelude::*;
use std::time::{Duration, Instant};

const PICTURES: usize = 64;
const PIXELS: usize = 784;
const NEURONS: usize = 512;

network! {
    /// Neurons that see all pixels.
    Layer(neurons: usize) {
        input  x: [batch, 784];
        target y: [batch, neurons];
        output h = relu(linear(x, neurons));
        loss   squared_error(h, y);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let x: Vec<f32> = (0..PICTURES * PIXELS).map(|i| (i * 7919 % 256) as f32 / 255.0).collect();

    // As a matrix product.
    let layer = Layer::new(NEURONS).seed(1).batch_sizes([PICTURES]).build()?;
    let mut whole = vec![0.0_f32; PICTURES * NEURONS];
    let matrix = measure(50, || layer.forward_into(&x, &mut whole))?;

    // A neuron at a time: 512 networks of one neuron, each with its column of the weights, share one machine code.
    let (weight, bias) = (layer.parameter("h.weight")?, layer.parameter("h.bias")?);
    let (weight, bias) = (weight.as_f32()?, bias.as_f32()?);
    let columns: Vec<Vec<f32>> =
        (0..NEURONS).map(|neuron| weight.iter().skip(neuron).step_by(NEURONS).copied().collect()).collect();
    let neuron = Layer::new(1).batch_sizes([PICTURES]).build()?;
    let mut neurons = (0..NEURONS).map(|_| neuron.program().model(0)).collect::<Result<Vec<Model>, _>>()?;
    for (i, neuron) in neurons.iter_mut().enumerate() {
        neuron.set_parameter("h.weight", &columns[i])?;
        neuron.set_parameter("h.bias", &bias[i..=i])?;
    }
    let mut alone = vec![[0.0_f32; PICTURES]; NEURONS];
    let one_by_one = measure(10, || {
        neurons.iter_mut().zip(&mut alone).try_for_each(|(neuron, h)| neuron.forward_into(&x, h))
    })?;

    // The same in a loop of plain Rust.
    let mut plain = vec![[0.0_f32; PICTURES]; NEURONS];
    let looped = measure(10, || {
        for ((weights, bias), h) in columns.iter().zip(bias).zip(&mut plain) {
            for (picture, h) in x.chunks(PIXELS).zip(h) {
                let sum: f32 = picture.iter().zip(weights).map(|(x, w)| x * w).sum();
                *h = (sum + bias).max(0.0);
            }
        }
        Ok(())
    })?;

    println!("{NEURONS} neurons on {PICTURES} pictures of {PIXELS} pixels, the best of several runs");
    println!("as one matrix product           {:>8.3} ms", milliseconds(matrix));
    for (name, time) in
        [("a neuron at a time, downhill", one_by_one), ("a neuron at a time, plain Rust", looped)]
    {
        println!(
            "{name:30}  {:>8.3} ms   {:.1} times as long",
            milliseconds(time),
            time.div_duration_f64(matrix)
        );
    }
    let difference = difference(&whole, &alone).max(difference(&whole, &plain));
    println!("greatest difference between the results {difference:.1e}");
    if difference < 1e-4 { Ok(()) } else { Err("the results differ".into()) }
}

/// The shortest time of several runs.
fn measure(
    runs: usize,
    mut work: impl FnMut() -> Result<(), downhill::Error>,
) -> Result<Duration, downhill::Error> {
    let mut best = Duration::MAX;
    for _ in 0..runs {
        let start = Instant::now();
        work()?;
        best = best.min(start.elapsed());
    }
    Ok(best)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The greatest difference between what the layer gave, a row a picture, and what neurons gave, a row a neuron.
fn difference(layer: &[f32], neurons: &[[f32; PICTURES]]) -> f32 {
    let pairs = layer.iter().enumerate().map(|(i, h)| (h, neurons[i % NEURONS][i / NEURONS]));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
