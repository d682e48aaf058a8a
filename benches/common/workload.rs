//! What is measured: a network, batches of its data in an order, and how it is trained.
//!
//! In: a name. Out: a [`Workload`], and of it a network that is ready to train ([`Trainer`]) or to answer ([`Caller`]).
//!
//! Must hold: batch sizes divide the rows, so that a pass over the data is a whole number of steps.

use super::golden::{check_head, check_losses};
use super::networks::Network;
use super::numbers::permutation;
use downhill::Error;
use downhill::optimizer::Optimizer;
use downhill::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ORDER_STREAM: u64 = 3;

/// A network, and how it is trained. `steps` is how long a run is, counted from the initial weights.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    network: Network,
    pub(crate) batch: usize,
    /// Rows of data.
    rows: usize,
    pub(crate) steps: usize,
    optimizer: fn() -> Optimizer,
}

const fn workload(
    name: &'static str,
    network: Network,
    batch: usize,
    steps: usize,
    optimizer: fn() -> Optimizer,
) -> Workload {
    Workload { name, network, batch, rows: 1024, steps, optimizer }
}

/// Those that train.
pub(crate) const TRAINING: [Workload; 10] = [
    workload("seed_b1", Network::Dense(&[2, 50, 1]), 1, 4096, || sgd(0.1).into()),
    workload("seed_b64", Network::Dense(&[2, 50, 1]), 64, 1024, || sgd(0.5).into()),
    workload("mlp_b1", Network::Dense(&[784, 128, 10]), 1, 1024, || sgd(0.01).into()),
    workload("mlp_b64", Network::Dense(&[784, 128, 10]), 64, 256, || sgd(0.1).into()),
    workload("mlp512_b128", Network::Dense(&[784, 512, 512, 10]), 128, 32, || sgd(0.1).into()),
    workload("mlp2048_b256", Network::Dense(&[1024, 2048, 2048, 1000]), 256, 5, || sgd(0.1).into()),
    workload("lenet_b128", Network::Lenet, 128, 16, || sgd(0.1).into()),
    workload("resnet20_b32", Network::Resnet, 32, 8, || sgd(0.01).into()),
    Workload { rows: 1020, ..workload("gpt_b12", Network::Gpt, 12, 8, || adamw(0.001).into()) },
    workload("lstm_b32", Network::Lstm, 32, 16, || adam(0.001).into()),
];

/// Those that answer: the networks of `seed_b1` and `mlp_b1`.
pub(crate) const INFERENCE: [(&str, &Workload); 2] =
    [("infer_seed_b1", &TRAINING[0]), ("infer_mlp_b1", &TRAINING[2])];

impl Workload {
    /// The network with code for its batch size; with a training step where one is asked for.
    pub(crate) fn build(&self, training: bool) -> Result<Model, Error> {
        self.program(training)?.model(0)
    }

    fn program(&self, training: bool) -> Result<Arc<Program>, Error> {
        self.network.program(self.batch, training.then(self.optimizer))
    }

    /// Whether its steps take milliseconds, so that what a call costs besides does not show.
    pub(crate) fn is_large(&self) -> bool {
        self.steps <= 32
    }

    /// The first rows in order, as a step takes them.
    pub(crate) fn first_batch(&self) -> (Tensor, Tensor) {
        batch_of(&self.data(), &permutation(ORDER_STREAM, self.rows as u32)[..self.batch])
    }

    fn data(&self) -> Dataset {
        let (x, y) = self.network.data(self.rows);
        Dataset::new([("x", x), ("y", y)]).expect("a data set")
    }

    fn check_heads(&self, data: &Dataset, order: &[u32], start: &Start) {
        let as_f32 = |name: &str| match data.column(name).expect("a column") {
            column if column.as_i32().is_ok() => {
                column.as_i32().expect("i32").iter().map(|&c| c as f32).collect()
            }
            column => column.as_f32().expect("f32").to_vec(),
        };
        check_head(self.name, "x", &as_f32("x"));
        check_head(self.name, "y", &as_f32("y"));
        check_head(self.name, "rows", &order.iter().map(|&row| row as f32).collect::<Vec<_>>());
        for (number, values) in start.parameters.iter().enumerate() {
            check_head(self.name, &format!("parameter{number}"), values);
        }
    }
}
fn batch_of(data: &Dataset, rows: &[u32]) -> (Tensor, Tensor) {
    let batch = data.select(rows).expect("rows of the data");
    (batch.column("x").expect("x").clone(), batch.column("y").expect("y").clone())
}

/// A network with the parameters it starts from.
struct Start {
    program: Arc<Program>,
    net: Model,
    names: Vec<String>,
    parameters: Vec<Vec<f32>>,
}

impl Start {
    fn new(workload: &Workload, training: bool) -> Start {
        let program = workload.program(training).expect("a program");
        let net = program.model(0).expect("a network");
        let names = net.parameters().map(|(name, _)| name.to_owned()).collect();
        let parameters = workload.network.start(net.parameters());
        let mut start = Start { program, net, names, parameters };
        start.reset();
        start
    }

    /// The initial weights, and an optimizer that has not run yet.
    fn reset(&mut self) {
        self.net = self.program.model(0).expect("a network");
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
        let (data, order) = (workload.data(), permutation(ORDER_STREAM, workload.rows as u32));
        let batches = order.chunks_exact(workload.batch).map(|rows| batch_of(&data, rows)).collect();
        let start = Start::new(workload, true);
        workload.check_heads(&data, &order, &start);
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
        let rows = permutation(ORDER_STREAM, workload.rows as u32).into_iter().map(row).collect();
        let mut caller = Caller { net: Start::new(workload, false).net, rows, next: 0, output: Vec::new() };
        caller.output = caller.forward().as_f32().expect("f32").to_vec();
        caller
    }

    /// One answer, in a tensor of its own.
    pub(crate) fn forward(&mut self) -> Tensor {
        self.next = (self.next + 1) % self.rows.len();
        self.net.forward(&self.rows[self.next]).expect("an answer")
    }

    /// One answer, written where the last one was.
    pub(crate) fn forward_into(&mut self) -> &[f32] {
        self.next = (self.next + 1) % self.rows.len();
        self.net.forward_into(&self.rows[self.next], &mut self.output).expect("an answer");
        &self.output
    }
}
