//! Sharpness-aware steps are gradient steps of a point uphill: against gradients that are taken there by themselves.

use downhill_graph::dim::Dim;
use downhill_graph::graph::{Graph, Purpose};
use downhill_graph::interpret::{Environment, Precision, interpret};
use downhill_graph::tensor::Tensor;
use downhill_graph::types::ElementType::F32;
use downhill_nn::builder::{Builder, Declaration, Mode};
use downhill_nn::composite::{Linear, dropout, linear, squared_error};
use downhill_nn::entry;
use downhill_nn::optimizers::*;
use downhill_nn::value::tanh;
use std::collections::BTreeMap;

type Values = BTreeMap<String, Vec<f64>>;

/// 2 – 3 – 1, with a dropout that both points must share.
fn declaration() -> Declaration {
    let b = Builder::new(Mode::Train);
    let x = b.input("x", F32, [Dim::symbol("batch"), Dim::from(2)]);
    let y = b.target("y", F32, [Dim::symbol("batch"), Dim::from(1)]);
    let h = b.scope("h", || dropout(tanh(linear(&x, 3, Linear::default())), 0.3));
    let p = b.scope("p", || linear(&h, 1, Linear::default()));
    b.loss("loss", &squared_error(p, y), None);
    b.finish().unwrap_or_else(|errors| panic!("{errors}"))
}

const SIZES: [(&str, &[usize]); 4] =
    [("h.weight", &[2, 3]), ("h.bias", &[3]), ("p.weight", &[3, 1]), ("p.bias", &[1])];

fn start() -> Values {
    let value = |n: usize| ((n * 37 % 23) as f64 - 11.0) / 11.0;
    let mut next = 0..;
    let mut values =
        |dims: &[usize]| -> Vec<f64> { next.by_ref().take(dims.iter().product()).map(value).collect() };
    SIZES.iter().map(|(name, dims)| (name.to_string(), values(dims))).collect()
}

/// The results of a graph by the names of storages, and the loss.
fn run(graph: &Graph, parameters: &Values) -> Values {
    let tensor = |dims: &[usize], values: &[f64]| Tensor::from_f64(F32, dims, values).expect("a tensor");
    let mut environment = Environment::new()
        .input("x", tensor(&[4, 2], &[0.5, -1.0, 1.5, 0.25, -0.75, 2.0, 0.1, 0.9]))
        .input("y", tensor(&[4, 1], &[1.0, -0.5, 0.25, 2.0]))
        .input(LEARNING_RATE, tensor(&[], &[1.0]));
    for (name, dims) in SIZES {
        let values = Tensor::new(dims, parameters[name].clone()).expect("a tensor");
        environment = environment.storage(name, values);
    }
    let name = |purpose: &Purpose| match purpose {
        Purpose::Gradient(name) | Purpose::Loss(name) => name.to_string(),
        Purpose::Update(index) => graph.storages[*index].name.to_string(),
        other => panic!("{other:?}"),
    };
    let results = interpret(graph, &environment, Precision::F64).expect("results");
    results.into_iter().map(|(purpose, value)| (name(&purpose), value.to_f64_vec())).collect()
}

fn map(a: &Values, b: &Values, f: impl Fn(f64, f64) -> f64) -> Values {
    let pair = |(name, a): (&String, &Vec<f64>)| {
        (name.clone(), a.iter().zip(&b[name]).map(|(&a, &b)| f(a, b)).collect())
    };
    a.iter().map(pair).collect()
}

fn length(values: &Values) -> f64 {
    values.values().flatten().map(|value| value * value).sum::<f64>().sqrt()
}

#[test]
fn a_step_takes_the_gradients_of_a_point_uphill() {
    let declaration = declaration();
    let gradients = entry::gradients(&declaration, None, &[]).expect("gradients");
    let w = start();
    let mut here = run(&gradients, &w);
    let loss = here.remove("loss").expect("a loss");

    for (adaptive, radius) in [(false, 0.3), (true, 0.5)] {
        let optimizer = Optimizer::from(sgd(1.0).sharpness_aware(radius).adaptive(adaptive));
        let mut after = run(&entry::step(&declaration, None, &optimizer).expect("a step"), &w);
        assert_eq!(after.remove("loss").expect("a loss"), loss, "that of the parameters as they are");

        let unit = |w: f64| if adaptive { w.abs() } else { 1.0 };
        let measured = length(&map(&w, &here, |w, g| unit(w) * g));
        let point = map(&w, &here, |w, g| w + radius * unit(w) * unit(w) * g / measured);
        let mut there = run(&gradients, &point);
        there.remove("loss");
        assert!(length(&map(&there, &here, |a, b| a - b)) > 0.01, "the points differ");

        let expected = map(&w, &there, |w, g| w - g);
        for (name, expected) in &expected {
            for (found, expected) in after[name].iter().zip(expected) {
                assert!((found - expected).abs() < 1e-7, "{name}: {found}, not {expected}");
            }
        }
    }
}

#[test]
fn a_radius_of_zero_and_a_gradient_of_zero_change_nothing() {
    let declaration = declaration();
    let step = |optimizer: Optimizer| entry::step(&declaration, None, &optimizer).expect("a step");
    let (plain, w) = (step(sgd(1.0).into()), start());
    let none = step(sgd(1.0).sharpness_aware(0.0).into());
    for (name, expected) in run(&plain, &w) {
        for (found, expected) in run(&none, &w)[&name].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{name}: {found}, not {expected}");
        }
    }

    // Zeros everywhere: only the last bias has a gradient, and without any the point stays where it is.
    let zeros = map(&w, &w, |_, _| 0.0);
    let after = run(&step(sgd(1.0).freeze("p.bias").sharpness_aware(0.1).into()), &zeros);
    assert!(after.values().flatten().all(|value| value.is_finite()));
    assert_eq!(after["h.weight"], zeros["h.weight"]);
}
