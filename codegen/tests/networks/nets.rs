//! The networks under test, by name: all activations, losses, optimizers, second derivatives, inputs with a time axis.

use downhill_graph::dim::Dim;
use downhill_graph::graph::Graph;
use downhill_graph::types::ElementType::{F32, I32};
use downhill_nn::builder::{Builder, Declaration, Mode, Value};
use downhill_nn::composite::*;
use downhill_nn::entry::step;
use downhill_nn::optimizers::*;
use downhill_nn::value::{
    add, concatenate, gradient, greater, matmul, mean, mean_over, reshape, slice, softplus, square, squares,
    sum, tanh, transpose,
};

/// A network and how it is trained.
pub(crate) struct Net {
    pub(crate) name: String,
    pub(crate) declaration: Declaration,
    optimizer: Optimizer,
}

impl Net {
    pub(crate) fn new(name: &str, optimizer: impl Into<Optimizer>, declare: impl FnOnce(&Builder)) -> Net {
        let builder = Builder::new(Mode::Train);
        declare(&builder);
        let declaration = builder.finish().unwrap_or_else(|errors| panic!("{name}: {errors}"));
        Net { name: name.to_owned(), declaration, optimizer: optimizer.into() }
    }

    /// The graph of a training step.
    pub(crate) fn step(&self) -> Graph {
        step(&self.declaration, None, &self.optimizer).expect("a training step")
    }
}

fn batch() -> Dim {
    Dim::symbol("batch")
}

fn dense(b: &Builder, name: &str, x: &Value, units: usize) -> Value {
    b.scope(name, || linear(x, units, Linear::default()))
}

/// 2-50-1: the lecture's net.
pub(crate) fn lecture() -> Net {
    Net::new("lecture", sgd(1.0), |b| {
        let x = b.input("x", F32, [batch(), 2.into()]);
        let y = b.target("y", F32, [batch(), 1.into()]);
        let h = relu(dense(b, "h", &x, 50));
        let p = sigmoid(dense(b, "p", &h, 1));
        b.output("p", &p);
        b.loss("loss", &binary_cross_entropy(&p, &y), None);
    })
}

/// `inputs`-`hidden`-10 on class indices.
pub(crate) fn classes(name: &str, inputs: usize, hidden: usize, optimizer: impl Into<Optimizer>) -> Net {
    Net::new(name, optimizer, |b| {
        let x = b.input("x", F32, [batch(), inputs.into()]);
        let y = b.target("label", I32, [batch()]);
        let h = relu(dense(b, "h", &x, hidden));
        let z = dense(b, "logits", &h, 10);
        b.output("logits", &z);
        b.loss("loss", &cross_entropy(&z, &y), None);
    })
}

/// Three hidden layers of 64.
pub(crate) fn deep() -> Net {
    Net::new("deep", adam(0.01), |b| {
        let x = b.input("x", F32, [batch(), 20.into()]);
        let y = b.target("y", F32, [batch(), 3.into()]);
        let mut h = x;
        for turn in 0..3 {
            h = gelu(dense(b, &format!("h{turn}"), &h, 64));
        }
        b.loss("loss", &squared_error(dense(b, "out", &h, 3), y), None);
    })
}

/// So many calls that they go through a table: layers of two kinds, one behind the other.
pub(crate) fn long() -> Net {
    Net::new("long", adam(0.01), |b| {
        let x = b.input("x", F32, [batch(), 20.into()]);
        let y = b.target("y", F32, [batch(), 3.into()]);
        let mut h = x;
        for n in 0..8 {
            h = tanh(dense(b, &format!("narrow{n}"), &h, 5));
        }
        for n in 0..6 {
            h = gelu(dense(b, &format!("wide{n}"), &h, 19));
        }
        b.loss("loss", &squared_error(dense(b, "out", &h, 3), y), None);
    })
}

