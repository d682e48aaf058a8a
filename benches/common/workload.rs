//! What is measured: shapes, data, initial weights, order of rows.
//!
//! In: a name. Out: a [`Workload`], and of it a network that is ready to train ([`Trainer`]) or to answer ([`Caller`]).
//!
//! Must hold: batch sizes divide the rows, so that a pass over the data is a whole number of steps.

use super::golden::{check_head, check_losses};
use super::numbers::{Stream, permutation, units};
use downhill::Error;
use downhill::prelude::*;
use std::time::{Duration, Instant};

const ROWS: usize = 1024;
const DATA_STREAM: u64 = 1;
const LABEL_STREAM: u64 = 2;
const ORDER_STREAM: u64 = 3;
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

/// A network with rectifiers, and how it is trained. `steps` is how long a run is, counted from the initial weights.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// The sizes of a row, where they are not the first width alone.
    picture: &'static [usize],
    /// Convolutions before the dense layers: kernel, channels in, channels.
    convolutions: &'static [[usize; 3]],
    pub(crate) widths: &'static [usize],
    pub(crate) batch: usize,
    pub(crate) steps: usize,
    pub(crate) learning_rate: f64,
}

const SEED: &[usize] = &[2, 50, 1];
const MLP: &[usize] = &[784, 128, 10];
const MLP_512: &[usize] = &[784, 512, 512, 10];
const MLP_2048: &[usize] = &[1024, 2048, 2048, 1000];
const LENET: &[usize] = &[256, 120, 84, 10];

const fn dense(
    name: &'static str,
    widths: &'static [usize],
    batch: usize,
    steps: usize,
    learning_rate: f64,
) -> Workload {
    Workload { name, picture: &[], convolutions: &[], widths, batch, steps, learning_rate }
}

/// Those that train.
pub(crate) const TRAINING: [Workload; 7] = [
    dense("seed_b1", SEED, 1, 4096, 0.1),
    dense("seed_b64", SEED, 64, 1024, 0.5),
    dense("mlp_b1", MLP, 1, 1024, 0.01),
    dense("mlp_b64", MLP, 64, 256, 0.1),
    dense("mlp512_b128", MLP_512, 128, 32, 0.1),
    dense("mlp2048_b256", MLP_2048, 256, 5, 0.1),
    Workload {
        picture: &[1, 28, 28],
        convolutions: &[[5, 1, 6], [5, 6, 16]],
        ..dense("lenet_b128", LENET, 128, 16, 0.1)
    },
];

/// Those that answer: the networks of `seed_b1` and `mlp_b1`.
pub(crate) const INFERENCE: [(&str, &Workload); 2] =
    [("infer_seed_b1", &TRAINING[0]), ("infer_mlp_b1", &TRAINING[2])];

impl Workload {
    /// The network with code for its batch size; with a training step where one is asked for.
    pub(crate) fn build(&self, training: bool) -> Result<Model, Error> {
        match *self.widths {
            _ if !self.convolutions.is_empty() => self.build_network(Lenet::new(), training),
            [_, hidden, 1] => self.build_network(Seed::new(hidden), training),
            [inputs, hidden, .., classes] => {
                self.build_network(Mlp::new(inputs, hidden, self.widths.len() - 2, classes), training)
            }
            _ => unreachable!("every workload has a hidden layer"),
        }
    }

    fn build_network(&self, network: impl Configure, training: bool) -> Result<Model, Error> {
        let build = network.batch_sizes([self.batch]);
        if training { build.optimizer(sgd(self.learning_rate)).build() } else { build.build() }
    }

    /// Whether its steps take milliseconds, so that what a call costs besides does not show.
    pub(crate) fn is_large(&self) -> bool {
        self.batch > 64
    }

    /// The first rows in order, as a step takes them.
    pub(crate) fn first_batch(&self) -> (Tensor, Tensor) {
        batch_of(&self.data(), &permutation(ORDER_STREAM, ROWS as u32)[..self.batch])
    }

