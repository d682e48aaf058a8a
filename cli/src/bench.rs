//! `downhill bench`: how fast this machine is, and training on it.

use crate::failure::Failure;
use crate::report::Report;
use downhill::optimizer::Optimizer;
use downhill::prelude::*;
use downhill::profile::Machine;
use serde_json::json;
use std::time::{Duration, Instant};

/// Measure this machine, and training steps on it
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Threads of a step
    #[arg(long, value_parser = crate::options::count, default_value_t = 1)]
    threads: usize,
    /// Seconds for each network
    #[arg(long, value_parser = crate::options::positive, default_value_t = 1.0)]
    seconds: f64,
}

network! {
    /// Layers of rectifiers.
    Mlp(inputs: usize, layers: Vec<usize>, classes: usize) {
        input  x: [batch, inputs];
        target y: i32[batch];
        let h = x;
        for units in layers {
            h = relu(linear(h, units));
        }
        output z = linear(h, classes);
        loss cross_entropy(z, y);
    }

    /// Pictures of digits: LeCun's network, with rectifiers.
    Lenet() {
        input  x: [batch, 1, 28, 28];
        target y: i32[batch];
        let h = max_pool(relu(conv(x, 6, kernel: 5, padding: 2)), 2);
        h = max_pool(relu(conv(h, 16, kernel: 5)), 2);
        h = relu(linear(relu(linear(flatten(h), 120)), 84));
        output z = linear(h, 10);
        loss cross_entropy(z, y);
    }

    /// The next of 27 letters.
    Letters() {
        input  x: i32[batch, time];
        target y: i32[batch, time];
        let h = lstm(embedding(x, 27, 32), 128);
        output z = linear(h, 27);
        loss cross_entropy(z, y);
    }
}

impl Options {
    pub(crate) fn run(self, report: &mut Report) -> Result<(), Failure> {
        let machine = Machine::measure()?;
        let document = json!({
            "vectors": machine.target.name(),
            "multiply_adds_per_second": machine.speed.arithmetic,
            "bytes_per_second": machine.speed.levels.iter().map(|level| json!({ "bytes": level.bytes, "read": level.read })).collect::<Vec<_>>(),
        });
        report.tell("machine", document, format!("{machine}"))?;
        let title = format!(
            "\n{:<32}{:>12}{:>14}{:>16}{:>10}",
            "training step", "time", "rows a second", "operations/s", "of peak"
        );
        let mut rows = Vec::new();
        report.text(title)?;
        for bench in self.benches()? {
            let (text, json) = bench.row(&machine)?;
            rows.push(json);
            report.text(text)?;
        }
        report.document("steps", json!(rows));
        Ok(())
    }

    fn benches(&self) -> Result<Vec<Bench>, Failure> {
        let labels =
            |count: usize, classes: i32| (0..count as i32).map(|n| n % classes).collect::<Vec<i32>>();
        let mut benches = Vec::new();
        for (name, inputs, layers, classes, batch) in [
            ("2-50-2, batch 64", 2, vec![50], 2, 64),
            ("784-128-10, batch 64", 784, vec![128], 10, 64),
            ("784-512-512-10, batch 128", 784, vec![512, 512], 10, 128),
        ] {
            let network = Mlp::new(inputs, layers, classes);
            let net = network.seed(1).threads(self.threads).optimizer(sgd(0.01)).build()?;
            let (x, y) = (Tensor::rand([batch, inputs], 1)?, Tensor::from(labels(batch, classes as i32)));
            benches.push(self.bench(name, net, x, y));
        }
        let rule = || -> Optimizer { sgd(0.01).into() };
        let lenet = Lenet::new().threads(self.threads).optimizer(rule()).build()?;
        let pictures = (Tensor::rand([128, 1, 28, 28], 1)?, Tensor::from(labels(128, 10)));
        benches.push(self.bench("LeNet-5 on 28×28, batch 128", lenet, pictures.0, pictures.1));
        let letters = Letters::new().threads(self.threads).optimizer(rule()).build()?;
        let text = Tensor::new([32, 64], labels(32 * 64, 27))?;
        benches.push(self.bench("LSTM of 128, 64 letters, batch 32", letters, text.clone(), text));
        Ok(benches)
    }

    fn bench(&self, name: &'static str, net: Model, x: Tensor, y: Tensor) -> Bench {
        Bench { name, net, x, y, time: Duration::from_secs_f64(self.seconds) }
    }
}

/// A network and a batch.
struct Bench {
    name: &'static str,
    net: Model,
    x: Tensor,
    y: Tensor,
    time: Duration,
}

impl Bench {
    /// The median of steps, called one by one.
    fn seconds(&mut self) -> Result<f64, Failure> {
        let (start, mut times) = (Instant::now(), Vec::new());
        while times.len() < 5 || start.elapsed() < self.time {
            let step = Instant::now();
            self.net.step(&self.x, &self.y)?;
            times.push(step.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    }

    fn row(mut self, machine: &Machine) -> Result<(String, serde_json::Value), Failure> {
        // This has code made for the batch's size, as many steps would.
        let operations = self.net.profile(&self.x, &self.y)?.total().cost.arithmetic as f64;
        let seconds = self.seconds()?;
        let rows = self.x.shape()[0] as f64 / seconds;
        let share = operations / seconds / machine.speed.arithmetic;
        let text = format!(
            "{:<32}{:>12}{rows:>14.0}{:>14.2} G{:>8.0} %",
            self.name,
            time(seconds),
            operations / seconds / 1e9,
            100.0 * share
        );
        let json = json!({
            "network": self.name, "seconds": seconds, "rows_per_second": rows,
            "operations": operations, "share_of_one_core": share,
        });
        Ok((text, json))
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        ..1e-3 => format!("{:.2} µs", seconds * 1e6),
        ..1.0 => format!("{:.2} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}
