//! Random networks of the layers that people use: rows, sequences and pictures, one layer behind the other, with shortcuts.
//!
//! In: a seed. Out: a declaration, and how large a batch and how long a time it is run with.

use downhill_graph::dim::{Bindings, Dim};
use downhill_graph::error::Errors;
use downhill_graph::types::ElementType::{F32, I32};
use downhill_nn::builder::{Builder, Declaration, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::value::*;

/// Numbers that look random and are the same every time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) % count as u64) as usize
    }

    pub(crate) fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// How many symbols of a text there are.
pub(crate) const SYMBOLS: usize = 5;

/// A value on its way through the layers.
#[derive(Clone)]
enum Flow {
    /// `[batch, features]`
    Rows(Value),
    /// `[batch, time, features]`
    Sequence(Value),
    /// `[batch, channels, height, width]`
    Picture(Value),
}

struct Generator<'a> {
    b: Builder,
    dice: &'a mut Dice,
    layers: usize,
}

/// The network that these dice throw, and the sizes to run it with.
pub(crate) fn network(dice: &mut Dice) -> (Result<Declaration, Errors>, Bindings) {
    let batch = dice.of(&[5_i64, 33, 7, 3, 2, 1, 1, 0, 20, 130]);
    let time = dice.of(&[4_i64, 1, 2, 3, 7, 5, 0]);
    let sizes = Bindings::from([("batch".into(), batch), ("time".into(), time)]);
    let b = Builder::new(Mode::Train);
    let mut generator = Generator { b: b.clone(), dice, layers: 0 };
    let mut flow = generator.source();
    for _ in 0..2 + generator.dice.below(5) {
        flow = generator.grow(flow);
    }
    generator.finish(flow);
    (b.finish(), sizes)
}

fn batch() -> Dim {
    Dim::symbol("batch")
}

impl Generator<'_> {
    fn source(&mut self) -> Flow {
        let (b, time) = (self.b.clone(), Dim::symbol("time"));
        match self.dice.below(5) {
            0 => Flow::Rows(b.input("x", F32, [batch(), self.dice.of(&[3_i64, 9, 16]).into()])),
            1 => Flow::Sequence(b.input("x", F32, [batch(), time, self.dice.of(&[4_i64, 6]).into()])),
            2 => {
                let ids = b.input("ids", I32, [batch(), time]);
                let width = self.dice.of(&[4_usize, 8]);
                Flow::Sequence(self.named(|_| embedding(&ids, SYMBOLS, width, Embedding::default())))
            }
            _ => {
                let [channels, height, width] = [[2_i64, 6, 6], [3, 5, 7], [1, 12, 4]][self.dice.below(3)];
                Flow::Picture(b.input("x", F32, [batch(), channels.into(), height.into(), width.into()]))
            }
        }
    }

    /// A layer, with parameters of its own.
    fn named(&mut self, layer: impl FnOnce(&mut Dice) -> Value) -> Value {
        self.layers += 1;
        let (b, dice) = (self.b.clone(), &mut *self.dice);
        b.scope(&format!("layer{}", self.layers), || layer(dice))
    }

    /// Another layer, unless a mistake was made before.
    fn grow(&mut self, flow: Flow) -> Flow {
        match flow {
            Flow::Rows(x) | Flow::Sequence(x) | Flow::Picture(x) if x.shape().is_none() => Flow::Rows(x),
            Flow::Rows(x) => Flow::Rows(self.rows(&x)),
            Flow::Sequence(x) => self.sequence(&x),
            Flow::Picture(x) => self.picture(&x),
        }
    }

    fn rows(&mut self, x: &Value) -> Value {
        self.named(|dice| match dice.below(9) {
            0..=2 => linear(x, dice.of(&[5_usize, 8, 17, 64]), Linear::default()),
            3 => batch_norm(x, BatchNorm::default()),
            4 => layer_norm(x, LayerNorm::default()),
            5 => dropout(gelu(x), 0.25),
            6 => softmax(x, -1),
            7 => concatenate(x.builder(), &[&tanh(x), x], 1),
            _ => x + tanh(linear(x, x.shape().expect("known").dims()[1].clone(), Linear::default())),
        })
    }

    fn sequence(&mut self, x: &Value) -> Flow {
        let (b, features) = (self.b.clone(), x.shape().expect("known").dims()[2].clone());
        let lengths = format!("lengths{}", self.layers);
        let next = self.named(|dice| match dice.below(12) {
            0 => linear(x, dice.of(&[4_usize, 6, 12]), Linear::default()),
            1 => layer_norm(x, LayerNorm::default()),
            2 => attention(x, 2, Attention::default()),
            3 => {
                let seen = Seen { causal: true, ..Seen::default() };
                attention(x, 2, Attention { seen, block: Some(2.into()), ..Attention::default() })
            }
            4 | 5 => {
                let lengths = (dice.below(2) == 0).then(|| b.input(&lengths, I32, [batch()]));
                let options =
                    Recurrent { lengths, bidirectional: dice.below(2) == 0, ..Recurrent::default() };
                match dice.below(3) {
                    0 => gru(x, 4, None, &options).output,
                    1 => rnn(x, 6, Nonlinearity::Tanh, None, &options).output,
                    _ => lstm(x, 4, [None, None], &options).output,
                }
            }
            6 => looped(x, dice.below(2) == 0, dice.below(2) == 0),
            7 => nested(x, dice.below(3)),
            8 => cumsum(x, 1),
            9 => reverse(x, 1),
            10 => {
                let options = Convolution { padding: vec![1.into()], ..Convolution::default() };
                transpose(conv(transpose(x), features, &[3.into()], options))
            }
            _ => x + tanh(linear(dropout(x, 0.2), features, Linear::default())),
        });
        match self.dice.below(6) {
            0 => Flow::Rows(sum_over(&next, &[1])),
            1 => Flow::Rows(max_over(concatenate(&b, &[&next, x], 2), &[2])).widened(&b),
            _ => Flow::Sequence(next),
        }
    }

    fn picture(&mut self, x: &Value) -> Flow {
        let shape = x.shape().expect("known");
        let channels = shape.dims()[1].clone();
        let is_small = shape.dims()[2..].iter().any(|size| size.as_constant().is_none_or(|size| size < 3));
        let next = self.named(|dice| match dice.below(if is_small { 3 } else { 9 }) {
            0 => batch_norm(x, BatchNorm::default()),
            1 => relu(x),
            2 => x + convolved(x, channels, [1, 1, 0]),
            3 | 4 => {
                let [kernel, stride, padding] =
                    dice.of(&[[3, 1, 1], [3, 2, 1], [3, 2, 0], [2, 2, 0], [1, 2, 0]]);
                convolved(x, dice.of(&[2_i64, 4, 5]).into(), [kernel, stride, padding])
            }
            5 => x + convolved(x, channels, [3, 1, 1]),
            6 => max_pool(x, &[2.into()], Pooling::default()),
            7 => {
                let stride = Some(vec![1.into()]);
                average_pool(
                    x,
                    &[3.into()],
                    Pooling { stride, padding: vec![1.into()], ..Pooling::default() },
                    true,
                )
            }
            _ => relu(batch_norm(convolved(x, 3.into(), [3, 1, 1]), BatchNorm::default())),
        });
        match self.dice.below(8) {
            0 => Flow::Rows(global_average_pool(&next)),
            1 => Flow::Rows(flatten(&next)),
            _ => Flow::Picture(next),
        }
    }

    /// An output, and a loss in which all that was declared is.
    fn finish(&mut self, flow: Flow) {
        let b = self.b.clone();
        let rows = match flow {
            Flow::Rows(x) => x,
            Flow::Sequence(x) if self.dice.below(2) == 0 => x,
            Flow::Sequence(x) => sum_over(&x, &[1]),
            Flow::Picture(x) => flatten(&x),
        };
        let z = self.named(|_| linear(&rows, 3, Linear::default()));
        b.output("z", &z);
        let loss = match (self.dice.below(2), z.shape().map(|shape| shape.rank())) {
            (0, Some(2)) => cross_entropy(&z, b.target("label", I32, [batch()])),
            _ => mean(square(z)),
        };
        b.loss("loss", &loss, None);
    }
}

