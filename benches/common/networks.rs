//! The networks that are measured, with their data and the weights that they start from.
//!
//! In: nothing. Out: for each network what a [`Workload`](super::workload::Workload) needs of it: how it is built, rows of data, and initial
//! weights.

use super::numbers::{Stream, units};
use downhill::Error;
use downhill::build::Build;
use downhill::optimizer::Optimizer;
use downhill::prelude::*;
use std::sync::Arc;

const DATA_STREAM: u64 = 1;
const LABEL_STREAM: u64 = 2;
const PARAMETER_STREAM: u64 = 16;

network! {
    /// One hidden layer and a probability.
    Seed(hidden: usize) {
        input  x: [batch, 2];
        target y: [batch, 1];
        let h = relu(linear(x, hidden));
        let p = sigmoid(linear(h, 1));
        output p;
        loss binary_cross_entropy(p, y);
    }
}

network! {
    /// Hidden layers and classes.
    Mlp(inputs: usize, hidden: usize, depth: usize, classes: usize) {
        input  x: [batch, inputs];
        target y: i32[batch];
        let h = x;
        for _ in 0..depth {
            h = relu(linear(h, hidden));
        }
        output logits = linear(h, classes);
        loss cross_entropy(logits, y);
    }
}

network! {
    /// LeNet-5 for digits.
    Lenet {
        input  x: [batch, 1, 28, 28];
        target y: i32[batch];
        let h = max_pool(relu(conv(x, 6, kernel: 5)), 2);
        h = max_pool(relu(conv(h, 16, kernel: 5)), 2);
        h = relu(linear(flatten(h), 120));
        h = relu(linear(h, 84));
        output logits = linear(h, 10);
        loss cross_entropy(logits, y);
    }
}

network! {
    layer block(x: [batch, c, h, w], channels, stride) -> [batch, channels, _, _] {
        let y = relu(batch_norm(conv(x, channels, kernel: 3, stride: stride, padding: 1, bias: false)));
        y = batch_norm(conv(y, channels, kernel: 3, padding: 1, bias: false));
        let skip = if stride == 1 { x } else { batch_norm(conv(x, channels, kernel: 1, stride: stride, bias: false)) };
        relu(y + skip)
    }

    /// ResNet-20 for pictures of 32 × 32.
    Resnet(widths: Vec<usize>) {
        input  x: [batch, 3, 32, 32];
        target y: i32[batch];
        let h = relu(batch_norm(conv(x, 16, kernel: 3, padding: 1, bias: false)));
        for width in widths {
            for turn in 0..3 { h = block(h, width, stride: if turn == 0 && width > 16 { 2 } else { 1 }); }
        }
        output logits = linear(global_average_pool(h), 10);
        loss cross_entropy(logits, y);
    }
}

network! {
    layer block(x: [batch, time, width], heads) -> [batch, time, width] {
        let a = x + attention(layer_norm(x), heads, causal: true);
        a + linear(gelu(linear(layer_norm(a), 4 * width)), width)
    }

    /// A language model of letters.
    Gpt(layers: usize) {
        input  x: i32[batch, 64];
        target y: i32[batch, 64];
        param positions: [64, 128] = normal(0.0, 0.02);
        let h = embedding(x, 65, 128) + positions;
        for _ in 0..layers { h = block(h, 4); }
        output logits = linear(layer_norm(h), 65, bias: false);
        loss cross_entropy(logits, y);
    }
}

network! {
    /// A recurrent language model of letters.
    Recurrent {
        input  x: i32[batch, 64];
        target y: i32[batch, 64];
        output logits = linear(lstm(embedding(x, 65, 64), 128), 65);
        loss cross_entropy(logits, y);
    }
}

/// Letters of a row, and how many there are.
const LETTERS: usize = 64;
const ALPHABET: usize = 65;

