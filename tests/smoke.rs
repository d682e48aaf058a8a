//! A little of everything, in two seconds: what to run on every save.
//!
//! Each test goes all the way from a declaration to numbers and looks at one promise. What holds in the corners is tested elsewhere.

use downhill::builder::Mode;
use downhill::prelude::*;
use downhill::{Error, host};
use downhill_graph::interpret::{Environment, Precision, interpret};

network! {
    /// Two inputs, one hidden layer, one probability.
    Classifier(hidden: usize) {
        input  x: [batch, 2];
        target y: [batch, 1];
        let h = tanh(linear(x, hidden));
        output p = sigmoid(linear(h, 1));
        loss binary_cross_entropy(p, y);
    }

    /// Ten classes of images of 6 × 6.
    Images(width: usize) {
        input  x: [batch, 36];
        target label: i32[batch];
        let h = dropout(relu(linear(x, width)), 0.1);
        output z = linear(h, 10);
        loss cross_entropy(z, label);
    }
}

const X: [[f32; 2]; 4] = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
const Y: [[f32; 1]; 4] = [[0.0], [1.0], [1.0], [0.0]];

/// Numbers between −1 and 1 that look random.
fn noise(count: usize) -> Vec<f32> {
    (0..count).map(|n| ((n * 2_654_435_761) % 1000) as f32 / 500.0 - 1.0).collect()
}

#[test]
fn it_learns() {
    let mut net = Classifier::new(8).seed(7).optimizer(adam(0.05)).build().expect("a network");
    for _ in 0..500 {
        net.step(&X, &Y).expect("a step");
    }
    let p = net.forward(&X).expect("probabilities");
    let p = p.as_f32().expect("f32");
    assert!(p[0] < 0.1 && p[1] > 0.9 && p[2] > 0.9 && p[3] < 0.1, "{p:?}");
}

#[test]
fn compiled_code_computes_what_the_interpreter_does() {
    let declaration = Classifier::new(5).declaration(Mode::Infer).unwrap_or_else(|errors| panic!("{errors}"));
    let graph = downhill_nn::entry::forward(&declaration).expect("a graph");
    for lanes in host::available() {
        let net = Classifier::new(5).seed(3).target(lanes).build().expect("a network");
        let mut environment = Environment::default();
        environment.inputs.insert("x".into(), Tensor::from(X));
        for (name, _) in net.parameters() {
            environment.storages.insert(name.into(), net.parameter(name).expect("a parameter"));
        }
        let expected = interpret(&graph, &environment, Precision::F64).expect("numbers");
        let (expected, found) = (expected[0].1.to_f64_vec(), net.forward(&X).expect("numbers").to_f64_vec());
        for (expected, found) in expected.iter().zip(&found) {
            assert!((expected - found).abs() < 1e-6, "{lanes:?}: {expected} and {found}");
        }
    }
}

#[test]
fn gradients_are_slopes() {
    let net = Classifier::new(5).seed(3).build().expect("a network");
    let gradients = net.gradients(&X, &Y).expect("gradients");
    let slope = gradients.get("h.weight").and_then(|tensor| Ok(tensor.as_f32()?[0])).expect("a gradient");
    let loss_at = |change: f32| {
        let mut moved = net.parameter("h.weight").expect("a parameter");
        moved.as_mut_slice::<f32>().expect("f32")[0] += change;
        let mut other = net.program().model(3).expect("a model");
        other.set_parameter("h.weight", &moved).expect("the same shape");
        other.gradients(&X, &Y).expect("a loss").loss().map(f64::from).expect("a loss")
    };
    let difference = (loss_at(1e-2) - loss_at(-1e-2)) / 2e-2;
    assert!((difference - f64::from(slope)).abs() < 1e-4, "{slope} and {difference}");
}

#[test]
fn every_instruction_set_and_variant_gives_the_same_bits() {
    let (x, labels) = (noise(64 * 36), (0..64).map(|n| n % 10).collect::<Vec<i32>>());
    let mut first: Option<Vec<u32>> = None;
    for lanes in host::available() {
        for batches in [vec![], vec![64]] {
            let build = Images::new(40).seed(1).optimizer(sgd(0.1)).target(lanes);
            let mut net = build.batch_sizes(batches.clone()).build().expect("a network");
            for _ in 0..3 {
                net.step(&x, &labels).expect("a step");
            }
            let weights = net.parameter("h.weight").expect("a parameter");
            let bits: Vec<u32> = weights.as_f32().expect("f32").iter().map(|w| w.to_bits()).collect();
            assert!(*first.get_or_insert_with(|| bits.clone()) == bits, "{lanes:?}, code for {batches:?}");
        }
    }
}

#[test]
fn a_mistake_is_an_error_that_says_where() {
    let mut net = Images::new(8).optimizer(sgd(0.1)).build().expect("a network");
    let error = net.step(&noise(36), &[12]).expect_err("no such class").to_string();
    assert!(error.contains("12") && error.contains("`label`"), "{error}");
    let before = net.parameter("h.weight").expect("a parameter");
    let error = net.step(&vec![f32::NAN; 36], &[1]).expect_err("NaN");
    assert!(matches!(error, Error::NonFinite { .. }), "{error}");
    assert_eq!(net.parameter("h.weight").expect("a parameter"), before);
}
