//! Compiled `batch_norm` against PyTorch's of `tests/golden/batch_norm.txt`: five steps of SGD with momentum, the running statistics and
//! what inference makes of them; on every target, the same bits.
//!
//! The format stands at the head of that file; `tests/golden/batch_norm.py` makes it.

use downhill::InstructionSet;
use downhill::prelude::*;
use std::collections::BTreeMap;

network! {
    /// `rows` of the golden file.
    Rows(momentum: f64, eps: f64) {
        input  x: [batch, 5];
        target y: [batch, 3];
        param w: [5, 3] = zeros();
        let h = batch_norm(x @ w, momentum: momentum, eps: eps);
        output p = tanh(h);
        loss squared_error(p, y);
    }

    /// `spatial` of the golden file.
    Spatial(momentum: f64, eps: f64) {
        input  x: [batch, 3, 4, 5];
        target y: [batch, 3, 4, 4];
        param w: [5, 4] = zeros();
        let h = batch_norm(x @ w, momentum: momentum, eps: eps);
        output p = tanh(h);
        loss squared_error(p, y);
    }
}

/// Dims and values of a curve by name.
fn golden(curve: &str) -> BTreeMap<String, Tensor> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/batch_norm.txt");
    let text = std::fs::read_to_string(path).expect("the golden file");
    let start = format!("curve/{curve}/");
    let parse = |line: &str| {
        let mut words = line.strip_prefix(&start)?.split(' ');
        let name = words.next().expect("a name").to_owned();
        let dims: Vec<usize> =
            words.next().expect("dims").split('x').map(|dim| dim.parse().expect("a dim")).collect();
        let values: Vec<f64> = words.map(|word| word.parse().expect("a number")).collect();
        Some((name, Tensor::from_f64(downhill::types::ElementType::F64, dims, &values).expect("a tensor")))
    };
    text.lines().filter_map(parse).collect()
}

fn number(golden: &BTreeMap<String, Tensor>, name: &str) -> f64 {
    golden[name].to_f64_vec()[0]
}

/// Eight rows from this one on, or all of them.
fn rows(tensor: &Tensor, part: Option<usize>) -> Tensor {
    let (mut dims, values) = (tensor.shape().to_vec(), tensor.to_f64_vec());
    let row: usize = dims[1..].iter().product();
    let values = part.map_or(&values[..], |first| &values[first * row..][..8 * row]);
    dims[0] = values.len() / row;
    Tensor::from_f64(downhill::types::ElementType::F32, dims, values).expect("a tensor")
}

fn assert_close(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (position, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= 2e-6 * b.abs().max(1.0), "{what}[{position}]: {a}, PyTorch's is {b}");
    }
}

/// What five steps make of everything, as bits.
fn follow(curve: &str, build: impl Fn(f64, f64, f64) -> Model) -> Vec<Tensor> {
    let golden = golden(curve);
    let [momentum, eps, rate] = ["momentum", "eps", "lr"].map(|name| number(&golden, name));
    let mut net = build(momentum, eps, rate);
    let w = golden["initial/w"].to_f64_vec();
    net.set_parameter("w", &rows_of(&golden["initial/w"], &w)).expect("a parameter");

    for (step, expected) in golden["loss"].to_f64_vec().into_iter().enumerate() {
        let first = step * 8 % 16;
        let loss = net.step(&rows(&golden["x"], Some(first)), &rows(&golden["y"], Some(first)));
        assert_close(
            &format!("{curve}, step {step}: loss"),
            &[f64::from(loss.expect("a step"))],
            &[expected],
        );
    }

    let found = [
        net.parameter("w"),
        net.parameter("h.weight"),
        net.parameter("h.bias"),
        net.state_of("h.running_mean"),
        net.state_of("h.running_var"),
        net.forward(&rows(&golden["x"], None)),
    ];
    let found = found.map(|value| value.expect("a value"));
    let names =
        ["final/w", "final/weight", "final/bias", "final/running_mean", "final/running_var", "inference"];
    for (name, tensor) in names.into_iter().zip(&found) {
        assert_close(&format!("{curve}: {name}"), &tensor.to_f64_vec(), &golden[name].to_f64_vec());
    }
    found.to_vec()
}

fn rows_of(like: &Tensor, values: &[f64]) -> Tensor {
    Tensor::from_f64(downhill::types::ElementType::F32, like.shape(), values).expect("a tensor")
}

