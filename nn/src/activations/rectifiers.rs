//! Rectifiers: x where it is above 0, and what each makes of it below.

use crate::builder::Value;
use crate::call::{Composite, Default, Kind, X, of_one, optional, row};
use crate::value::{expm1, less_equal, multiply, select};
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
];
