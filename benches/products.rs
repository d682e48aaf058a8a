//! How near products of matrices come to what the machine can do: `cargo bench --bench products`, or
//! `cargo bench --bench products -- 128x784x512 17x785x50` for these shapes.
//!
//! In: the layers of the workloads `mlp_b64`, `mlp512_b128` and `mlp2048_b256`, or those named. Out: for each, as rows × inputs
//! × outputs, its products — forward x·w, gradient of the weights xᵀ·δ, the update w − xᵀ·δ, gradient of the inputs δ·wᵀ —
//! each alone, in GFLOP/s and as a share of a loop of fused multiply-adds, measured in the same run. A copy that a product wants counts as time of the product.
//!
//! `DOWNHILL_TARGET` and `DOWNHILL_THREADS` choose what is measured.

use downhill::prelude::*;
use downhill::profile::{Machine, Profiled};

network! {
    Forward(inputs: usize, outputs: usize) {
        input  x: [batch, inputs];
        target t: [batch, outputs];
        param  w: [inputs, outputs] = normal(0.0, 1.0);
        output y = x @ w;
        loss   squared_error(y, t);
    }

    WeightGradient(inputs: usize, outputs: usize) {
        input  x: [batch, inputs];
        input  delta: [batch, outputs];
        output gradient = transpose(x) @ delta;
        loss   sum(gradient);
    }

    Update(inputs: usize, outputs: usize) {
        input  x: [batch, inputs];
        input  delta: [batch, outputs];
        param  w: [inputs, outputs] = normal(0.0, 1.0);
        output updated = w - transpose(x) @ delta;
        loss   sum(updated);
    }

    /// A layer of sequences: its products are those of a matrix of `batch · time` rows.
    Sequences(time: usize, inputs: usize, outputs: usize) {
        input  x: [batch, time, inputs];
        input  delta: [batch, time, outputs];
        param  w: [inputs, outputs] = normal(0.0, 1.0);
        output y = x @ w;
        loss   sum(y * delta);
    }

    /// A product for each element of the batch.
    Batched(rows: usize, inner: usize, outputs: usize) {
        input  a: [batch, rows, inner];
        input  b: [batch, inner, outputs];
        output c = a @ b;
        loss   sum(c);
    }

    InputGradient(inputs: usize, outputs: usize) {
        input  delta: [batch, outputs];
        param  w: [inputs, outputs] = normal(0.0, 1.0);
        output gradient = delta @ transpose(w);
        loss   sum(gradient);
    }
}

/// Rows, inputs, outputs.
const LAYERS: [[usize; 3]; 11] = [
    [64, 784, 128],
    [64, 128, 10],
    [128, 784, 512],
    [128, 512, 512],
    [128, 512, 10],
    [256, 1024, 2048],
    [256, 2048, 2048],
    [256, 2048, 1000],
    [4096, 128, 128],
    [4096, 512, 512],
    [128, 512, 4096],
];

fn main() -> Result<(), downhill::Error> {
    let named: Vec<[usize; 3]> = std::env::args().skip(1).filter_map(|argument| layer(&argument)).collect();
    let machine = Machine::measure()?;
    println!("{machine}\n");
    println!("{:<16} {:>16} {:>16} {:>16} {:>16}", "GFLOP/s", "x·w", "xᵀ·δ", "w − xᵀ·δ", "δ·wᵀ");
    for &layer in if named.is_empty() { &LAYERS } else { named.as_slice() } {
        let share = |rate: f64| 100.0 * rate / machine.speed.arithmetic;
        let cells = rates(layer)?.map(|rate| format!("{:.1} ({:.0} %)", rate / 1e9, share(rate)));
        let name = layer.map(|size| size.to_string()).join("x");
        println!("{name:<16} {:>16} {:>16} {:>16} {:>16}", cells[0], cells[1], cells[2], cells[3]);
    }
    if named.is_empty() {
        println!();
        for [batch, time, inputs, outputs] in SEQUENCES {
            let [forward, gradient] = sequence_rates([batch, time, inputs, outputs])?;
            let flat = rates([batch * time, inputs, outputs])?;
            println!(
                "{batch}x{time}x{inputs}x{outputs}: x·w {:.1} GFLOP/s, {:.2} of the 2-D form; xᵀ·δ {:.1}, {:.2}",
                forward / 1e9,
                forward / flat[0],
                gradient / 1e9,
                gradient / flat[1]
            );
        }
        for [batch, rows, inner, outputs] in BATCHED {
            let rate = batched_rate([batch, rows, inner, outputs])?;
            let share = 100.0 * rate / machine.speed.arithmetic;
            println!("{batch} times {rows}x{inner}x{outputs}: {:.1} GFLOP/s ({share:.0} %)", rate / 1e9);
        }
    }
    Ok(())
}

