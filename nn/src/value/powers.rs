//! Powers, roots and logarithms of other bases. How exact they are is measured in `codegen/tests/functions.rs`.

use super::align::require_float;
use super::elementwise::{abs, add, divide, log, maximum, multiply, pow, sqrt, square};
use super::operand::Operand;
use super::variance::{moderate, root};
use crate::builder::Value;
use crate::call::{Composite, of_one, of_two};
use std::borrow::Borrow;
use std::f64::consts::{LN_2, LN_10};

/// 1/x: the f32 that is nearest.
///
/// # Errors
/// Integers and masks are mistakes of the declaration.
pub fn reciprocal(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "reciprocal") { divide(1.0.beside(x), x) } else { x.builder().unknown() }
}

/// 1/√x, within 1.5 units; ∞ at 0, with a gradient of −∞.
///
/// # Errors
/// Those of [`reciprocal`].
pub fn rsqrt(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "rsqrt") { divide(1.0.beside(x), sqrt(x)) } else { x.builder().unknown() }
}

/// 2ˣ, within 2.5 units.
///
/// # Errors
/// Those of [`reciprocal`].
pub fn exp2(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "exp2") { pow(2.0.beside(x), x) } else { x.builder().unknown() }
}

/// The logarithm to base 2, within 4 units.
///
/// # Errors
/// Those of [`reciprocal`].
pub fn log2(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "log2") { log(x) * LN_2.recip() } else { x.builder().unknown() }
}

/// The logarithm to base 10, within 4 units.
///
/// # Errors
/// Those of [`reciprocal`].
pub fn log10(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "log10") { log(x) * LN_10.recip() } else { x.builder().unknown() }
}

/// √(a² + b²), within 3 units, without overflow of a square. At the origin its gradient is 0.
///
/// # Shapes
/// Those that the operands broadcast to.
///
/// # Errors
/// Those of [`reciprocal`], and shapes that do not fit.
pub fn hypot(a: impl Borrow<Value>, b: impl Operand) -> Value {
    let a = a.borrow();
    let b = b.beside(a);
    if !require_float(a, "hypot") || !require_float(&b, "hypot") {
        return a.builder().unknown();
    }
    let unit = moderate(&maximum(abs(a), abs(&b)));
    let total = add(square(divide(a, &unit)), square(divide(&b, &unit)));
    multiply(root(&total), unit)
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    of_one!("reciprocal", reciprocal, "1/x"),
    of_one!("rsqrt", rsqrt, "1/√x"),
    of_one!("exp2", exp2, "2ˣ"),
    of_one!("log2", log2, "the logarithm to base 2"),
    of_one!("log10", log10, "the logarithm to base 10"),
    of_two!("hypot", hypot, "√(a² + b²), without overflow"),
];
