//! A hidden layer as one matrix product against the same layer a neuron at a time: how many times as fast, over widths.
//!
//! A layer is so many weighted sums, or one product of matrices; the numbers are the same. The neurons are networks of their own with one
//! machine code and a column of the weights each, called one after another. Is the matrix a hundred times as fast? It depends on what a
//! neuron has to do in a call:
//!
//! - with one row of few inputs almost nothing: a call costs more than the sum, and the matrix pays it once for all neurons. The ratio
//!   grows with the width, past 100;
//! - with many rows of many inputs the sums cost more than the call, and the matrix wins by a factor that no longer grows: it
//!   loads an input once for many neurons and keeps all lanes of the vectors busy.
//!
//! A language that is interpreted pays thousands of times as much for a call, so that its loops over neurons are always the first case.
//!
//! ```sh
//! cargo run --release --example speedup            # the picture goes to target/pictures
//! cargo run --release --example speedup folder
//! ```

use downhill::pictures::{Curves, Series, curves};
use downhill::prelude::*;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

network! {
    /// Neurons that see all inputs.
    Layer(inputs: usize, neurons: usize) {
        input x: [batch, inputs];
        output h = relu(linear(x, neurons));
        loss sum(h);
    }
}

const WIDTHS: [usize; 7] = [1, 4, 16, 64, 256, 1024, 2048];
/// Rows and inputs, from the least work in a call to the most.
const WORK: [(usize, usize); 4] = [(1, 2), (1, 64), (1, 784), (64, 784)];

fn main() -> Result<ExitCode, downhill::Error> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "target/pictures".into()));
    println!("time of a layer as a matrix, and how many times as long its neurons take one by one");
    let heads = WORK.map(|(rows, inputs)| format!("{:>22}", format!("{rows} × {inputs}")));
    println!("width{}", heads.concat());

    let mut ratios = vec![Vec::new(); WORK.len()];
    let mut difference = 0.0_f32;
    for width in WIDTHS {
        print!("{width:5}");
        for ((rows, inputs), ratios) in WORK.into_iter().zip(&mut ratios) {
            let measured = Measured::of(rows, inputs, width)?;
            let ratio = measured.neurons.div_duration_f64(measured.matrix);
            difference = difference.max(measured.difference);
            ratios.push((width as f64, ratio));
            print!("{:>13.2} µs {ratio:>5.1}×", measured.matrix.as_secs_f64() * 1e6);
        }
        println!();
    }
    println!("greatest difference between the results {difference:.1e}");

    let names =
        WORK.map(|(rows, inputs)| format!("{rows} row{} of {inputs}", if rows == 1 { "" } else { "s" }));
    let series: Vec<Series<'_>> = names
        .iter()
        .zip(&ratios)
        .map(|(name, ratios)| Series::new(name, ratios.iter().copied()).dots())
        .collect();
    let title = "A layer as a matrix";
    let options = Curves { title, x: "neurons", y: "times as fast as one by one", log: true, log_x: true };
    curves(folder.join("speedup.svg"), &series, options)?;
    println!("drawn in {}: speedup.svg", folder.display());

    // What holds on any machine: the widest layers gain, and more so where a call has little to do.
    let widest = |work: usize| ratios[work][WIDTHS.len() - 1].1;
    println!("a hundred times as fast: {}", reached(&ratios));
    let good = difference < 1e-4 && widest(0) > 20.0 && widest(0) > widest(3) && widest(3) > 1.0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// From which width on the matrix is a hundred times as fast.
fn reached(ratios: &[Vec<(f64, f64)>]) -> String {
    let from = WORK.iter().zip(ratios).map(|((rows, inputs), ratios)| {
        let first = ratios.iter().find(|(_, ratio)| *ratio >= 100.0);
        let from = first.map_or("never".into(), |(width, _)| format!("from {width} neurons on"));
        format!("{rows} × {inputs} {from}")
    });
    from.collect::<Vec<String>>().join(", ")
}

struct Measured {
    matrix: Duration,
    neurons: Duration,
    difference: f32,
}

impl Measured {
    fn of(rows: usize, inputs: usize, width: usize) -> Result<Measured, downhill::Error> {
        let x: Vec<f32> = (0..rows * inputs).map(|i| (i * 7919 % 256) as f32 / 255.0).collect();
        let layer = Layer::new(inputs, width).seed(1).batch_sizes([rows]).build()?;
        let mut whole = vec![0.0_f32; rows * width];
        let matrix = best(20, || layer.forward_into(&x, &mut whole))?;

        let mut neurons = neurons(&layer, inputs, width, rows)?;
        let mut alone = vec![vec![0.0_f32; rows]; width];
        let one_by_one = best(5, || {
            neurons.iter_mut().zip(&mut alone).try_for_each(|(neuron, h)| neuron.forward_into(&x, h))
        })?;

        // The layer gives a row for each row of inputs, the neurons a row for each neuron.
        let pairs = whole.iter().enumerate().map(|(i, h)| (h, alone[i % width][i / width]));
        let difference = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        Ok(Measured { matrix, neurons: one_by_one, difference })
    }
}

/// Networks of one neuron that share one machine code, each with its column of the layer's weights.
fn neurons(layer: &Model, inputs: usize, width: usize, rows: usize) -> Result<Vec<Model>, downhill::Error> {
    let (weight, bias) = (layer.parameter("h.weight")?, layer.parameter("h.bias")?);
    let (weight, bias) = (weight.as_f32()?, bias.as_f32()?);
    let program = Layer::new(inputs, 1).batch_sizes([rows]).program()?;
    let neuron = |neuron: usize| {
        let column: Vec<f32> = weight.iter().skip(neuron).step_by(width).copied().collect();
        let mut model = program.model(0)?;
        model.set_parameter("h.weight", &column)?;
        model.set_parameter("h.bias", &bias[neuron..=neuron])?;
        Ok(model)
    };
    (0..width).map(neuron).collect()
}

/// The shortest time of a call, over several runs of at least a millisecond.
fn best(
    runs: usize,
    mut work: impl FnMut() -> Result<(), downhill::Error>,
) -> Result<Duration, downhill::Error> {
    let mut best = Duration::MAX;
    for _ in 0..runs {
        let (start, mut calls) = (Instant::now(), 0);
        while calls == 0 || start.elapsed() < Duration::from_millis(1) {
            work()?;
            calls += 1;
        }
        best = best.min(start.elapsed() / calls);
    }
    Ok(best)
}
