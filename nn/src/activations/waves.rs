//! Waves, for what repeats. Of an infinity they are NaN, as the sine is.

use crate::builder::Value;
use crate::call::{Composite, Default, Kind, X, optional, row};
use crate::value::{add, divide, multiply, require_float, sin, square};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;

/// x + sin²(alpha·x)/alpha (Liu, Hartwig, Ueda: Neural Networks Fail to Learn Periodic Functions and How to Fix It; NeurIPS 2020).
///
/// # Errors
/// An `alpha` that is 0 or not finite is a mistake of the declaration.
pub fn snake(x: impl Borrow<Value>, alpha: f64) -> Value {
    let x = x.borrow();
    if let Err(error) = check("`snake` with an alpha", alpha, Allowed::Finite) {
        return x.builder().fail(error);
    }
    if alpha == 0.0 {
        return x.builder().fail(Error::new("`snake` with an alpha of 0").help("the wave is divided by it"));
    }
    if !require_float(x, "snake") {
        return x.builder().unknown();
    }
    add(x, divide(square(sin(multiply(x, alpha))), alpha))
}

/// sin(omega·x), the activation of SIREN, whose weights start with the initialiser `siren` (Sitzmann, Martel, Bergman, Lindell, Wetzstein:
/// Implicit Neural Representations with Periodic Activation Functions; NeurIPS 2020).
///
/// # Errors
/// An `omega` that is not finite is a mistake of the declaration.
pub fn sine(x: impl Borrow<Value>, omega: f64) -> Value {
    let x = x.borrow();
    if let Err(error) = check("`sine` with an omega", omega, Allowed::Finite) {
        return x.builder().fail(error);
    }
    if require_float(x, "sine") { sin(multiply(x, omega)) } else { x.builder().unknown() }
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row(
        "snake",
        &[X, optional("alpha", Kind::Number, Default::Number(1.0))],
        "x + sin²(alpha·x)/alpha",
        |_, given| snake(given.tensor("x"), given.number("alpha")),
    ),
    row("sine", &[X, optional("omega", Kind::Number, Default::Number(30.0))], "sin(omega·x)", |_, given| {
        sine(given.tensor("x"), given.number("omega"))
    }),
];
