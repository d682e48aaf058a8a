//! The sigmoid, and x gated by a curve of its form.

use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, X, of_one, optional, row};
use crate::value::{add, logistic, minimum, multiply, normal_cdf, softplus, square, tanh};
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

fn gelu_row(_: &Builder, arguments: &Arguments<'_>) -> Value {
    let x = arguments.tensor("x");
    if arguments.flag("approximate") { gelu_tanh(x) } else { gelu(x) }
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("gelu", &[X, optional("approximate", Kind::Bool, Default::Bool(false))], "x·Φ(x)", gelu_row),
    of_one!("gelu_tanh", gelu_tanh, "x·Φ(x), approximated by tanh"),
    of_one!("silu", silu, "x·sigmoid(x)"),
    of_one!("softplus", softplus, "ln(1 + eˣ)"),
    of_one!("sigmoid", sigmoid, "1/(1 + e⁻ˣ)"),
    of_one!("tanh", tanh, "tanh x"),
];
