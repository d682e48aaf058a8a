//! Rectifiers: x where it is above 0, and what each makes of it below.

use crate::builder::Value;
use crate::call::{Composite, Default, Kind, X, given, of_one, optional, row};
use crate::value::{divide, expm1, less_equal, multiply, select, square};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;

/// max(x, 0). Its derivative at 0 is 0; NaN passes.
pub fn relu(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    select(less_equal(x, 0.0), 0.0, x)
}

/// x, or `slope`·x where x ≤ 0.
pub fn leaky_relu(x: impl Borrow<Value>, slope: f64) -> Value {
    let x = x.borrow();
    match check("`leaky_relu` with a slope", slope, Allowed::Finite) {
        Ok(()) => select(less_equal(x, 0.0), multiply(x, slope), x),
        Err(error) => x.builder().fail(error),
    }
}

/// x, or `alpha`·(eˣ − 1) where x ≤ 0.
pub fn elu(x: impl Borrow<Value>, alpha: f64) -> Value {
    let x = x.borrow();
    if let Err(error) = check("`elu` with an alpha", alpha, Allowed::Finite) {
        return x.builder().fail(error);
    }
    select(less_equal(x, 0.0), multiply(expm1(x), alpha), x)
}

/// α of [`selu`] (Klambauer, Unterthiner, Mayr, Hochreiter: Self-Normalizing Neural Networks; NIPS 2017).
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
/// λ of [`selu`].
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// λ·x, or λ·α·(eˣ − 1) where x ≤ 0, with the λ and α that keep a mean of 0 and a variance of 1 from layer to layer (Klambauer, Unterthiner,
/// Mayr, Hochreiter: Self-Normalizing Neural Networks; NIPS 2017). Its derivative at 0 is λ·α.
pub fn selu(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    let below = multiply(expm1(x), SELU_SCALE * SELU_ALPHA);
    select(less_equal(x, 0.0), below, multiply(x, SELU_SCALE))
}

/// x, or `alpha`·(e^(x/alpha) − 1) where x ≤ 0, which bends nowhere (Barron: Continuously Differentiable Exponential Linear Units; 2017).
///
/// # Errors
/// An `alpha` that is 0 or not finite is a mistake of the declaration.
pub fn celu(x: impl Borrow<Value>, alpha: f64) -> Value {
    let x = x.borrow();
    if let Err(error) = check("`celu` with an alpha", alpha, Allowed::Finite) {
        return x.builder().fail(error);
    }
    if alpha == 0.0 {
        return x.builder().fail(Error::new("`celu` with an alpha of 0").help("x is divided by it"));
    }
    select(less_equal(x, 0.0), multiply(expm1(divide(x, alpha)), alpha), x)
}

/// max(x, 0)² (So, Mańke, Liu, Dai, Shazeer, Le: Primer; NeurIPS 2021).
pub fn squared_relu(x: impl Borrow<Value>) -> Value {
    square(relu(x))
}

/// x where it is above `threshold`, else `value`; NaN passes. Its derivative at the threshold is 0.
///
/// # Errors
/// Numbers that are not finite are mistakes of the declaration.
pub fn threshold(x: impl Borrow<Value>, threshold: f64, value: f64) -> Value {
    let x = x.borrow();
    for (what, number) in [("`threshold` with a threshold", threshold), ("`threshold` with a value", value)] {
        if let Err(error) = check(what, number, Allowed::Finite) {
            return x.builder().fail(error);
        }
    }
    select(less_equal(x, threshold), value, x)
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    of_one!("relu", relu, "max(x, 0)"),
    row(
        "leaky_relu",
        &[X, optional("slope", Kind::Number, Default::Number(0.01))],
        "x, or slope·x where x ≤ 0",
        |_, given| leaky_relu(given.tensor("x"), given.number("slope")),
    ),
    row(
        "elu",
        &[X, optional("alpha", Kind::Number, Default::Number(1.0))],
        "x, or alpha·(eˣ − 1) where x ≤ 0",
        |_, given| elu(given.tensor("x"), given.number("alpha")),
    ),
    of_one!("selu", selu, "elu, scaled to keep a mean of 0 and a variance of 1"),
    row(
        "celu",
        &[X, optional("alpha", Kind::Number, Default::Number(1.0))],
        "x, or alpha·(e^(x/alpha) − 1) where x ≤ 0",
        |_, given| celu(given.tensor("x"), given.number("alpha")),
    ),
    of_one!("squared_relu", squared_relu, "max(x, 0)²"),
    row(
        "threshold",
        &[X, given("threshold", Kind::Number), given("value", Kind::Number)],
        "x where it is above the threshold, else the value",
        |_, given| threshold(given.tensor("x"), given.number("threshold"), given.number("value")),
    ),
];
