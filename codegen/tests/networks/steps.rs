//! Whole training steps, compiled, against the interpreter; and gradients of a batch of nothing.

use super::common;
use super::nets::{self, Net};
use downhill_graph::dim::Bindings;
use downhill_graph::graph::Graph;
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::tensor::Tensor;
use downhill_graph::types::{ElementType, Type};
use downhill_nn::entry::gradients;

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    /// In 0..1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f64 / (1 << 24) as f64
    }

    fn tensor(&mut self, ty: &Type, sizes: &Bindings, mut number: impl FnMut(f64) -> f64) -> Tensor {
        let shape = ty.shape.evaluate(sizes).expect("known sizes");
        let values: Vec<f64> = (0..shape.iter().product()).map(|_| number(self.unit())).collect();
        Tensor::from_f64(ty.element, shape, &values).expect("as many as the shape says")
    }
}

/// States that are never negative.
const POSITIVE: [&str; 9] = [
    "second_moment",
    "running_var",
    "mean_square",
    "mean_square_move",
    "sum_of_squares",
    "greatest",
    "step_size",
    "momentum_product",
    "rate_squares",
];

/// Inputs, parameters and an optimizer's states as they may be amid a training.
fn environment(graph: &Graph, sizes: &Bindings) -> Environment {
    let mut numbers = Numbers(7);
    let mut environment = Environment::new();
    for input in &graph.inputs {
        let tensor = numbers.tensor(&input.ty, sizes, |unit| match (&*input.name, input.ty.element) {
            ("learning_rate", _) => 0.1,
            (_, ElementType::I32) => (3.0 * unit).floor(),
            // Labels of 0 or 1 are what every loss takes.
            ("y", _) => unit.round(),
            _ => 4.0 * unit - 2.0,
        });
        environment = environment.input(&input.name, tensor);
    }
    for storage in &graph.storages {
        let tensor = numbers.tensor(&storage.ty, sizes, |unit| match &*storage.name {
            "optimizer.step" => 3.0,
            name if POSITIVE.iter().any(|state| name.ends_with(state)) => 0.01 + 0.1 * unit,
            // Its square is no more than the mean of squares.
            name if name.ends_with(".mean") => 0.1 * unit,
            _ => unit - 0.5,
        });
        environment = environment.storage(&storage.name, tensor);
    }
    environment
}

/// Compares every result, generic and with sizes fixed, whose bits are the same. What f32 loses is what the interpreter loses in
/// f32, up to the order of its additions.
fn assert_computes(name: &str, graph: &Graph, environment: &Environment, sizes: &Bindings) {
    let [exact, rounded] = [Precision::F64, Precision::F32]
        .map(|p| interpret(graph, environment, p).expect("the interpreter runs it"));
    let generic = common::run(graph, environment, &Bindings::new()).expect("it compiles");
    let fixed = common::run(graph, environment, sizes).expect("it compiles");
    if generic.stopped != -1 {
        assert!(sizes["batch"] == 0 && fixed.stopped == 0, "{name} at {sizes:?}: no finite loss");
        return;
    }
    for (n, (purpose, exact)) in exact.iter().enumerate() {
        let (exact, rounded, found) =
            (exact.to_f64_vec(), rounded[n].1.to_f64_vec(), generic.results[n].1.to_f64_vec());
        let lost = exact.iter().zip(&rounded).map(|(e, r)| (e - r).abs()).fold(0.0, f64::max);
        let most = exact.iter().map(|e| e.abs()).fold(0.0, f64::max);
        let tolerance = 8.0 * lost + 1e-6 * most;
        assert_eq!(exact.len(), found.len(), "{name}: {purpose:?}");
        for (position, (e, f)) in exact.iter().zip(&found).enumerate() {
            let alike = (e - f).abs() <= tolerance || e == f || e.is_nan() && f.is_nan();
            assert!(
                alike,
                "{name} at {sizes:?}: {purpose:?}[{position}] is {f}, expected {e} ± {tolerance:e}"
            );
        }
        assert_eq!(
            common::bits(&generic.results[n].1),
            common::bits(&fixed.results[n].1),
            "{name} at {sizes:?}: {purpose:?} has other bits when sizes are fixed"
        );
    }
}

fn sizes(batch: i64) -> Bindings {
    Bindings::from([("batch".into(), batch), ("time".into(), 5)])
}

fn assert_steps(nets: Vec<Net>, batches: &[i64]) {
    for net in nets {
        let graph = net.step();
        for &batch in batches {
            let sizes = sizes(batch);
            assert_computes(&net.name, &graph, &environment(&graph, &sizes), &sizes);
        }
    }
}

#[test]
fn every_activation_trains() {
    assert_steps(nets::activations(), &[1, 7]);
}

#[test]
fn every_layer_trains() {
    assert_steps(nets::layers(), &[1, 7]);
}

#[test]
fn every_recurrence_trains() {
    assert_steps(nets::recurrences(), &[1, 2, 7]);
}

#[test]
fn every_attention_trains() {
    assert_steps(nets::attentions(), &[1, 3]);
}

#[test]
fn every_loss_trains() {
    assert_steps(nets::losses(), &[2, 7]);
}

#[test]
fn every_optimizer_trains() {
    assert_steps(nets::optimizers(), &[1, 7]);
    assert_steps(nets::rules(), &[7]);
}

#[test]
fn batches_of_every_size() {
    assert_steps(vec![nets::lecture(), nets::deep()], &[1, 2, 7, 64]);
}

#[test]
fn second_derivatives_train() {
    assert_steps(vec![nets::heat()], &[1, 2, 7, 64]);
}

#[test]
fn normalised_layers_train() {
    assert_steps(nets::normalised(), &[1, 2, 7, 64]);
}

#[test]
fn networks_of_pictures_train() {
    assert_steps(vec![nets::convolutions(), nets::residual()], &[1, 3, 40]);
}

#[test]
fn inputs_with_a_time_axis_train() {
    assert_steps(nets::with_time(), &[1, 2, 7]);
}

/// The mean over nothing is NaN, which ends a call; nothing is written or read out of place on the way there.
#[test]
fn gradients_of_a_batch_of_nothing() {
    for net in nets::all() {
        let graph = gradients(&net.declaration, None, &[]).expect("gradients");
        for batch in [0, 2] {
            let sizes = sizes(batch);
            assert_computes(&net.name, &graph, &environment(&graph, &sizes), &sizes);
        }
    }
}