    fn data(&self) -> Dataset {
        let row = if self.picture.is_empty() { &self.widths[..1] } else { self.picture };
        let (inputs, classes) = (row.iter().product(), self.widths[self.widths.len() - 1]);
        let x = units(DATA_STREAM, ROWS * inputs, 1.0);
        let y = if classes == 1 {
            let one_sign =
                x.chunks_exact(inputs).map(|row| f32::from(u8::from((row[0] > 0.0) == (row[1] > 0.0))));
            Tensor::new([ROWS, 1], one_sign.collect::<Vec<f32>>())
        } else {
            let mut stream = Stream::new(LABEL_STREAM);
            Ok(Tensor::from((0..ROWS).map(|_| stream.class(classes)).collect::<Vec<i32>>()))
        };
        let x = Tensor::new([&[ROWS], row].concat(), x).expect("rows of inputs");
        Dataset::new([("x", x), ("y", y.expect("a target a row"))]).expect("a data set")
    }

    /// Weight and bias of each layer, in the order in which the network declares them.
    fn parameters(&self) -> Vec<Vec<f32>> {
        let convolutions = self.convolutions.iter().map(|&[kernel, n, units]| (kernel * kernel * n, units));
        let dense = self.widths.windows(2).map(|widths| (widths[0], widths[1]));
        let arrays = convolutions.chain(dense).zip(0..).flat_map(|((n, outputs), layer)| {
            let scale = (1.0 / (n as f64).sqrt()) as f32;
            let stream = PARAMETER_STREAM + 2 * layer;
            [units(stream, n * outputs, scale), units(stream + 1, outputs, scale)]
        });
        arrays.collect()
    }

    fn check_heads(&self, data: &Dataset, order: &[u32], parameters: &[Vec<f32>]) {
        let as_f32 = |name: &str| match data.column(name).expect("a column") {
            column if column.as_i32().is_ok() => {
                column.as_i32().expect("i32").iter().map(|&c| c as f32).collect()
            }
            column => column.as_f32().expect("f32").to_vec(),
        };
        check_head(self.name, "x", &as_f32("x"));
        check_head(self.name, "y", &as_f32("y"));
        check_head(self.name, "rows", &order.iter().map(|&row| row as f32).collect::<Vec<_>>());
        for (layer, arrays) in parameters.chunks_exact(2).enumerate() {
            check_head(self.name, &format!("layer{layer}.weight"), &arrays[0]);
            check_head(self.name, &format!("layer{layer}.bias"), &arrays[1]);
        }
    }
}

fn batch_of(data: &Dataset, rows: &[u32]) -> (Tensor, Tensor) {
    let batch = data.select(rows).expect("rows of the data");
    (batch.column("x").expect("x").clone(), batch.column("y").expect("y").clone())
}

/// A network with the parameters it starts from.
struct Start {
    net: Model,
    names: Vec<String>,
    parameters: Vec<Vec<f32>>,
}

impl Start {
    fn new(workload: &Workload, training: bool) -> Start {
        let net = workload.build(training).expect("a network");
        let names = net.parameters().map(|(name, _)| name.to_owned()).collect();
        let mut start = Start { net, names, parameters: workload.parameters() };
        assert_eq!(
            start.names.len(),
            start.parameters.len(),
            "{}: a weight and a bias a layer",
            workload.name
        );
        start.reset();
        start
    }

    fn reset(&mut self) {
        for (name, values) in self.names.iter().zip(&self.parameters) {
            self.net.set_parameter(name, values).expect("a parameter of this size");
        }
    }
}

/// A training workload that has proved to compute the golden losses.
pub(crate) struct Trainer {
    workload: &'static Workload,
    start: Start,
    data: Dataset,
    /// The rows of a whole run.
    rows: Vec<u32>,
    /// The batches of one pass, for a step a call.
    batches: Vec<(Tensor, Tensor)>,
    report: EpochReport,
}

