//! The sigmoid, and x gated by a curve of its form.

use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, X, of_one, optional, row};
use crate::value::{
    abs, add, divide, greater, less, logistic, maximum, minimum, multiply, negate, normal_cdf, select,
    softplus, square, tanh,
};
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;
use std::f64::consts::PI;

/// 1/(1 + e⁻ˣ).
pub fn sigmoid(x: impl Borrow<Value>) -> Value {
    logistic(x)
}

/// x·Φ(x), Φ being the share of a standard normal distribution below x.
pub fn gelu(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    multiply(x, normal_cdf(x))
}

/// x·Φ(x) with Φ approximated by ½ + ½·tanh(√(2/π)·(x + 0.044715·x³)).
///
/// It is computed as x times the logistic function of twice the argument: in the tail the sum above cancels, and the logistic
/// function stays accurate.
pub fn gelu_tanh(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    let slope = 2.0 * (2.0 / PI).sqrt();
    // From |x| = 16 on Φ is 0 or 1 whatever the slope, which must stay finite.
    let square = minimum(square(x), 256.0);
    let twice = multiply(x, add(multiply(square, 0.044715 * slope), slope));
    multiply(x, logistic(twice))
}

/// x·sigmoid(x).
pub fn silu(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    multiply(x, logistic(x))
}

/// x·tanh(ln(1 + eˣ)) (Misra: Mish; BMVC 2020). Value and gradient have their limits at the infinities, 0 below and x above.
pub fn mish(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    // From −1,000 down the gate is 0, from 1,000 up it is 1.
    let gated = multiply(maximum(x, -1e3), tanh(softplus(x)));
    select(greater(x, 1e3), x, gated)
}

/// ln sigmoid(x) = −ln(1 + e⁻ˣ), without overflow.
pub fn log_sigmoid(x: impl Borrow<Value>) -> Value {
    negate(softplus(negate(x)))
}

/// ln(1 + e^(beta·x))/beta, and x where beta·x is above `threshold`: PyTorch's `softplus` with its options. That of a beta of 1 is
/// [`softplus`] as far as f32 tells them apart, if the threshold is 20 or more.
///
/// # Errors
/// A beta that is not above 0, and a threshold that is no number, are mistakes of the declaration.
pub fn softplus_with(x: impl Borrow<Value>, beta: f64, limit: f64) -> Value {
    let x = x.borrow();
    let checks = check("a beta", beta, Allowed::AboveZero).and(check("a threshold", limit, Allowed::Finite));
    if let Err(error) = checks {
        return x.builder().fail(error);
    }
    if beta == 1.0 && limit >= 20.0 {
        return softplus(x);
    }
    let scaled = x * beta;
    select(greater(&scaled, limit), x, divide(softplus(&scaled), beta))
}

/// x/(1 + |x|). Beyond ±1 it is taken as ±(1 − 1/(1 + |x|)), whose gradient keeps its bits; at the infinities it is ±1.
pub fn softsign(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    let above = 1.0 - divide(x.builder().constant(1.0), add(x, 1.0));
    let below = divide(x.builder().constant(1.0), 1.0 - x) - 1.0;
    let outside = select(less(x, 0.0), below, above);
    select(less(abs(x), 1.0), divide(x, abs(x) + 1.0), outside)
}

fn gelu_row(_: &Builder, arguments: &Arguments<'_>) -> Value {
    let x = arguments.tensor("x");
    if arguments.flag("approximate") { gelu_tanh(x) } else { gelu(x) }
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("gelu", &[X, optional("approximate", Kind::Bool, Default::Bool(false))], "x·Φ(x)", gelu_row),
    of_one!("gelu_tanh", gelu_tanh, "x·Φ(x), approximated by tanh"),
    of_one!("silu", silu, "x·sigmoid(x)"),
    of_one!("mish", mish, "x·tanh(ln(1 + eˣ))"),
    of_one!("log_sigmoid", log_sigmoid, "ln sigmoid(x), without overflow"),
    of_one!("softsign", softsign, "x/(1 + |x|)"),
    row(
        "softplus",
        &[
            X,
            optional("beta", Kind::Number, Default::Number(1.0)),
            optional("threshold", Kind::Number, Default::Number(20.0)),
        ],
        "ln(1 + e^(beta·x))/beta, and x where beta·x is above the threshold",
        |_, given| softplus_with(given.tensor("x"), given.number("beta"), given.number("threshold")),
    ),
    of_one!("sigmoid", sigmoid, "1/(1 + e⁻ˣ)"),
    of_one!("tanh", tanh, "tanh x"),
];
