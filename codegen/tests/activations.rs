//! Activations and their gradients as compiled code, against f64 over all of f32: nothing cancels in a tail, nothing overflows.

mod common;

use common::units::{Measured, NOTHING, arguments, assert_within_units, compiled};
use downhill_nn::composite::{elu, gelu, gelu_tanh, leaky_relu, relu, sigmoid, silu};
use downhill_nn::value::{softplus, tanh};
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// What is left of x·p where p has no bits any more: half the least float for each unit of x.
const BELOW: fn(f64) -> f64 = |x| x.abs() * 2f64.powi(-149);

fn cases() -> Vec<Measured> {
    let (exact, two) = ([1.0, 1.0], [NOTHING, NOTHING]);
    let case = |name, function, value, slope, units, beside| Measured {
        name,
        function,
        value,
        slope,
        units,
        beside,
    };
    vec![
        case("relu", |x| relu(x), |x| x.max(0.0), |x| f64::from(u8::from(x > 0.0)), exact, two),
        case("leaky_relu", |x| leaky_relu(x, 0.25), |x| x.max(x / 4.0), leak, exact, two),
        case(
            "elu",
            |x| elu(x, 0.5),
            |x| if x > 0.0 { x } else { 0.5 * x.exp_m1() },
            elu_slope,
            [2.0, 2.0],
            two,
        ),
        case(
            "gelu",
            |x| gelu(x),
            |x| x * normal_cdf(x),
            gelu_slope,
            [8.0, 8.0],
            [BELOW, |x| {
                // The slope is 0 at −0.75.
                if x > -1.5 && x < 0.0 { 2.5e-7 } else { BELOW(x) }
            }],
        ),
        case(
            "gelu_tanh",
            |x| gelu_tanh(x),
            |x| x * logistic(twice(x)),
            gelu_tanh_slope,
            [5.0, 20.0],
            [
                // The exponent of the tail is rounded.
                |x| BELOW(x) + tail(x),
                |x| if x > -1.5 && x < 0.0 { 2.5e-7 } else { (1.0 + x * x) * (BELOW(x) + 2.0 * tail(x)) },
            ],
        ),
        case(
            "silu",
            |x| silu(x),
            |x| x * logistic(x),
            silu_slope,
            [4.0, 10.0],
            [BELOW, |x| if x > -2.5 && x < 0.0 { 2.5e-7 } else { BELOW(x) }],
        ),
        case(
            "softplus",
            |x| softplus(x),
            |x| x.max(0.0) + (-x.abs()).exp().ln_1p(),
            logistic,
            [3.0, 3.5],
            two,
        ),
        // Of 1 − p there are no bits of its own where p is near 1.
        case(
            "sigmoid",
            |x| sigmoid(x),
            logistic,
            |x| logistic(x) * logistic(-x),
            [3.5, 5.0],
            [NOTHING, |x| if x > 0.0 { 2f64.powi(-23) } else { 0.0 }],
        ),
        case(
            "tanh",
            |x| tanh(x),
            f64::tanh,
            |x| 1.0 / x.cosh().powi(2),
            [3.0, 3.0],
            [NOTHING, |_| 2f64.powi(-22)],
        ),
    ]
}

fn leak(x: f64) -> f64 {
    if x > 0.0 { 1.0 } else { 0.25 }
}

fn elu_slope(x: f64) -> f64 {
    if x > 0.0 { 1.0 } else { 0.5 * x.exp() }
}

fn logistic(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

fn gelu_slope(x: f64) -> f64 {
    let bell = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    normal_cdf(x) + if bell == 0.0 { 0.0 } else { x * bell }
}

fn silu_slope(x: f64) -> f64 {
    let rest = logistic(x) * logistic(-x);
    logistic(x) + if rest == 0.0 { 0.0 } else { x * rest }
}

/// The argument of the logistic function that is gelu's share by tanh.
fn twice(x: f64) -> f64 {
    2.0 * (2.0 / PI).sqrt() * (x + 0.044715 * x * x * x)
}

fn gelu_tanh_slope(x: f64) -> f64 {
    let (share, rest) = (logistic(twice(x)), logistic(twice(x)) * logistic(-twice(x)));
    let steep = 2.0 * (2.0 / PI).sqrt() * (1.0 + 3.0 * 0.044715 * x * x);
    share + if rest == 0.0 { 0.0 } else { x * rest * steep }
}

/// By how much x·e^twice(x) moves with an argument that is rounded a few times.
fn tail(x: f64) -> f64 {
    if x < 0.0 && x > -20.0 { x.abs() * logistic(twice(x)) * twice(x).abs() * 2f64.powi(-22) } else { 0.0 }
}

#[test]
fn values_and_gradients_keep_their_accuracy_over_all_of_f32() {
    assert_within_units(&cases(), &arguments());
}

#[test]
fn the_tail_of_gelu_is_not_lost() {
    let case = cases().remove(3);
    let [values, slopes] = compiled(&case, &[-5.5, -8.0, -13.0]);
    let near = |found: &[f64], exact: [f64; 3]| {
        found.iter().zip(exact).all(|(found, exact)| (found / exact - 1.0).abs() < 1e-6)
    };
    assert!(
        near(&values, [-1.044_425_935_62e-7, -4.976_768_459_42e-15, -7.952_313_719_41e-38]),
        "{values:?}"
    );
    assert!(
        near(&slopes, [-5.733_472_398_74e-7, -3.979_607_261_09e-14, -1.033_730_444_01e-36]),
        "{slopes:?}"
    );
}
