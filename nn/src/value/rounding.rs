//! Whole numbers near a number. What a number is rounded to does not move with it: gradients are 0. The sign of a zero is not kept.

use super::align::require_float;
use super::elementwise::{
    abs, add, divide, equal, floor, greater, greater_equal, less, negate, select, stop_gradient, subtract,
};
use crate::builder::Value;
use crate::call::{Composite, Default, Kind, X, of_one, optional, row};
use downhill_graph::error::Error;
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

/// The nearest multiple of 10^−`decimals`, as PyTorch's `round` with `decimals`; what has no more digits than that stays as it is.
///
/// # Errors
/// Those of [`round`], and more decimals than 38 either way, which f32 does not hold.
pub fn round_to(x: impl Borrow<Value>, decimals: i64) -> Value {
    let x = x.borrow();
    if decimals == 0 {
        return round(x);
    }
    if !(-38..=38).contains(&decimals) {
        let error = Error::new(format!("`round` to {decimals} decimals"));
        return x.builder().fail(error.help("f32 holds numbers from 1e-38 to 1e38: give -38 to 38"));
    }
    if !require_float(x, "round") {
        return x.builder().unknown();
    }
    let scale = 10f64.powi(decimals.unsigned_abs() as i32);
    if decimals < 0 {
        return round(divide(x, scale)) * scale;
    }
    // From 2²⁴ on every f32 is whole, and beyond its range the product is infinite.
    let scaled = x * scale;
    let is_whole = greater_equal(abs(&scaled), 2f64.powi(24));
    select(is_whole, stop_gradient(x), divide(round(scaled), scale))
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
    row(
        "round",
        &[X, optional("decimals", Kind::Integer, Default::Integer(0))],
        "the nearest number of so many decimals; of two, the even one",
        |_, given| round_to(given.tensor("x"), given.integer("decimals")),
    ),
    of_one!("trunc", trunc, "towards 0"),
    of_one!("ceil", ceil, "towards +∞"),
    of_one!("fract", fract, "x − trunc(x)"),
];
