//! Functions that are composed of others, and their gradients, as compiled code, against f64 over all of f32.

mod common;

use common::units::{Measured, NOTHING, arguments, assert_within_units};
use downhill_nn::composite::{
    celu, hard_swish, log_sigmoid, mish, selu, softsign, squared_relu, tanh_shrink,
};
use downhill_nn::value::*;
use std::f64::consts::{LN_2, LN_10, PI};

/// A function, its slope, and by how many units each may be off.
macro_rules! measured {
    ($($name:ident: $function:expr, $value:expr, $slope:expr, $units:expr $(, $beside:expr)?;)*) => {
        vec![$(Measured {
            name: stringify!($name),
            function: $function,
            value: $value,
            slope: $slope,
            units: $units,
            beside: measured!(beside $($beside)?),
        }),*]
    };
    (beside) => { [NOTHING, NOTHING] };
    (beside $beside:expr) => { $beside };
}

#[test]
fn composed_functions_are_as_exact_as_they_say() {
    let cases = measured! {
        reciprocal: |x| reciprocal(x), |x| 1.0 / x, |x| -1.0 / (x * x), [0.5, 1.5];
        rsqrt: |x| rsqrt(x), |x| 1.0 / x.sqrt(), |x| -0.5 / (x * x.sqrt()), [1.5, 5.0];
        exp2: |x| exp2(x), f64::exp2, |x| x.exp2() * LN_2, [2.5, 4.0];
        log2: |x| log2(x), f64::log2, |x| 1.0 / (x * LN_2), [4.0, 2.0];
        log10: |x| log10(x), f64::log10, |x| 1.0 / (x * LN_10), [4.0, 2.0];
        tan: |x| tan(x), f64::tan, |x| 1.0 + x.tan().powi(2), [4.5, 10.0];
        atan: |x| atan(x), f64::atan, |x| 1.0 / (1.0 + x * x), [3.0, 10.0];
        atan2: |x| atan2(x, 2.0), |x| x.atan2(2.0), |x| 2.0 / (4.0 + x * x), [3.0, 10.0];
        hypot: |x| hypot(x, x * 0.75), |x| 1.25 * x.abs(), |x| if x == 0.0 { 0.0 } else { 1.25 * x.signum() }, [3.0, 5.0],
            // Three quarters of a subnormal number are rounded before.
            [NOTHING, |x| if x.abs() < 2f64.powi(-120) { 1e-2 } else { 0.0 }];
        asin: |x| asin(x), f64::asin, |x| 1.0 / ((1.0 - x) * (1.0 + x)).sqrt(), [4.0, 10.0];
        acos: |x| acos(x), f64::acos, |x| -1.0 / ((1.0 - x) * (1.0 + x)).sqrt(), [4.0, 10.0];
        sinc: |x| sinc(x), sinc_of, sinc_slope, [5.0, 5.0], [|_| 2f64.powi(-22), |_| 2f64.powi(-20)];
        sinh: |x| sinh(x), f64::sinh, f64::cosh, [5.0, 10.0];
        cosh: |x| cosh(x), f64::cosh, f64::sinh, [10.0, 15.0];
        asinh: |x| asinh(x), f64::asinh, |x| 1.0 / x.hypot(1.0), [5.0, 10.0];
        acosh: |x| acosh(x), f64::acosh, |x| 1.0 / ((x - 1.0).sqrt() * (x + 1.0).sqrt()), [5.0, 10.0];
        atanh: |x| atanh(x), f64::atanh, |x| 1.0 / ((1.0 - x) * (1.0 + x)), [5.0, 10.0];
        round: |x| round(x), f64::round_ties_even, |_| 0.0, [0.0, 0.0];
        trunc: |x| trunc(x), f64::trunc, |_| 0.0, [0.0, 0.0];
        ceil: |x| ceil(x), f64::ceil, |_| 0.0, [0.0, 0.0];
        fract: |x| fract(x), f64::fract, |_| 1.0, [0.0, 0.0];
    };
    // The sign of a zero is not kept.
    let arguments: Vec<f32> = arguments().into_iter().filter(|x| *x != 0.0 || x.is_sign_positive()).collect();
    assert_within_units(&cases, &arguments);
}

