//! Hyperbolic functions and their inverses. How exact they are is measured in `codegen/tests/functions.rs`.

use super::align::require_float;
use super::angles::magnitude;
use super::elementwise::{
    add, divide, exp, expm1, greater, less, log, log1p, multiply, select, sqrt, square, subtract,
};
use crate::builder::Value;
use crate::call::{Composite, of_one};
use std::borrow::Borrow;
use std::f64::consts::LN_2;

/// (eˣ − e⁻ˣ)/2, accurate near 0, without overflow before its own: within 5 units.
///
/// # Errors
/// Integers and masks are mistakes of the declaration.
pub fn sinh(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "sinh") { odd(x, half_difference) } else { x.builder().unknown() }
}

/// (eˣ + e⁻ˣ)/2 as 1 + 2·sinh²(x/2), whose derivative keeps its bits near 0: within 10 units.
///
/// # Errors
/// Those of [`sinh`].
pub fn cosh(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if !require_float(x, "cosh") {
        return x.builder().unknown();
    }
    let s = odd(&(x * 0.5), half_difference);
    let a = magnitude(x);
    select(greater(&a, STEEP), half_exponential(&a), add(&s * (&s * 2.0), 1.0))
}

/// sinh x of x ≥ 0.
fn half_difference(x: &Value) -> Value {
    let u = expm1(x);
    let small = add(&u, divide(&u, &u + 1.0)) * 0.5;
    select(greater(x, STEEP), half_exponential(x), small)
}

/// From here on e⁻ˣ has no part in a sum with eˣ.
const STEEP: f64 = 40.0;

/// eˣ/2, which overflows later than eˣ: 64 is taken out of x without rounding.
fn half_exponential(x: &Value) -> Value {
    exp(subtract(x, 64.0)) * (64.0_f64.exp() * 0.5)
}

/// ln(x + √(x² + 1)), accurate near 0: within 5 units.
///
/// # Errors
/// Those of [`sinh`].
pub fn asinh(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if !require_float(x, "asinh") {
        return x.builder().unknown();
    }
    odd(x, |a| {
        let squared = square(a);
        let above = divide(&squared, sqrt(&squared + 1.0) + 1.0);
        select(greater(a, FAR), log(a) + LN_2, log1p(add(a, above)))
    })
}

/// ln(x + √(x² − 1)), accurate near 1: within 5 units; NaN below 1. Its gradient at 1 is infinite.
///
/// # Errors
/// Those of [`sinh`].
pub fn acosh(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if !require_float(x, "acosh") {
        return x.builder().unknown();
    }
    let t = x - 1.0;
    // Two roots: NaN below 1, and at 1 no 0 meets the infinite derivative.
    let root = multiply(sqrt(&t), sqrt(&t + 2.0));
    select(greater(x, FAR), log(x) + LN_2, log1p(add(t, root)))
}

/// ln((1 + x)/(1 − x))/2, accurate near 0: within 5 units; ±∞ at ±1, NaN beyond.
///
/// # Errors
/// Those of [`sinh`].
pub fn atanh(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "atanh") { subtract(log1p(x), log1p(-x)) * 0.5 } else { x.builder().unknown() }
}

/// From here on x² + 1 is x² to the last bit of an f64, and its logarithm twice that of x.
const FAR: f64 = 1e9;

/// A function of |x|, with the sign of x.
fn odd(x: &Value, of: impl Fn(&Value) -> Value) -> Value {
    let found = of(&magnitude(x));
    select(less(x, 0.0), -&found, found)
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    of_one!("sinh", sinh, "(eˣ − e⁻ˣ)/2"),
    of_one!("cosh", cosh, "(eˣ + e⁻ˣ)/2"),
    of_one!("asinh", asinh, "the x whose sinh it is"),
    of_one!("acosh", acosh, "the x ≥ 0 whose cosh it is"),
    of_one!("atanh", atanh, "the x whose tanh it is"),
];
