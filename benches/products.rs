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

    InputGradient(inputs: usize, outputs: usize) {
        input  delta: [batch, outputs];
        param  w: [inputs, outputs] = normal(0.0, 1.0);
        output gradient = delta @ transpose(w);
        loss   sum(gradient);
    }
}

/// Rows, inputs, outputs.
const LAYERS: [[usize; 3]; 8] = [
    [64, 784, 128],
    [64, 128, 10],
    [128, 784, 512],
    [128, 512, 512],
    [128, 512, 10],
    [256, 1024, 2048],
    [256, 2048, 2048],
    [256, 2048, 1000],
];

fn main() -> Result<(), downhill::Error> {
    let named: Vec<[usize; 3]> = std::env::args().skip(1).filter_map(|argument| layer(&argument)).collect();
    let machine = Machine::measure()?;
    println!("{machine}\n");
    println!("{:<16} {:>16} {:>16} {:>16} {:>16}", "GFLOP/s", "x·w", "xᵀ·δ", "w − xᵀ·δ", "δ·wᵀ");
    for layer in if named.is_empty() { LAYERS.to_vec() } else { named } {
        let share = |rate: f64| 100.0 * rate / machine.speed.arithmetic;
        let cells = rates(layer)?.map(|rate| format!("{:.1} ({:.0} %)", rate / 1e9, share(rate)));
        let name = layer.map(|size| size.to_string()).join("x");
        println!("{name:<16} {:>16} {:>16} {:>16} {:>16}", cells[0], cells[1], cells[2], cells[3]);
    }
    Ok(())
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
