//! Training curves of compiled networks against PyTorch's of `tests/golden/curves.txt`: the same initial weights, the same rows,
//! every loss and the last parameters.
//!
//! The format stands at the head of that file; `tests/golden/make.py` makes it.

use downhill::optimizer::Optimizer;
use downhill::prelude::*;
use downhill::types::ElementType::{self, F32, I32};
use std::collections::BTreeMap;

network! {
    /// `seed` of the golden file.
    Seed() {
        input  x: [batch, 2];
        target y: [batch, 1];
        let h = relu(linear(x, 50));
        let p = sigmoid(linear(h, 1));
        output p;
        loss binary_cross_entropy(p, y);
    }
}

network! {
    /// `digits` of the golden file.
    Digits() {
        input  x: [batch, 64];
        target y: i32[batch];
        let h = relu(linear(x / 16.0, 32));
        let logits = linear(h, 10);
        output logits;
        loss cross_entropy(logits, y);
    }
}

network! {
    /// `pictures` of the golden file.
    Pictures() {
        input  x: [batch, 64];
        target y: i32[batch];
        let a = relu(conv(reshape(x / 16.0, [batch, 1, 8, 8]), 4, 3, padding: 1));
        let b = relu(conv(max_pool(a, 2), 6, 3));
        let logits = linear(flatten(b), 10);
        output logits;
        loss cross_entropy(logits, y);
    }
}

const BATCH: usize = 32;
/// Largest relative distance of a loss, and largest distance of a parameter.
const TOLERANCE: f64 = 1e-5;

/// Dims and values by name.
struct Golden(BTreeMap<String, (Vec<usize>, Vec<f64>)>);

impl Golden {
    fn read() -> Golden {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/curves.txt");
        let text = std::fs::read_to_string(path).expect("the golden file");
        let parse = |line: &str| {
            let mut words = line.split(' ');
            let name = words.next().expect("a name").to_owned();
            let dims =
                words.next().expect("dims").split('x').map(|dim| dim.parse().expect("a dim")).collect();
            (name, (dims, words.map(|word| word.parse().expect("a number")).collect()))
        };
        Golden(text.lines().filter(|line| !line.starts_with('#')).map(parse).collect())
    }

    fn values(&self, name: &str) -> Option<&[f64]> {
        self.0.get(name).map(|(_, values)| values.as_slice())
    }

    fn tensor(&self, name: &str, element: ElementType) -> Tensor {
        let (dims, values) = &self.0[name];
        Tensor::from_f64(element, dims.clone(), values).expect("as many as the dims say")
    }

    fn data(&self, network: &str, labels: ElementType) -> Dataset {
        let (x, y) =
            (self.tensor(&format!("{network}/x"), F32), self.tensor(&format!("{network}/y"), labels));
        Dataset::new([("x", x), ("y", y)]).expect("columns of equally many rows")
    }

    /// The optimizers that a network was trained with: `seed/adamw`.
    fn curves(&self, network: &str) -> Vec<&str> {
        let curve = |name: &'_ String| name.starts_with(&format!("{network}/")) && name.ends_with("/lr");
        self.0.keys().filter(|name| curve(name)).map(|name| name.trim_end_matches("/lr")).collect()
    }

    fn optimizer(&self, curve: &str) -> Optimizer {
        let option = |name: &str| self.values(&format!("{curve}/{name}"));
        let number = |name: &str, default: f64| option(name).map_or(default, |values| values[0]);
        let rate = number("lr", f64::NAN);
        let kind = curve.rsplit('/').next().expect("a name");
        if kind.starts_with("sgd") {
            let plain = sgd(rate).momentum(number("momentum", 0.0)).dampening(number("dampening", 0.0));
            return plain
                .nesterov(number("nesterov", 0.0) != 0.0)
                .weight_decay(number("weight_decay", 0.0))
                .into();
        }
        let decoupled = kind.starts_with("adamw");
        let start = if decoupled { adamw(rate) } else { adam(rate) };
        let betas = option("betas").unwrap_or(&[0.9, 0.999]);
        let decay = number("weight_decay", if decoupled { 0.01 } else { 0.0 });
        start.betas(betas[0], betas[1]).eps(number("eps", 1e-8)).weight_decay(decay).into()
    }
}