impl Trainer {
    /// Builds the network, makes one run each way, and asserts the losses of both.
    pub(crate) fn new(workload: &'static Workload) -> Trainer {
        let (data, order) = (workload.data(), permutation(ORDER_STREAM, ROWS as u32));
        let batches = order.chunks_exact(workload.batch).map(|rows| batch_of(&data, rows)).collect();
        let start = Start::new(workload, true);
        workload.check_heads(&data, &order, &start.parameters);
        let rows = order.iter().copied().cycle().take(workload.steps * workload.batch).collect();
        let mut trainer = Trainer { workload, start, data, rows, batches, report: EpochReport::default() };
        for run in [Trainer::run, Trainer::run_calls] {
            run(&mut trainer, workload.steps);
            check_losses(workload.name, &trainer.report.losses);
        }
        trainer
    }

    /// The first steps of a run, from the initial weights, in one call: how long it took.
    fn run(&mut self, steps: usize) -> Duration {
        self.start.reset();
        let rows = Some(&self.rows[..steps * self.workload.batch]);
        let (epoch, options) =
            (Epoch { batch: self.workload.batch, seed: 0 }, EpochOptions { rows, ..EpochOptions::default() });
        let begin = Instant::now();
        self.start.net.epoch_into(&self.data, epoch, options, &mut self.report).expect("an epoch");
        begin.elapsed()
    }

    /// The first steps of a run, from the initial weights, a step a call: how long it took.
    fn run_calls(&mut self, steps: usize) -> Duration {
        self.start.reset();
        let batches = self.batches.iter().cycle().take(steps);
        self.report.losses.clear();
        let begin = Instant::now();
        for (x, y) in batches {
            self.report.losses.push(self.start.net.step(x, y).expect("a step"));
        }
        begin.elapsed()
    }

    /// How long `steps` steps take, all of a run in one call.
    pub(crate) fn time_steps(&mut self, steps: u64) -> Duration {
        self.scaled(steps, Trainer::run)
    }

    /// How long `steps` steps take, a step a call.
    pub(crate) fn time_calls(&mut self, steps: u64) -> Duration {
        self.scaled(steps, Trainer::run_calls)
    }

    /// The median of whole runs, as the peers are measured; a few steps that are long make a shorter run.
    fn scaled(&mut self, steps: u64, run: fn(&mut Trainer, usize) -> Duration) -> Duration {
        let whole = self.workload.steps as u64;
        let length = if self.workload.is_large() { whole.min(steps.max(1)) } else { whole };
        let mut runs: Vec<Duration> =
            (0..steps.div_ceil(length)).map(|_| run(self, length as usize)).collect();
        runs.sort_unstable();
        runs[runs.len() / 2].mul_f64(steps as f64 / length as f64)
    }
}

/// A network that answers for one row at a time, visited in order.
pub(crate) struct Caller {
    net: Model,
    rows: Vec<Tensor>,
    next: usize,
    output: Vec<f32>,
}

impl Caller {
    /// Builds the network for inference alone.
    pub(crate) fn new(workload: &Workload) -> Caller {
        let data = workload.data();
        let row = |row: u32| data.select(&[row]).and_then(|row| row.column("x").cloned()).expect("a row");
        let rows = permutation(ORDER_STREAM, ROWS as u32).into_iter().map(row).collect();
        let output = vec![0.0; workload.widths[workload.widths.len() - 1]];
        Caller { net: Start::new(workload, false).net, rows, next: 0, output }
    }

    /// One answer, in a tensor of its own.
    pub(crate) fn forward(&mut self) -> Tensor {
        self.next = (self.next + 1) % ROWS;
        self.net.forward(&self.rows[self.next]).expect("an answer")
    }

    /// One answer, written where the last one was.
    pub(crate) fn forward_into(&mut self) -> &[f32] {
        self.next = (self.next + 1) % ROWS;
        self.net.forward_into(&self.rows[self.next], &mut self.output).expect("an answer");
        &self.output
    }
}
