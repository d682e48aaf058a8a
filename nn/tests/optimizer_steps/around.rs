//! Clipping and averages at their edges.

use super::stepped::{Start, Stepped};
use downhill_graph::interpret::Precision::{F32, F64};
use downhill_nn::optimizers::*;

/// The parameter after one step of gradient descent at a rate of 1, from 0.
fn moved(optimizer: impl Into<Optimizer>, gradient: &[f64]) -> Vec<f64> {
    let (dims, values) = ([gradient.len()], vec![0.0; gradient.len()]);
    let start = Start { name: "w", dims: &dims, values: &values };
    let mut stepped = Stepped::new(&[start], &optimizer.into(), F32);
    stepped.step(&[gradient]);
    stepped.values("w").iter().map(|w| -w).collect()
}

fn assert_near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1e-30), "{found}, not {expected}");
    }
}

#[test]
fn short_gradients_stay_as_they_are() {
    for p in [1.0, 2.0, 3.5, f64::INFINITY] {
        assert_eq!(moved(sgd(1.0).clip_norm(10.0).norm_type(p), &[0.0; 3]), [0.0; 3], "{p}");
        assert_eq!(moved(sgd(1.0).clip_norm(10.0).norm_type(p), &[0.5, -2.0]), [0.5, -2.0], "{p}");
        let tiny = f64::from(1e-30_f32);
        assert_eq!(moved(sgd(1.0).clip_each_norm(10.0).norm_type(p), &[tiny, 0.0]), [tiny, 0.0], "{p}");
    }
    assert_eq!(moved(sgd(1.0).clip_value(3.0), &[0.5, -2.0, 3.0]), [0.5, -2.0, 3.0]);
}

#[test]
fn long_gradients_keep_their_direction() {
    for scale in [10.0, 1e10, 1e20, 6e37] {
        assert_near(&moved(sgd(1.0).clip_norm(1.0), &[3.0 * scale, -4.0 * scale, 0.0]), &[0.6, -0.8, 0.0]);
        let greatest = sgd(1.0).clip_norm(1.0).norm_type(f64::INFINITY);
        assert_near(&moved(greatest, &[3.0 * scale, -4.0 * scale]), &[0.75, -1.0]);
        let cubes = sgd(1.0).clip_norm(1.0).norm_type(3.0);
        assert_near(&moved(cubes, &[scale, scale]), &[0.5_f64.cbrt(); 2]);
    }
    assert_eq!(moved(sgd(1.0).clip_value(1.0), &[3e38, -3e38, 0.5]), [1.0, -1.0, 0.5]);
}

/// The norm is no f32 although the gradients are.
#[test]
fn an_infinite_norm_of_finite_gradients_leaves_zeros() {
    for p in [1.0, 2.0, 3.0] {
        assert_eq!(moved(sgd(1.0).clip_norm(1.0).norm_type(p), &[3.3e38, -3.3e38, 1.0]), [0.0; 3], "{p}");
    }
}

#[test]
fn what_is_not_finite_is_not_hidden() {
    for p in [1.0, 2.0, 3.0, f64::INFINITY] {
        for broken in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let all = moved(sgd(1.0).clip_norm(1.0).norm_type(p), &[1.0, broken]);
            assert!(all[1].is_nan(), "{p} {broken}: {all:?}");
            let each = moved(sgd(1.0).clip_each_norm(1.0).norm_type(p), &[1.0, broken]);
            assert!(each[1].is_nan(), "{p} {broken}: {each:?}");
        }
    }
    assert!(moved(sgd(1.0).clip_value(1.0), &[f64::NAN])[0].is_nan());
}

/// The norm is of all parameters, or of those of a group, as the order of words says.
#[test]
fn the_order_of_words_says_what_is_clipped_together() {
    let after = |optimizer: Optimizer| {
        let a = Start { name: "a", dims: &[1], values: &[0.0] };
        let b = Start { name: "b", dims: &[1], values: &[0.0] };
        let mut stepped = Stepped::new(&[a, b], &optimizer, F64);
        stepped.step(&[&[3e6], &[4e6]]);
        [stepped.values("a")[0], stepped.values("b")[0]]
    };
    assert_near(&after(sgd(1.0).rate("a", 0.5).clip_norm(1.0).into()), &[-0.3, -0.8]);
    assert_near(&after(sgd(1.0).clip_norm(1.0).rate("a", 0.5).into()), &[-0.5, -1.0]);
    assert_near(&after(sgd(1.0).clip_each_norm(1.0).into()), &[-1.0, -1.0]);
    assert_near(&after(sgd(1.0).clip_norm(1.0).maximize().into()), &[0.6, 0.8]);
}

fn averaged(optimizer: impl Into<Optimizer>, steps: usize) -> (Vec<f64>, Vec<f64>) {
    let start = Start { name: "w", dims: &[1], values: &[10.0] };
    let mut stepped = Stepped::new(&[start], &optimizer.into(), F64);
    assert_eq!(stepped.states(), ["optimizer.step", "w.average"]);
    let mut values = Vec::new();
    for _ in 0..steps {
        stepped.step(&[&[1.0]]);
        values.push(stepped.values("w")[0]);
    }
    assert_eq!(stepped.values("optimizer.step"), [steps as f64]);
    (values, stepped.values("w.average"))
}

#[test]
fn averages_leave_out_what_they_are_told_to() {
    let (values, average) = averaged(sgd(1.0).average_all(), 4);
    assert_eq!((values, average), (vec![9.0, 8.0, 7.0, 6.0], vec![7.5]));
    assert_eq!(averaged(sgd(1.0).average_all().start(2), 4).1, [6.5]);
    assert_eq!(averaged(sgd(1.0).average_all().start(4), 4).1, [6.0], "the parameter itself");
    assert_eq!(averaged(sgd(1.0).average(0.5), 3).1, [0.25 * 9.0 + 0.25 * 8.0 + 0.5 * 7.0]);
    assert_eq!(averaged(sgd(1.0).average(0.5).start(1), 3).1, [0.5 * 8.0 + 0.5 * 7.0]);
    assert_eq!(averaged(sgd(1.0).average(0.0), 3).1, [7.0]);
}
