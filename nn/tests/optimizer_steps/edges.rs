//! Gradients of zeros, huge ones, and ones that are not finite; learning rates that change.

use super::stepped::{Start, Stepped};
use downhill_graph::interpret::Precision;
use downhill_nn::optimizers::*;

const W: [f64; 6] = [0.5, -1.25, 2.0, 0.0, -0.5, 1.0];
const BIAS: [f64; 2] = [0.25, 0.0];

/// Every optimizer, without weight decay.
fn all() -> Vec<(&'static str, Optimizer)> {
    vec![
        ("sgd", sgd(0.01).momentum(0.9).into()),
        ("adam", adam(0.01).into()),
        ("amsgrad", adam(0.01).amsgrad(true).into()),
        ("rmsprop", rmsprop(0.01).momentum(0.9).into()),
        ("rmsprop, centered", rmsprop(0.01).centered(true).into()),
        ("adagrad", adagrad(0.01).into()),
        ("adadelta", adadelta(1.0).into()),
        ("adamax", adamax(0.01).into()),
        ("nadam", nadam(0.01).into()),
        ("radam", radam(0.01).betas(0.9, 0.9).into()),
        ("rprop", rprop(0.01).into()),
        ("lion", lion(0.01).into()),
        ("lamb", lamb(0.01).weight_decay(0.0).into()),
        ("muon", muon(0.01).weight_decay(0.0).others(adamw(0.01).weight_decay(0.0)).into()),
        ("schedule-free", schedule_free(0.01).into()),
    ]
}

fn stepped(optimizer: &Optimizer) -> Stepped {
    let w = Start { name: "w", dims: &[2, 3], values: &W };
    Stepped::new(&[w, Start { name: "b", dims: &[2], values: &BIAS }], optimizer, Precision::F32)
}

fn parameters(stepped: &Stepped) -> Vec<f64> {
    [stepped.values("w"), stepped.values("b")].concat()
}

fn states_are_finite(stepped: &Stepped) -> bool {
    stepped.states().iter().all(|name| stepped.values(name).iter().all(|value| value.is_finite()))
}

#[test]
fn gradients_of_zeros_move_nothing() {
    for (name, optimizer) in all() {
        let mut stepped = stepped(&optimizer);
        for _ in 0..8 {
            stepped.step(&[&[0.0; 6], &[0.0; 2]]);
            assert_eq!(parameters(&stepped), [&W[..], &BIAS].concat(), "{name}");
            assert!(states_are_finite(&stepped), "{name}");
        }
    }
}

/// An element without a gradient stays while others move, but under Muon, which looks at a matrix as a whole.
#[test]
fn an_element_without_a_gradient_stays() {
    for (name, optimizer) in all().into_iter().filter(|(name, _)| *name != "muon") {
        let mut stepped = stepped(&optimizer);
        for _ in 0..8 {
            stepped.step(&[&[0.0, 1.0, -1.0, 1e-30, 1e4, -1e4], &[1.0, 0.0]]);
        }
        let moved = stepped.values("w");
        assert_eq!((moved[0], stepped.values("b")[1]), (W[0], BIAS[1]), "{name}");
        assert!(parameters(&stepped).iter().all(|value| value.is_finite()), "{name}");
        assert!(moved[1] < W[1] && moved[2] > W[2], "{name}: {moved:?}");
    }
}

/// The square of 10²⁰ is no f32. What keeps squares holds ∞ then, as PyTorch's does, which a step reports; what need not square does not.
#[test]
fn huge_gradients_break_no_more_than_squares() {
    let squares_none = ["sgd", "adamax", "rprop", "lion"];
    for (name, optimizer) in all().into_iter().filter(|(name, _)| *name != "rmsprop, centered") {
        let mut stepped = stepped(&optimizer);
        for gradient in [1e20, -1e20, 1.0] {
            stepped.step(&[&[gradient; 6], &[0.5; 2]]);
            assert!(parameters(&stepped).iter().all(|value| value.is_finite()), "{name}");
        }
        if squares_none.contains(&name) {
            assert!(states_are_finite(&stepped), "{name}");
        }
    }
}

/// Its directions are as long whatever the gradient is.
#[test]
fn muon_heeds_no_length() {
    let moved = |gradient: f64| {
        let mut stepped = stepped(&muon(0.01).into());
        stepped.step(&[&[1.0, -2.0, 0.5, 0.25, 3.0, -1.0].map(|g| g * gradient), &[0.0; 2]]);
        stepped.values("w")
    };
    let expected = moved(1.0);
    for gradient in [1e20, 1e37] {
        for (found, expected) in moved(gradient).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-6, "{gradient}: {found}, not {expected}");
        }
    }
}

/// NaN and infinities reach a parameter or a state of every rule, so that the step that makes them is reported.
#[test]
fn what_is_not_finite_does_not_vanish() {
    for (name, optimizer) in all() {
        for broken in [f64::NAN, f64::INFINITY] {
            // Signs alone are of an infinity what they are of any number.
            if broken.is_infinite() && name == "rprop" {
                continue;
            }
            let mut stepped = stepped(&optimizer);
            stepped.step(&[&[0.1, broken, 0.1, 0.1, 0.1, 0.1], &[0.5; 2]]);
            let is_seen = parameters(&stepped).iter().any(|value| !value.is_finite());
            assert!(is_seen || !states_are_finite(&stepped), "{name}, {broken}");
        }
    }
}

/// Twice the learning rate moves twice as far in the first step, but where the length of a step is not told by it.
#[test]
fn the_learning_rate_is_that_of_the_step() {
    for (name, optimizer) in all() {
        let moved = |factor: f64| {
            let mut stepped = stepped(&optimizer);
            stepped.set_rate(factor * optimizer.learning_rate());
            stepped.step(&[&[0.3, -0.2, 0.5, 0.1, 0.7, -0.4], &[0.5, -0.25]]);
            let before = [&W[..], &BIAS].concat();
            parameters(&stepped)
                .iter()
                .zip(before)
                .map(|(after, before)| after - before)
                .collect::<Vec<f64>>()
        };
        assert!(moved(0.0).iter().all(|&far| far == 0.0) || name == "rprop", "{name}");
        for (twice, once) in moved(2.0).iter().zip(moved(1.0)) {
            assert!((twice - 2.0 * once).abs() < 1e-6 + 1e-4 * once.abs(), "{name}: {twice}, twice {once}");
            assert!(once != 0.0, "{name}");
        }
    }
}

/// A rate that is raised from 0 gives no share of nothing.
#[test]
fn schedule_free_begins_with_a_rate_of_zero() {
    let mut stepped = stepped(&schedule_free(0.01).into());
    stepped.set_rate(0.0);
    stepped.step(&[&[1.0; 6], &[1.0; 2]]);
    assert_eq!(parameters(&stepped), [&W[..], &BIAS].concat());
    assert_eq!(stepped.values("w.average"), W);
    stepped.set_rate(0.01);
    stepped.step(&[&[1.0; 6], &[1.0; 2]]);
    assert_eq!(
        stepped.values("w.average"),
        stepped.values("w.fast"),
        "the first step that moves is all of it"
    );
    assert!(parameters(&stepped).iter().all(|value| value.is_finite()));
}
