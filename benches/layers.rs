//! What a layer alone costs, forward and backward: `cargo bench --bench layers`, or `cargo bench --bench layers -- attention conv` for these.
//!
//! In: the rows of [`ROWS`]. Out: for each the least time of a pass in microseconds, which `benches/peers/layers.py` puts beside PyTorch's.
//! A pass is the layer forward, and the gradients of ½ Σ y² by what the row names; that of `embedding` is a step of plain descent.
//!
//! Must hold: sizes are those of `benches/peers/layers.py`.

#[path = "common/numbers.rs"]
#[allow(dead_code, reason = "orders of rows are for whole trainings")]
mod numbers;

use downhill::prelude::*;
use numbers::{Stream, units};
use std::time::{Duration, Instant};

network! {
    Attention(time: usize) {
        input q: [batch, 4, time, 32];
        input k: [batch, 4, time, 32];
        input v: [batch, 4, time, 32];
        output y = scaled_dot_product_attention(q, k, v, causal: true);
        loss 0.5 * sum(y * y);
    }

    BatchNorm(channels: usize, size: usize) {
        input x: [batch, channels, size, size];
        output y = batch_norm(x);
        loss 0.5 * sum(y * y);
    }

    LayerNorm(width: usize) {
        input x: [batch, width];
        output y = layer_norm(x);
        loss 0.5 * sum(y * y);
    }

    Convolution(inputs: usize, size: usize, channels: usize, kernel: usize, stride: usize, padding: usize, groups: usize) {
        input x: [batch, inputs, size, size];
        output y = conv(x, channels, kernel: kernel, stride: stride, padding: padding, groups: groups, bias: false);
        loss 0.5 * sum(y * y);
    }

    /// Four pixels of each, as decoders and generators of pictures have it.
    Transposed(inputs: usize, size: usize, channels: usize) {
        input x: [batch, inputs, size, size];
        output y = conv_transpose(x, channels, kernel: 4, stride: 2, padding: 1, bias: false);
        loss 0.5 * sum(y * y);
    }

    Embedding(count: usize, width: usize) {
        input x: i32[batch];
        output y = embedding(x, count, width);
        loss 0.5 * sum(y * y);
    }
}

type Pass = Box<dyn FnMut()>;

/// A name, and what prepares a pass.
type Row = (&'static str, fn() -> Pass);

const ROWS: [Row; 7] = [
    ("attention_64", || attention(12, 64)),
    ("attention_512", || attention(4, 512)),
    ("attention_2048", || attention(1, 2048)),
    ("batch_norm", || normalised(BatchNorm::new(16, 32).batch_sizes([32]).build(), &[32, 16, 32, 32])),
    ("layer_norm", || normalised(LayerNorm::new(128).batch_sizes([768]).build(), &[768, 128])),
    ("depthwise", || convolved(&Shape { batch: 8, groups: 128, ..SAME.of(128, 28) }, &["x", "y.weight"])),
    ("embedding", || embedded(50_000, 128, 4096)),
];

/// A convolution of square pictures.
#[derive(Clone, Copy)]
struct Shape {
    batch: usize,
    inputs: usize,
    size: usize,
    channels: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    groups: usize,
}

/// 3×3 that keeps channels and sizes.
const SAME: Shape =
    Shape { batch: 32, inputs: 16, size: 32, channels: 16, kernel: 3, stride: 1, padding: 1, groups: 1 };

/// 5×5 without a padding, as in LeNet-5.
const INSIDE: Shape = Shape { batch: 128, kernel: 5, padding: 0, ..SAME };

impl Shape {
    const fn of(self, channels: usize, size: usize) -> Shape {
        Shape { inputs: channels, channels, size, ..self }
    }
}

/// Each is measured forward, and with the gradient by its input, and by its weights.
const CONVOLUTIONS: [(&str, Shape); 7] = [
    ("conv16", SAME),
    ("conv32", SAME.of(32, 16)),
    ("conv64", SAME.of(64, 8)),
    ("conv_1_to_6", Shape { inputs: 1, channels: 6, size: 28, ..INSIDE }),
    ("conv_6_to_16", Shape { inputs: 6, channels: 16, size: 12, ..INSIDE }),
    ("conv_16_to_6", Shape { inputs: 16, channels: 6, size: 12, ..INSIDE }),
    ("conv_by_2", Shape { channels: 32, stride: 2, ..SAME }),
];

const FORMS: [(&str, &[&str]); 3] = [("", &[]), ("_by_x", &["x"]), ("_by_weight", &["y.weight"])];

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let measure = |name: &str, prepare: &dyn Fn() -> Pass| {
        if named.is_empty() || named.iter().any(|part| name.contains(&**part)) {
            println!("{name} {:.1}", least(&mut *prepare()).as_secs_f64() * 1e6);
        }
    };
    ROWS.iter().for_each(|(name, prepare)| measure(name, prepare));
    for (name, shape) in &CONVOLUTIONS {
        for (form, by) in FORMS {
            measure(&format!("{name}{form}"), &|| convolved(shape, by));
        }
    }
    for (form, by) in FORMS {
        measure(&format!("transposed{form}"), &|| transposed([64, 128, 7, 64], by));
    }
}

