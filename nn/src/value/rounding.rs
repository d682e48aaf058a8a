//! Whole numbers near a number. What a number is rounded to does not move with it: gradients are 0. The sign of a zero is not kept.

use super::align::require_float;
use super::elementwise::{add, equal, floor, greater, less, negate, select, subtract};
use crate::builder::Value;
use crate::call::{Composite, of_one};
use std::borrow::Borrow;

/// The nearest whole number; of two that are as near, the even one, as PyTorch's `round`.
///
/// # Errors
/// Integers and masks are mistakes of the declaration.
pub fn round(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if !require_float(x, "round") {
        return x.builder().unknown();
    }
    let (below, half) = (floor(x), 0.5);
    let (rest, above) = (subtract(x, &below), add(&below, 1.0));
    let is_even = equal(&below * half, floor(&below * half));
    let of_tie = select(is_even, &below, &above);
    select(less(&rest, half), &below, select(greater(&rest, half), &above, of_tie))
}

/// The nearest whole number towards 0.
///
/// # Errors
/// Those of [`round`].
pub fn trunc(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "trunc") { towards_zero(x) } else { x.builder().unknown() }
}

fn towards_zero(x: &Value) -> Value {
    select(less(x, 0.0), negate(floor(negate(x))), floor(x))
}

/// The nearest whole number towards +∞.
///
/// # Errors
/// Those of [`round`].
pub fn ceil(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "ceil") { negate(floor(negate(x))) } else { x.builder().unknown() }
}

/// x − trunc(x), with the sign of x, as PyTorch's `frac`; NaN of an infinity. Its gradient is 1.
///
/// # Errors
/// Those of [`round`].
pub fn fract(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "fract") { subtract(x, towards_zero(x)) } else { x.builder().unknown() }
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    of_one!("round", round, "the nearest whole number; of two, the even one"),
    of_one!("trunc", trunc, "towards 0"),
    of_one!("ceil", ceil, "towards +∞"),
    of_one!("fract", fract, "x − trunc(x)"),
];