/// The heat equation's residual: derivatives of the network in its own loss.
pub(crate) fn heat() -> Net {
    Net::new("heat", adam(0.01), |b| {
        let x = b.input("x", F32, [batch(), 1.into()]);
        let t = b.input("t", F32, [batch(), 1.into()]);
        let h = tanh(dense(b, "h", &concatenate(b, &[&x, &t], 1), 16));
        let u = dense(b, "u", &h, 1);
        let residual = gradient(&u, &t) - gradient(gradient(&u, &x), &x) * 0.1;
        b.output("u", &u);
        b.loss("loss", &mean(square(residual)), None);
    })
}

/// Activations, each in a hidden layer.
pub(crate) fn activations() -> Vec<Net> {
    type Activation = (&'static str, fn(Value) -> Value);
    let all: [Activation; 11] = [
        ("relu", |x| relu(x)),
        ("leaky_relu", |x| leaky_relu(x, 0.2)),
        ("elu", |x| elu(x, 0.7)),
        ("gelu", |x| gelu(x)),
        ("gelu_tanh", |x| gelu_tanh(x)),
        ("silu", |x| silu(x)),
        ("softplus", |x| softplus(x)),
        ("sigmoid", |x| sigmoid(x)),
        ("tanh", |x| tanh(x)),
        ("softmax", |x| softmax(x, -1)),
        ("log_softmax", |x| log_softmax(x, -1)),
    ];
    let net = |(name, activation): Activation| {
        Net::new(name, sgd(0.1).momentum(0.9), |b| {
            let x = b.input("x", F32, [batch(), 5.into()]);
            let y = b.target("y", F32, [batch(), 3.into()]);
            let h = activation(dense(b, "h", &x, 17));
            let z = dense(b, "z", &h, 3);
            b.output("z", &z);
            b.loss("loss", &squared_error(&z, &y), None);
        })
    };
    all.into_iter().map(net).collect()
}

/// Losses: (prediction, target) in three columns, or class indices.
pub(crate) fn losses() -> Vec<Net> {
    type Loss = (&'static str, fn(&Value, &Value) -> Value);
    let columns: [Loss; 9] = [
        ("squared_error", |p, y| squared_error(p, y)),
        ("absolute_error", |p, y| absolute_error(p, y)),
        ("huber", |p, y| huber(p, y, 0.5)),
        ("hinge", |p, y| hinge(p, y)),
        ("logistic_loss", |p, y| logistic_loss(p, y)),
        ("bce_with_logits", |p, y| bce_with_logits(p, y)),
        ("binary_cross_entropy", |p, y| binary_cross_entropy(sigmoid(p), y)),
        ("categorical_cross_entropy", |p, y| categorical_cross_entropy(softmax(p, -1), y)),
        ("cross_entropy of probabilities", |p, y| cross_entropy(p, y)),
    ];
    let by_index: [Loss; 2] = [
        ("cross_entropy of indices", |p, y| cross_entropy(p, y)),
        ("negative_log_likelihood", |p, y| negative_log_likelihood(log_softmax(p, -1), y)),
    ];
    let net = |name: &str, loss: fn(&Value, &Value) -> Value, indices: bool| {
        Net::new(name, adamw(0.01), |b| {
            let x = b.input("x", F32, [batch(), 4.into()]);
            let y = if indices {
                b.target("label", I32, [batch()])
            } else {
                b.target("y", F32, [batch(), 3.into()])
            };
            let z = dense(b, "z", &tanh(dense(b, "h", &x, 8)), 3);
            b.output("z", &z);
            b.loss("loss", &loss(&z, &y), None);
        })
    };
    let columns = columns.into_iter().map(|(name, loss)| net(name, loss, false));
    columns.chain(by_index.into_iter().map(|(name, loss)| net(name, loss, true))).collect()
}

/// The same net under gradient descent and Adam.
pub(crate) fn optimizers() -> Vec<Net> {
    let all: [(&str, Optimizer); 7] = [
        ("sgd", sgd(0.1).weight_decay(0.01).into()),
        ("momentum", sgd(0.1).momentum(0.9).weight_decay(0.01).into()),
        ("nesterov", sgd(0.1).momentum(0.9).nesterov(true).into()),
        ("dampening", sgd(0.1).momentum(0.9).dampening(0.3).into()),
        ("adam", adam(0.01).into()),
        ("adam with decay", adam(0.01).betas(0.8, 0.95).weight_decay(0.01).into()),
        ("adamw", adamw(0.01).weight_decay(0.1).into()),
    ];
    all.into_iter().map(|(name, optimizer)| classes(name, 7, 16, optimizer)).collect()
}

/// The same net under further rules, and rules around them.
pub(crate) fn rules() -> Vec<Net> {
    let all: [(&str, Optimizer); 24] = [
        ("amsgrad", adam(0.01).amsgrad(true).into()),
        ("rmsprop", rmsprop(0.01).weight_decay(0.1).into()),
        ("rmsprop, centered", rmsprop(0.01).centered(true).momentum(0.9).into()),
        ("adagrad", adagrad(0.1).lr_decay(0.1).into()),
        ("adadelta", adadelta(1.0).into()),
        ("adamax", adamax(0.01).into()),
        ("nadam", nadam(0.01).weight_decay(0.1).into()),
        ("radam of short memory", radam(0.01).betas(0.9, 0.8).into()),
        ("radam of long memory", radam(0.01).into()),
        ("rprop", rprop(0.01).into()),
        ("lion", lion(0.01).weight_decay(0.1).into()),
        ("lamb", lamb(0.01).into()),
        ("muon", muon(0.01).into()),
        ("schedule-free", schedule_free(0.01).weight_decay(0.1).warmup(5).into()),
        ("clipped by value", adam(0.01).clip_value(0.01).into()),
        ("clipped by norm", adam(0.01).clip_norm(0.1).into()),
        ("clipped by each norm", sgd(0.1).clip_each_norm(0.1).into()),
        ("clipped by another norm", sgd(0.1).clip_norm(0.1).norm_type(3.0).into()),
        ("clipped by the greatest", sgd(0.1).clip_norm(0.1).norm_type(f64::INFINITY).into()),
        ("groups", adamw(0.01).rate("h.*", 0.5).spare_vectors().rule("*.bias", lion(0.001)).into()),
        ("sharpness-aware", adamw(0.01).sharpness_aware(0.1).into()),
        ("frozen", sgd(0.1).freeze("h.*").maximize().into()),
        ("averaged", sgd(0.1).average(0.9).into()),
        ("averaged alike", adam(0.01).average_all().start(2).into()),
    ];
    all.into_iter().map(|(name, optimizer)| classes(name, 7, 16, optimizer)).collect()
}

/// `[batch, time, features]` through dense layers, with a penalty on a weight, and flattened.
pub(crate) fn with_time() -> Vec<Net> {
    let tagger = Net::new("tagger", adam(0.01), |b| {
        let time = || Dim::symbol("time");
        let x = b.input("x", F32, [batch(), time(), 6.into()]);
        let y = b.target("label", I32, [batch(), time()]);
        let h = relu(dense(b, "h", &x, 9));
        let z = dense(b, "z", &h, 3);
        b.output("z", &z);
        b.loss(
            "loss",
            &(cross_entropy(&z, &y) + squares(b.find_storage("h.weight").expect("declared")) * 1e-3),
            None,
        );
    });
    let flat = Net::new("flattened", sgd(0.1), |b| {
        let x = b.input("x", F32, [batch(), 4.into(), 3.into()]);
        let y = b.target("y", F32, [batch(), 1.into()]);
        let h = tanh(dense(b, "h", &reshape(&x, [batch(), 12.into()]), 5));
        b.loss("loss", &squared_error(dense(b, "p", &h, 1), y), None);
    });
    vec![tagger, flat]
}

/// Normalisations, dropouts and positions, each behind a dense layer, of rows with a time axis: [batch, time, 6].
pub(crate) fn layers() -> Vec<Net> {
    type Layer = (&'static str, fn(&Value) -> Value);
    let all: [Layer; 11] = [
        ("sinusoidal_positions", |x| add(x, sinusoidal_positions(x.builder(), Dim::symbol("time"), 6))),
        ("rotary", |x| rotary(x, 10_000.0)),
        ("layer_norm", |x| layer_norm(x, LayerNorm::default())),
        ("layer_norm of a wide row", |x| layer_norm(dense(x.builder(), "wide", x, 70), LayerNorm::default())),
        ("rms_norm", |x| rms_norm(x, RmsNorm::default())),
        ("group_norm", |x| transpose(group_norm(transpose(x), 3, GroupNorm::default()))),
        ("group_norm of a row", |x| {
            group_norm(reshape(x, [Dim::from(-1), 6.into()]), 2, GroupNorm::default())
        }),
        ("instance_norm", |x| {
            transpose(instance_norm(transpose(x), InstanceNorm { affine: true, ..InstanceNorm::default() }))
        }),
        ("dropout", |x| dropout(x, 0.3)),
        ("channel_dropout", |x| channel_dropout(x, 0.3)),
        ("drop_path", |x| drop_path(x, 0.3)),
    ];
    all.into_iter().map(behind_dense).collect()
}

/// A layer between dense ones, from [batch, time, 3] to as many.
fn behind_dense((name, layer): (&str, fn(&Value) -> Value)) -> Net {
    Net::new(name, adamw(0.01), |b| {
        let x = b.input("x", F32, [batch(), Dim::symbol("time"), 3.into()]);
        let h = b.scope("n", || layer(&dense(b, "h", &x, 6)));
        let z = dense(b, "z", &tanh(h), 3);
        b.output("z", &z);
        b.loss("loss", &mean(square(z)), None);
    })
}

/// Recurrences of rows with a time axis, [batch, time, 6], and a derivative through one in the network's own loss.
pub(crate) fn recurrences() -> Vec<Net> {
    type Layer = (&'static str, fn(&Value) -> Value);
    let all: [Layer; 6] = [
        ("lstm with projected states", |x| {
            let options =
                Recurrent { proj_size: Some(3.into()), bidirectional: true, ..Recurrent::default() };
            lstm(x, 5, [None, None], &options).output
        }),
        ("rnn", |x| rnn(x, 6, Nonlinearity::Tanh, None, &Recurrent::default()).output),
        ("gru", |x| gru(x, 5, None, &Recurrent::default()).output),
        ("lstm", |x| lstm(x, 5, [None, None], &Recurrent::default()).output),
        ("lstm of two layers in both directions, dropping", |x| {
            let options = Recurrent { layers: 2, bidirectional: true, dropout: 0.25, ..Recurrent::default() };
            lstm(x, 3, [None, None], &options).output
        }),
        ("derivatives of gru", |x| {
            let y = gru(x, 4, None, &Recurrent::default()).output;
            let by_x = gradient(sum(square(&y)), x);
            concatenate(x.builder(), &[y, by_x], -1)
        }),
    ];
    all.into_iter().map(behind_dense).collect()
}

/// Attention of rows with a time axis, [batch, time, 6]: masked in every way, with rows that see nothing, of grouped heads, and with
/// derivatives of the network in its own loss.
pub(crate) fn attentions() -> Vec<Net> {
    type Layer = (&'static str, fn(&Value) -> Value);
    let all: [Layer; 11] = [
        ("causal attention behind a past", |x| {
            let past = Some([0, 1].map(|start| slice(x, 1, 0, None, 1) * (start as f64 + 0.5)));
            let seen = Seen { causal: true, ..Seen::default() };
            attention(x, 2, Attention { seen, past, ..Attention::default() })
        }),
        ("attention", |x| attention(x, 2, Attention::default())),
        ("causal attention", |x| {
            attention(
                x,
                3,
                Attention { seen: Seen { causal: true, ..Seen::default() }, ..Attention::default() },
            )
        }),
        ("attention of lengths", |x| {
            let lengths = Some(x.builder().input("lengths", I32, [batch()]));
            attention(x, 2, Attention { seen: Seen { lengths, ..Seen::default() }, ..Attention::default() })
        }),
        ("attention by a mask", |x| {
            let mask = Some(greater(matmul(x, transpose(x)), 0.5));
            attention(x, 1, Attention { seen: Seen { mask, ..Seen::default() }, ..Attention::default() })
        }),
        ("attention across, grouped, dropping", |x| {
            let key = Some(slice(concatenate(x.builder(), &[x, x], 1), 1, 3, None, 1));
            let options = Attention { key, kv_heads: Some(3.into()), dropout: 0.2, ..Attention::default() };
            attention(x, 6, options)
        }),
        ("queries that see nothing", |x| {
            // Of seven rows of keys behind so many queries, the first queries see none where time is above seven.
            let keys =
                reshape(dense(x.builder(), "keys", &mean_over(x, &[1]), 42), [batch(), 7.into(), 6.into()]);
            let twice = concatenate(x.builder(), &[x, x], 1);
            let options = ScaledAttention {
                seen: Seen { causal: true, ..Seen::default() },
                ..ScaledAttention::default()
            };
            slice(
                scaled_dot_product_attention(twice, &keys, &keys, options),
                1,
                0,
                Some(Dim::symbol("time")),
                1,
            )
        }),
        ("attention of blocks", |x| {
            let block = Some(2.into());
            let seen = Seen { causal: true, ..Seen::default() };
            attention(x, 2, Attention { seen, block, ..Attention::default() })
        }),
        ("attention of blocks across, grouped, masked, dropping", |x| {
            let key = Some(slice(concatenate(x.builder(), &[x, x], 1), 1, 3, None, 1));
            let mask = Some(greater(matmul(x, transpose(key.as_ref().unwrap_or(x))), 0.2));
            let seen = Seen { mask, ..Seen::default() };
            let (kv_heads, block) = (Some(3.into()), Some(3.into()));
            attention(x, 6, Attention { key, seen, kv_heads, dropout: 0.2, block, ..Attention::default() })
        }),
        ("derivatives of attention of blocks", |x| {
            let lengths = Some(x.builder().input("lengths", I32, [batch()]));
            let seen = Seen { lengths, ..Seen::default() };
            let y = attention(x, 2, Attention { seen, block: Some(2.into()), ..Attention::default() });
            gradient(sum(square(y)), x)
        }),
        ("derivatives of attention", |x| {
            let y = attention(
                x,
                2,
                Attention { seen: Seen { causal: true, ..Seen::default() }, ..Attention::default() },
            );
            gradient(sum(square(y)), x)
        }),
    ];
    all.into_iter().map(behind_dense).collect()
}

/// Causal attention of two heads that drops weights, over rows of eight; `block` queries at once.
pub(crate) fn attention_over_time(block: Option<Dim>) -> Net {
    Net::new("attention over time", sgd(0.1), |b| {
        let x = b.input("x", F32, [batch(), Dim::symbol("time"), 8.into()]);
        let seen = Seen { causal: true, ..Seen::default() };
        let y = b
            .scope("y", || attention(&x, 2, Attention { seen, dropout: 0.1, block, ..Attention::default() }));
        b.loss("loss", &mean(square(y)), None);
    })
}

/// Normalised over the batch, once by rows and once by channels of [batch, channels, time], a shared one used twice, and the gradient's
/// length in the loss, which differentiates the batch's statistics twice.
pub(crate) fn normalised() -> Vec<Net> {
    let norm = |b: &Builder, name: &str, x: &Value, affine: bool| {
        b.scope(name, || batch_norm(x, BatchNorm { affine, ..BatchNorm::default() }))
    };
    let rows = Net::new("batch_norm of rows", sgd(0.1).momentum(0.9), |b| {
        let x = b.input("x", F32, [batch(), 6.into()]);
        let y = b.target("y", F32, [batch(), 3.into()]);
        let h = relu(norm(b, "n", &dense(b, "h", &x, 17), true));
        let z = norm(b, "m", &dense(b, "z", &h, 3), false);
        b.output("z", &z);
        b.loss("loss", &squared_error(&z, &y), None);
    });

    let channels = Net::new("batch_norm of channels", adam(0.01), |b| {
        let time = || Dim::symbol("time");
        let x = b.input("x", F32, [batch(), 4.into(), time()]);
        let y = b.target("y", F32, [batch(), 4.into(), time()]);
        let z = norm(b, "n", &x, true);
        b.loss("loss", &squared_error(tanh(z), &y), None);
    });

    let shared = Net::new("batch_norm used twice", sgd(0.1), |b| {
        let x = b.input("x", F32, [batch(), 5.into()]);
        let y = b.target("y", F32, [batch(), 5.into()]);
        let instance = b.instance("n");
        let twice = |x: &Value| b.shared(instance, || batch_norm(x, BatchNorm::default()));
        let z = twice(&tanh(dense(b, "h", &twice(&x), 5)));
        b.loss("loss", &squared_error(&z, &y), None);
    });

    let steep = Net::new("batch_norm's slope", sgd(0.1), |b| {
        let x = b.input("x", F32, [batch(), 3.into()]);
        let y = b.target("y", F32, [batch(), 3.into()]);
        let z = tanh(norm(b, "n", &dense(b, "h", &x, 3), true));
        let slope = gradient(squared_error(&z, &y), &x);
        b.loss("loss", &(squared_error(&z, &y) + mean(square(slope))), None);
    });
    vec![rows, channels, shared, steep]
}

fn convolved(b: &Builder, name: &str, x: &Value, channels: usize, stride: i64) -> Value {
    let options = Convolution {
        stride: vec![stride.into()],
        padding: vec![1.into()],
        bias: false,
        ..Convolution::default()
    };
    let h = b.scope(name, || conv(x, channels, &[3.into()], options));
    b.scope(&format!("{name}_norm"), || batch_norm(h, BatchNorm::default()))
}

fn picture(name: &str, declare: impl Fn(&Builder, &Value) -> Value) -> Net {
    Net::new(name, sgd(0.1), |b| {
        let x = b.input("x", F32, [batch(), 2.into(), 6.into(), 6.into()]);
        let y = b.target("label", I32, [batch()]);
        let z = dense(b, "logits", &global_average_pool(declare(b, &x)), 3);
        b.output("logits", &z);
        b.loss("loss", &cross_entropy(&z, &y), None);
    })
}

/// A convolution with what stands behind it, between others.
pub(crate) fn convolutions() -> Net {
    picture("convolutions", |b, x| {
        let h = relu(convolved(b, "a", x, 4, 1));
        let h = max_pool(relu(convolved(b, "b", &h, 5, 1)), &[2.into()], Pooling::default());
        relu(convolved(b, "c", &h, 3, 2))
    })
}

/// A block with a shortcut, between others.
pub(crate) fn residual() -> Net {
    picture("residual", |b, x| {
        let h = relu(convolved(b, "a", x, 4, 1));
        let inside = relu(convolved(b, "b", &h, 4, 1));
        relu(convolved(b, "c", &inside, 4, 1) + h)
    })
}

/// All of them.
pub(crate) fn all() -> Vec<Net> {
    let single = vec![lecture(), deep(), long(), heat(), classes("digits", 64, 32, sgd(0.1).momentum(0.9))];
    let groups = [
        activations(),
        losses(),
        optimizers(),
        with_time(),
        layers(),
        recurrences(),
        attentions(),
        normalised(),
    ];
    let pictures = vec![convolutions(), residual()];
    [vec![single, pictures], groups.into()].into_iter().flatten().flatten().collect()
}