/// The least time of a pass, of those of half a second and at least ten.
fn least(pass: &mut dyn FnMut()) -> Duration {
    (0..3).for_each(|_| pass());
    let (begin, mut least, mut passes) = (Instant::now(), Duration::MAX, 0);
    while passes < 10 || begin.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        pass();
        least = least.min(start.elapsed());
        passes += 1;
    }
    least
}

fn tensor(stream: u64, shape: &[usize]) -> Tensor {
    Tensor::new(shape, units(stream, shape.iter().product(), 1.0)).expect("a tensor")
}

/// Room for a gradient of this shape.
fn room(shape: &[usize]) -> Vec<f32> {
    vec![0.0; shape.iter().product()]
}

fn attention(batch: usize, time: usize) -> Pass {
    let net = Attention::new(time).batch_sizes([batch]).build().expect("a network");
    let shape = [batch, 4, time, 32];
    let [q, k, v] = [1, 2, 3].map(|stream| tensor(stream, &shape));
    let [mut by_q, mut by_k, mut by_v] = [(); 3].map(|()| room(&shape));
    Box::new(move || {
        let into = [&mut by_q as _, &mut by_k as _, &mut by_v as _];
        net.gradients_into(None, ["q", "k", "v"], (&q, &k, &v), (), into).expect("gradients");
    })
}

fn normalised(net: Result<Model, downhill::Error>, shape: &[usize]) -> Pass {
    let net = net.expect("a network");
    let x = tensor(1, shape);
    let channels = net.parameters().next().expect("a factor").1;
    let (mut by_x, mut by_weight, mut by_bias) = (room(shape), room(&channels), room(&channels));
    Box::new(move || {
        let into = [&mut by_x as _, &mut by_weight as _, &mut by_bias as _];
        net.gradients_into(None, ["x", "y.weight", "y.bias"], &x, (), into).expect("gradients");
    })
}

fn convolved(shape: &Shape, by: &'static [&'static str]) -> Pass {
    let Shape { batch, inputs, size, channels, kernel, stride, padding, groups } = *shape;
    let network = Convolution::new(inputs, size, channels, kernel, stride, padding, groups);
    let net = network.batch_sizes([batch]).build().expect("a network");
    let places = (size + 2 * padding - kernel) / stride + 1;
    of_pictures(net, [&[batch, inputs, size, size], &[batch, channels, places, places]], by)
}

fn transposed([batch, inputs, size, channels]: [usize; 4], by: &'static [&'static str]) -> Pass {
    let net = Transposed::new(inputs, size, channels).batch_sizes([batch]).build().expect("a network");
    of_pictures(net, [&[batch, inputs, size, size], &[batch, channels, 2 * size, 2 * size]], by)
}

/// A pass of a layer with one parameter, from pictures of a shape to those of another.
fn of_pictures(net: Model, [from, to]: [&[usize]; 2], by: &'static [&'static str]) -> Pass {
    let x = tensor(1, from);
    let weight = net.parameters().next().expect("a weight").1;
    let (mut y, mut by_x, mut by_weight) = (room(to), room(from), room(&weight));
    Box::new(move || match *by {
        [] => net.forward_into(&x, &mut y).expect("an output"),
        ["x"] => _ = net.gradients_into(None, ["x"], &x, (), [&mut by_x as _]).expect("a gradient"),
        ["y.weight"] => {
            let into = [&mut by_weight as _];
            net.gradients_into(None, ["y.weight"], &x, (), into).expect("a gradient");
        }
        _ => {
            let into = [&mut by_x as _, &mut by_weight as _];
            net.gradients_into(None, ["x", "y.weight"], &x, (), into).expect("gradients");
        }
    })
}

fn embedded(count: usize, width: usize, batch: usize) -> Pass {
    let network = Embedding::new(count, width).batch_sizes([batch]);
    let mut net = network.optimizer(sgd(0.01)).build().expect("a network");
    let mut stream = Stream::new(1);
    let x = Tensor::from((0..batch).map(|_| stream.class(count)).collect::<Vec<i32>>());
    Box::new(move || _ = net.step(&x, ()).expect("a step"))
}