fn names(net: &Model) -> Vec<String> {
    net.parameters().map(|(name, _)| name.to_owned()).collect()
}

fn start(golden: &Golden, network: &str, net: &mut Model) {
    for name in names(net) {
        let initial = golden.tensor(&format!("{network}/initial/{name}"), F32);
        net.set_parameter(&name, &initial).expect("a parameter of the golden file");
    }
}

/// The rows of every step, one step's after another's: from (step · batch) mod rows on.
fn order(data: &Dataset, steps: usize) -> Vec<u32> {
    (0..steps * BATCH).map(|row| (row % data.rows()) as u32).collect()
}

fn assert_curve(golden: &Golden, curve: &str, losses: &[f32], net: &Model) {
    let expected = golden.values(&format!("{curve}/loss")).expect("losses");
    assert_eq!(losses.len(), expected.len(), "{curve}");
    for (step, (&found, expected)) in losses.iter().zip(expected).enumerate() {
        let close = (f64::from(found) - expected).abs() <= TOLERANCE * expected;
        assert!(close, "{curve}, step {step}: a loss of {found}, PyTorch's is {expected}");
    }
    for name in names(net) {
        let found = net.parameter(&name).expect("a parameter").to_f64_vec();
        let expected = golden.values(&format!("{curve}/final/{name}")).expect("parameters");
        for (position, (found, expected)) in found.iter().zip(expected).enumerate() {
            let close = (found - expected).abs() <= TOLERANCE;
            assert!(close, "{curve}: {name}[{position}] ends at {found}, PyTorch's at {expected}");
        }
    }
}

fn follow(network: &str, labels: ElementType, build: impl Fn(Optimizer) -> Model) {
    let golden = Golden::read();
    let data = golden.data(network, labels);
    let curves = golden.curves(network);
    for part in
        ["sgd", "sgd_momentum", "sgd_nesterov", "sgd_weight_decay", "adam", "adam_weight_decay", "adamw"]
    {
        assert!(curves.contains(&&*format!("{network}/{part}")), "no curve of {part} among {curves:?}");
    }
    for curve in curves {
        follow_curve(&golden, &data, curve, build(golden.optimizer(curve)));
    }
}

/// All steps in one native call.
fn follow_curve(golden: &Golden, data: &Dataset, curve: &str, mut net: Model) {
    let (network, _) = curve.split_once('/').expect("a network and an optimizer");
    start(golden, network, &mut net);
    let steps = golden.values(&format!("{curve}/loss")).expect("losses").len();
    let rows = order(data, steps);
    let options = EpochOptions { rows: Some(&rows), ..EpochOptions::default() };
    let report = net.epoch_with(data, Epoch { batch: BATCH, seed: 0 }, options).expect("an epoch");
    assert_curve(golden, curve, &report.losses, &net);
}

#[test]
fn seed_follows_pytorch() {
    follow("seed", F32, |optimizer| Seed::new().optimizer(optimizer).build().expect("a network"));
}

#[test]
fn digits_follow_pytorch() {
    follow("digits", I32, |optimizer| Digits::new().optimizer(optimizer).build().expect("a network"));
}

#[test]
fn pictures_follow_pytorch() {
    let (golden, curve) = (Golden::read(), "pictures/sgd_momentum");
    let net = Pictures::new().optimizer(golden.optimizer(curve)).build().expect("a network");
    follow_curve(&golden, &golden.data("digits", I32), curve, net);
}

/// Compiled for this batch, and a call a step.
#[test]
fn single_steps_follow_pytorch() {
    let golden = Golden::read();
    let data = golden.data("digits", I32);
    for curve in ["digits/sgd_nesterov", "digits/adamw"] {
        let mut net =
            Digits::new().optimizer(golden.optimizer(curve)).batch_sizes([BATCH]).build().expect("a network");
        start(&golden, "digits", &mut net);
        let steps = golden.values(&format!("{curve}/loss")).expect("losses").len();
        let losses: Vec<f32> = order(&data, steps)
            .chunks(BATCH)
            .map(|rows| {
                let rows = data.select(rows).expect("rows of the data");
                net.step(rows.column("x").expect("x"), rows.column("y").expect("y")).expect("a step")
            })
            .collect();
        assert_curve(&golden, curve, &losses, &net);
    }
}