/// A network of the table.
pub(crate) enum Network {
    /// Dense layers of these widths with rectifiers between them.
    Dense(&'static [usize]),
    /// LeNet-5.
    Lenet,
    /// ResNet-20.
    Resnet,
    /// A transformer.
    Gpt,
    /// An LSTM.
    Lstm,
}

impl Network {
    /// Its code for a batch size; with a training step where there is an optimizer.
    pub(crate) fn program(&self, batch: usize, optimizer: Option<Optimizer>) -> Result<Arc<Program>, Error> {
        fn made<N: downhill::prelude::Network>(
            build: Build<N>,
            optimizer: Option<Optimizer>,
        ) -> Result<Arc<Program>, Error> {
            if let Some(optimizer) = optimizer {
                build.optimizer(optimizer).program()
            } else {
                build.program()
            }
        }
        match *self {
            Network::Dense([_, hidden, 1]) => made(Seed::new(*hidden).batch_sizes([batch]), optimizer),
            Network::Dense(widths) => {
                let mlp = Mlp::new(widths[0], widths[1], widths.len() - 2, widths[widths.len() - 1]);
                made(mlp.batch_sizes([batch]), optimizer)
            }
            Network::Lenet => made(Lenet::new().batch_sizes([batch]), optimizer),
            Network::Resnet => made(Resnet::new(vec![16, 32, 64]).batch_sizes([batch]), optimizer),
            Network::Gpt => made(Gpt::new(4).batch_sizes([batch]), optimizer),
            Network::Lstm => made(Recurrent::new().batch_sizes([batch]), optimizer),
        }
    }

    /// So many rows of data, `x` and `y`.
    pub(crate) fn data(&self, rows: usize) -> (Tensor, Tensor) {
        let shape: &[usize] = match self {
            Network::Dense(widths) => &widths[..1],
            Network::Lenet => &[1, 28, 28],
            Network::Resnet => &[3, 32, 32],
            Network::Gpt | Network::Lstm => return letters(rows),
        };
        let width = shape.iter().product();
        let x = units(DATA_STREAM, rows * width, 1.0);
        let y = match self {
            Network::Dense([.., 1]) => {
                let one_sign =
                    x.chunks_exact(width).map(|row| f32::from(u8::from((row[0] > 0.0) == (row[1] > 0.0))));
                Tensor::new([rows, 1], one_sign.collect::<Vec<f32>>()).expect("a target a row")
            }
            Network::Dense([.., classes]) => Tensor::from(drawn(LABEL_STREAM, rows, *classes)),
            _ => Tensor::from(drawn(LABEL_STREAM, rows, 10)),
        };
        (Tensor::new([&[rows], shape].concat(), x).expect("rows of inputs"), y)
    }

    /// Initial values of parameters of these names and shapes, in the order in which the network declares them.
    pub(crate) fn start<'a>(&self, parameters: impl Iterator<Item = (&'a str, Vec<usize>)>) -> Vec<Vec<f32>> {
        let is_shallow = matches!(self, Network::Dense(_) | Network::Lenet);
        let mut scale = 0.0;
        let start = |(stream, (name, shape)): (u64, (&str, Vec<usize>))| {
            let count = shape.iter().product();
            let [inputs @ .., _] = &shape[..] else { unreachable!("no parameter is a scalar") };
            if !inputs.is_empty() {
                scale = (1.0 / (inputs.iter().product::<usize>() as f64).sqrt()) as f32;
            } else if !is_shallow {
                // The factors and offsets of norms, and biases.
                return vec![f32::from(u8::from(name.ends_with("weight"))); count];
            }
            units(stream, count, scale)
        };
        (PARAMETER_STREAM..).zip(parameters).map(start).collect()
    }
}

/// Rows of letters, each with the one that follows it.
fn letters(rows: usize) -> (Tensor, Tensor) {
    let text = drawn(DATA_STREAM, rows * (LETTERS + 1), ALPHABET);
    let part = |from: usize| {
        let part: Vec<i32> =
            text.chunks_exact(LETTERS + 1).flat_map(|row| &row[from..from + LETTERS]).copied().collect();
        Tensor::new([rows, LETTERS], part).expect("rows of letters")
    };
    (part(0), part(1))
}

fn drawn(stream: u64, count: usize, classes: usize) -> Vec<i32> {
    let mut stream = Stream::new(stream);
    (0..count).map(|_| stream.class(classes)).collect()
}
