//! Graphs as deep as they like: declared, differentiated, built and run in a thread of little stack.
//!
//! Must hold: nothing that walks a graph calls itself for a node's operands, and nothing takes time that grows faster than the graph
//! (these tests would take minutes).

use downhill::prelude::*;
use std::thread;

/// A quarter of what Rust gives a thread.
const STACK: usize = 512 << 10;

/// Runs `work` in a thread of little stack, in which a recursion over a graph would end the process.
fn with_little_stack(work: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(STACK).spawn(work).expect("a thread");
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

network! {
    /// A value that grows by a part of itself, turn by turn.
    Grows(turns: usize) {
        input  x: [batch, 4];
        target y: [batch, 4];
        param w: [4] = ones();
        let h = x * w;
        for _ in 0..turns {
            h = h + h * 0.0002;
        }
        output p = h;
        loss   sum(h * y);
    }
}

const ROWS: [[f32; 4]; 2] = [[0.5, -1.0, 2.0, 0.25], [1.5, 3.0, -0.5, 0.75]];

#[test]
fn a_chain_of_many_elementwise_values_builds_and_trains() {
    // In a step: a product and a sum a turn, and as many for the gradient.
    const TURNS: usize = if cfg!(debug_assertions) { 5_000 } else { 50_000 };
    with_little_stack(|| {
        let mut net = Grows::new(TURNS).optimizer(sgd(0.5)).batch_sizes([2]).build().expect("a network");
        let grown = |x: f32| (0..TURNS).fold(x, |h, _| h + h * 0.0002);
        let answer = net.forward(&ROWS).expect("an answer");
        assert_eq!(answer.as_slice::<f32>().expect("one output"), ROWS.as_flattened().map_each(grown));
        net.step(&ROWS, &ROWS).expect("a step");
        let trained = net.parameter("w").expect("a parameter");
        // Of Σ y·h, where h is x·w·(1 + 0.0002)ᵗ: x·y·(1 + 0.0002)ᵗ.
        for (column, &w) in trained.as_slice::<f32>().expect("floats").iter().enumerate() {
            let gradient: f32 = ROWS.iter().map(|row| grown(row[column] * row[column])).sum();
            let expected = 1.0 - 0.5 * gradient;
            assert!((w - expected).abs() <= 1e-4 * expected.abs(), "{column}: {w}, not {expected}");
        }
    });
}

trait MapEach {
    fn map_each(&self, function: impl Fn(f32) -> f32) -> Vec<f32>;
}

impl MapEach for [f32] {
    fn map_each(&self, function: impl Fn(f32) -> f32) -> Vec<f32> {
        self.iter().map(|&x| function(x)).collect()
    }
}

network! {
    /// Many functions of one value, each used once.
    Nested(turns: usize) {
        input  x: [batch];
        target y: [batch];
        let h = x;
        for _ in 0..turns {
            h = tanh(h);
            h = -h * 1.5;
        }
        output p = h;
        loss   squared_error(p, y);
    }
}

#[test]
fn a_long_expression_is_several_kernels_of_the_same_bits() {
    with_little_stack(|| {
        let run = |turns: usize| {
            let net = Nested::new(turns).build().expect("a network");
            net.forward(&[0.5_f32, -2.0, 3.0]).expect("an answer").as_slice::<f32>().expect("floats").to_vec()
        };
        // A fixed point: what comes out no longer hangs on how often.
        assert_eq!(run(3_000), run(200));
    });
}

network! {
    /// Narrow layers, one behind the other.
    Narrow(depth: usize) {
        input  x: [batch, 3];
        target y: [batch, 1];
        let h = x;
        for _ in 0..depth {
            h = tanh(linear(h, 3));
        }
        output p = linear(h, 1);
        loss   mean(square(p - y));
    }
}

/// `tanh(x·W + b)` in f64.
fn layer(x: &[f64], weight: &[f32], bias: &[f32]) -> Vec<f64> {
    let column = |j: usize| {
        let sum: f64 = x.iter().enumerate().map(|(i, x)| x * f64::from(weight[i * bias.len() + j])).sum();
        sum + f64::from(bias[j])
    };
    (0..bias.len()).map(column).collect()
}

#[test]
fn a_thousand_layers_build_and_train() {
    const DEPTH: usize = 1_000;
    with_little_stack(|| {
        let mut net =
            Narrow::new(DEPTH).seed(5).optimizer(sgd(0.1)).batch_sizes([2]).build().expect("a network");
        let (x, y) = ([[0.5_f32, -1.0, 0.25], [1.5, 0.5, -0.5]], [[0.3_f32], [-0.2]]);
        let read = |net: &Model, name: &str| {
            net.parameter(name).expect("a parameter").as_slice::<f32>().expect("floats").to_vec()
        };
        let expected = x.map(|row| {
            let mut h: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            for turn in 0..DEPTH {
                let names = [format!("h.{turn}.weight"), format!("h.{turn}.bias")];
                h = layer(&h, &read(&net, &names[0]), &read(&net, &names[1]));
                h.iter_mut().for_each(|h| *h = h.tanh());
            }
            layer(&h, &read(&net, "p.weight"), &read(&net, "p.bias"))[0]
        });
        let answer = net.forward(&x).expect("an answer").as_slice::<f32>().expect("floats").to_vec();
        for (found, expected) in answer.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-4, "{found}, not {expected}");
        }
        let before = read(&net, "p.bias")[0];
        net.step(&x, &y).expect("a step");
        let slope: f64 = (0..2).map(|row| expected[row] - f64::from(y[row][0])).sum();
        let after = f64::from(before) - 0.1 * slope;
        assert!((f64::from(read(&net, "p.bias")[0]) - after).abs() < 1e-4);
        let (kernels, report) = (net.report().kernels, net.report());
        assert!(kernels < 60, "equal layers share their kernels: {report}");
    });
}