#[test]
fn the_logarithm_of_the_gamma_function_is_as_exact_as_it_says() {
    // Where the derivative goes through 0, at 1.46, it has no bits of its own.
    let room: [fn(f64) -> f64; 2] = [NOTHING, |x| if x > 0.5 { 2f64.powi(-21) } else { 0.0 }];
    let cases = measured! {
        lgamma: |x| lgamma(x), lgamma_of, digamma_of, [5.0, 5.0], room;
    };
    let above: Vec<f32> = arguments().into_iter().filter(|x| *x > 0.0).collect();
    assert_within_units(&cases, &above);
}

fn lgamma_of(x: f64) -> f64 {
    libm::lgamma(x)
}

/// By the recurrence up to 20, and Stirling's series there.
fn digamma_of(x: f64) -> f64 {
    if x > 20.0 {
        let squared = (x * x).recip();
        return x.ln() - 0.5 / x - squared * (1.0 / 12.0 - squared * (1.0 / 120.0 - squared / 252.0));
    }
    digamma_of(x + 1.0) - 1.0 / x
}

fn sinc_of(x: f64) -> f64 {
    let z = PI * x;
    if z.abs() < 1e-3 { 1.0 - z * z / 6.0 } else { z.sin() / z }
}

fn sinc_slope(x: f64) -> f64 {
    let z = PI * x;
    if z.abs() < 1e-2 { PI * (-z / 3.0 + z.powi(3) / 30.0) } else { PI * (z * z.cos() - z.sin()) / (z * z) }
}

const SELU: [f64; 2] = [1.673_263_242_354_377_2, 1.050_700_987_355_480_5];

#[test]
fn activations_are_as_exact_as_they_say() {
    let cases = measured! {
        selu: |x| selu(x), |x| SELU[1] * if x > 0.0 { x } else { SELU[0] * x.exp_m1() },
            |x| SELU[1] * if x > 0.0 { 1.0 } else { SELU[0] * x.exp() }, [3.0, 3.0];
        celu: |x| celu(x, 0.5), |x| if x > 0.0 { x } else { 0.5 * (2.0 * x).exp_m1() },
            |x| if x > 0.0 { 1.0 } else { (2.0 * x).exp() }, [3.0, 3.0];
        squared_relu: |x| squared_relu(x), |x| x.max(0.0).powi(2), |x| 2.0 * x.max(0.0), [0.5, 0.5];
        hard_swish: |x| hard_swish(x), |x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0, hard_swish_slope, [2.0, 2.0],
            [|_| 2f64.powi(-22), |_| 2f64.powi(-23)];
        mish: |x| mish(x), |x| x * softplus_of(x).tanh(), mish_slope, [8.0, 10.0], [BELOW, |x| BELOW(x) + 2.5e-7];
        log_sigmoid: |x| log_sigmoid(x), |x| -softplus_of(-x), |x| 1.0 / (1.0 + x.exp()), [3.0, 3.5];
        softsign: |x| softsign(x), |x| x / (1.0 + x.abs()), |x| (1.0 + x.abs()).powi(-2), [2.0, 5.0];
        tanh_shrink: |x| tanh_shrink(x), |x| if x.abs() < 1e-2 { small_shrink(x) } else { x - x.tanh() },
            |x| x.tanh().powi(2), [15.0, 5.0];
    };
    assert_within_units(&cases, &arguments());
}

/// What is left of x·p where p has no bits any more.
const BELOW: fn(f64) -> f64 = |x| x.abs().min(1e3) * 2f64.powi(-149);

fn softplus_of(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn mish_slope(x: f64) -> f64 {
    let gate = softplus_of(x).tanh();
    let rest = (1.0 - gate * gate) / (1.0 + (-x).exp());
    gate + if rest == 0.0 { 0.0 } else { x * rest }
}

fn hard_swish_slope(x: f64) -> f64 {
    if x <= -3.0 {
        0.0
    } else if x >= 3.0 {
        1.0
    } else {
        x / 3.0 + 0.5
    }
}

fn small_shrink(x: f64) -> f64 {
    x.powi(3) / 3.0 - 2.0 * x.powi(5) / 15.0 + 17.0 * x.powi(7) / 315.0
}