/// On every target, with threads, and with code of their own for these rows.
fn follow_everywhere(curve: &str, build: impl Fn(f64, f64, f64, InstructionSet, usize, &[usize]) -> Model) {
    let mut first: Option<Vec<Tensor>> = None;
    for lanes in downhill::host::available() {
        for threads in [1, 2] {
            for sizes in [&[][..], &[8]] {
                let found =
                    follow(curve, |momentum, eps, rate| build(momentum, eps, rate, lanes, threads, sizes));
                match &first {
                    Some(first) => {
                        assert!(*first == found, "{curve}: other bits on {lanes:?}, {threads} threads")
                    }
                    None => first = Some(found),
                }
            }
        }
    }
}

macro_rules! built {
    ($network:ident) => {
        |momentum, eps, rate, lanes, threads, sizes| {
            let net = $network::new(momentum, eps).optimizer(sgd(rate).momentum(0.9));
            let net = net.target(lanes).threads(threads).batch_sizes(sizes.to_vec());
            net.build().unwrap_or_else(|error| panic!("{error}"))
        }
    };
}

#[test]
fn rows_follow_pytorch() {
    follow_everywhere("rows", built!(Rows));
}

#[test]
fn pictures_follow_pytorch() {
    follow_everywhere("spatial", built!(Spatial));
}

network! {
    /// Statistics of the truth and of what is made up, by one critic.
    layer critic(x: [batch, n]) -> [batch, 1] {
        linear(relu(batch_norm(linear(x, 8), momentum: 0.5)), 1)
    }

    Made() {
        input noise: [batch, 3];
        input real: [batch, 2];
        shared d = critic;
        let fake = linear(batch_norm(noise, affine: false), 2);
        output fake;
        loss judge over d = bce_with_logits(d(real), 1.0) + bce_with_logits(d(stop_gradient(fake)), 0.0);
        loss artist = bce_with_logits(d(fake), 1.0) + 0.0 * mean(d(real));
    }
}

#[test]
fn a_shared_layer_keeps_one_set_of_statistics_and_an_optimizer_trains_none_of_them() {
    let mut net = Made::new().optimizer(adam(0.01)).seed(2).build().expect("a network");
    let states: Vec<String> = net.states().map(|(name, _)| name.to_owned()).collect();
    for name in ["d.1.running_mean", "d.1.running_var", "fake.0.running_mean", "fake.0.running_var"] {
        assert!(states.iter().any(|known| known == name), "{name} of {states:?}");
    }
    assert!(net.parameters().all(|(name, _)| !name.contains("running")));

    let start = net.state_of("d.1.running_var").expect("a state");
    let (noise, real) = ([[0.5, -1.0, 2.0], [1.5, 0.0, -2.0]], [[1.0, 2.0], [3.0, -1.0]]);
    net.step_loss("judge", (&noise, &real), ()).expect("a step");
    let judged = net.state_of("d.1.running_var").expect("a state");
    assert_ne!(start, judged);
    net.step_loss("artist", (&noise, &real), ()).expect("a step");
    assert_ne!(judged, net.state_of("d.1.running_var").expect("a state"));
}

network! {
    /// A refusal for each mistake that only numbers show.
    Options(momentum: f64, eps: f64) {
        input  x: [batch, 2];
        target y: [batch, 2];
        output p = batch_norm(x, momentum: momentum, eps: eps);
        loss squared_error(p, y);
    }
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for (momentum, eps, message) in [(-0.5, 1e-5, "a momentum of -0.5"), (0.1, -1.0, "an eps of -1")] {
        let refused = Options::new(momentum, eps).optimizer(sgd(0.1)).build().expect_err("an option");
        assert!(refused.to_string().contains(message), "{refused}");
    }
}

/// What is right for a batch is right for a batch of one.
#[test]
fn one_row_is_finite() {
    let mut net = Options::new(0.1, 1e-5).optimizer(sgd(0.1)).build().expect("a network");
    net.step(&[[1.0, 2.0]], &[[0.0, 0.0]]).expect("a step");
    let variance = net.state_of("p.running_var").expect("a state").to_f64_vec();
    assert!(variance.iter().all(|variance| (variance - 0.9).abs() < 1e-6), "{variance:?}");
}