impl Flow {
    /// Rows of several features, of `[batch, time]`: one of each sum, one of each greatest.
    fn widened(self, b: &Builder) -> Flow {
        let Flow::Rows(x) = self else { return self };
        Flow::Rows(concatenate(b, &[expand(sum_over(&x, &[1]), 1), expand(sum_over(square(&x), &[1]), 1)], 1))
    }
}

fn convolved(x: &Value, channels: Dim, [kernel, stride, padding]: [i64; 3]) -> Value {
    let options =
        Convolution { stride: vec![stride.into()], padding: vec![padding.into()], ..Convolution::default() };
    conv(x, channels, &[kernel.into()], options)
}

/// A recurrence by hand.
fn looped(x: &Value, reverse: bool, recompute: bool) -> Value {
    let b = x.builder().clone();
    let features = x.shape().expect("known").dims()[2].clone();
    let over = Scan {
        slices: vec![Slices { name: "step", of: x.clone(), axis: 1 }],
        carried: vec![("h", full(&b, [batch(), features.clone()], 0.1))],
        reverse,
        recompute,
    };
    let scanned = scan(&b, over, |step, h| {
        let mixed = b.scope("mix", || linear(&h[0], features, Linear::default()));
        let next = tanh(&step[0] + mixed);
        Iteration { yields: vec![&next * &h[0]], next: vec![next] }
    });
    scanned.yields[0].clone()
}

/// A loop over features in a loop over time, which goes on with what the inner one came to: row by row, with that of all rows, or with the other
/// rows' last step.
fn nested(x: &Value, mixing: usize) -> Value {
    let b = x.builder().clone();
    let features = x.shape().expect("known").dims()[2].clone();
    let over = Scan {
        slices: vec![Slices { name: "step", of: x.clone(), axis: 1 }],
        carried: vec![("h", full(&b, [batch()], 0.2))],
        ..Scan::default()
    };
    let outer = scan(&b, over, |step, h| {
        let over = Scan {
            slices: vec![Slices { name: "feature", of: step[0].clone(), axis: 1 }],
            carried: vec![("g", h[0].clone())],
            ..Scan::default()
        };
        let inner = scan(&b, over, |feature, g| {
            let next = sin(&g[0] * 0.5 + &feature[0]);
            Iteration { yields: vec![next.clone()], next: vec![next] }
        });
        let (last, steps) = (&inner.last[0], &inner.yields[0]);
        let next = match mixing {
            0 => last.clone(),
            1 => last * 0.5 + tanh(sum(last)),
            _ => last + reverse(reshape(slice(steps, 1, &features - &Dim::from(1), None, 1), [batch()]), 0),
        };
        Iteration { yields: vec![steps.clone()], next: vec![next] }
    });
    outer.yields[0].clone()
}