/// Batch, time, inputs, outputs.
const SEQUENCES: [[usize; 4]; 2] = [[12, 64, 128, 512], [32, 64, 128, 128]];
/// Batch, rows, inner, outputs.
const BATCHED: [[usize; 4]; 2] = [[48, 64, 32, 64], [48, 64, 64, 32]];

/// Floating-point operations a second of the product of sequences, and of the gradient of its weights.
fn sequence_rates([batch, time, inputs, outputs]: [usize; 4]) -> Result<[f64; 2], downhill::Error> {
    let shaped = |columns: usize| -> Result<Tensor, downhill::Error> {
        Ok(matrix(batch * time, columns)?.reshape([batch, time, columns])?)
    };
    let (x, delta) = (shaped(inputs)?, shaped(outputs)?);
    let mut net = Sequences::new(time, inputs, outputs).batch_sizes([batch]).build()?;
    let operations = (2 * batch * time * inputs * outputs) as f64;
    let forward = net.profile_of(Profiled::Forward, (&x, &delta), ())?;
    let gradient = net.profile_of(Profiled::Gradients(None, &["w"]), (&x, &delta), ())?;
    // The gradient stands behind the product that the loss needs; what is copied for it, or left over, is a small part.
    let of_gradient = gradient.rows.iter().rfind(|row| 2.0 * row.cost.arithmetic as f64 >= operations);
    let seconds = [forward.total().least, of_gradient.map_or(f64::INFINITY, |row| row.least)];
    Ok(seconds.map(|seconds| operations / seconds))
}

/// Floating-point operations a second of products beside each other.
fn batched_rate([batch, rows, inner, outputs]: [usize; 4]) -> Result<f64, downhill::Error> {
    let a = matrix(batch * rows, inner)?.reshape([batch, rows, inner])?;
    let b = matrix(batch * inner, outputs)?.reshape([batch, inner, outputs])?;
    let mut net = Batched::new(rows, inner, outputs).batch_sizes([batch]).build()?;
    let profile = net.profile_of(Profiled::Forward, (&a, &b), ())?;
    Ok((2 * batch * rows * inner * outputs) as f64 / profile.total().least)
}

/// `128x784x512`; `None` of what Cargo says.
fn layer(text: &str) -> Option<[usize; 3]> {
    let sizes = text.split('x').map(str::parse).collect::<Result<Vec<usize>, _>>();
    sizes.ok()?.try_into().ok()
}

/// Floating-point operations a second of the products, each at its fastest.
fn rates([rows, inputs, outputs]: [usize; 3]) -> Result<[f64; 4], downhill::Error> {
    let (x, delta) = (matrix(rows, inputs)?, matrix(rows, outputs)?);
    let mut forward = Forward::new(inputs, outputs).batch_sizes([rows]).build()?;
    let mut weights = WeightGradient::new(inputs, outputs).batch_sizes([rows]).build()?;
    let mut update = Update::new(inputs, outputs).batch_sizes([rows]).build()?;
    let mut back = InputGradient::new(inputs, outputs).batch_sizes([rows]).build()?;
    let profiles = [
        forward.profile_of(Profiled::Forward, &x, ())?,
        weights.profile_of(Profiled::Forward, (&x, &delta), ())?,
        update.profile_of(Profiled::Forward, (&x, &delta), ())?,
        back.profile_of(Profiled::Forward, &delta, ())?,
    ];
    let operations = 2.0 * (rows * inputs * outputs) as f64;
    Ok(profiles.map(|profile| {
        let total = profile.total();
        let besides = total.cost.arithmetic as f64 - operations;
        assert!(besides == 0.0 || besides == (inputs * outputs) as f64, "nothing but a product:\n{profile}");
        operations / total.least
    }))
}

fn matrix(rows: usize, columns: usize) -> Result<Tensor, downhill::Error> {
    let values = (0..rows * columns).map(|i| (i * 7919 % 1013) as f32 * 0.002 - 1.0);
    Ok(Tensor::new([rows, columns], values.collect::<Vec<f32>>())?)
}
