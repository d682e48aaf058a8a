//! Tangents, angles, and the wave that fades. How exact they are is measured in `codegen/tests/functions.rs`.
//!
//! An angle is computed from a guess and what is left of it: atan(r) = c + atan(t) with t = (r·cos c − sin c)/(cos c + r·sin c). The guess c is
//! off by 0.004 at most and is a constant to differentiation, of t the first terms of the series are enough. So value and derivatives of any
//! order come from one formula.

use super::align::require_float;
use super::elementwise::{
    abs, add, cos, divide, equal, greater, less, multiply, select, sin, sqrt, square, stop_gradient, subtract,
};
use super::operand::Operand;
use crate::builder::Value;
use crate::call::{Composite, of_one, of_two};
use std::borrow::Borrow;
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

/// sin x / cos x, within 4.5 units.
///
/// # Errors
/// Integers and masks are mistakes of the declaration.
pub fn tan(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "tan") { divide(sin(x), cos(x)) } else { x.builder().unknown() }
}

/// The angle whose tangent is x, in −π/2..π/2, within 3 units.
///
/// # Errors
/// Those of [`tan`].
pub fn atan(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "atan") { angle(x, &1.0.beside(x)) } else { x.builder().unknown() }
}

/// The angle whose sine is x, in −π/2..π/2, within 4 units; NaN beyond ±1. Its gradient at ±1 is infinite.
///
/// # Errors
/// Those of [`tan`].
pub fn asin(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "asin") { angle(x, &beside_on_circle(x)) } else { x.builder().unknown() }
}

/// The angle whose cosine is x, in 0..π, within 4 units; NaN beyond ±1. Its gradient at ±1 is infinite.
///
/// # Errors
/// Those of [`tan`].
pub fn acos(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if require_float(x, "acos") { angle(&beside_on_circle(x), x) } else { x.builder().unknown() }
}

/// √(1 − x²), which keeps its bits near ±1.
fn beside_on_circle(x: &Value) -> Value {
    // At ±1 the root's derivative is infinite, and must not meet the 0 of a product.
    let product = multiply(1.0 - x, 1.0 + x);
    sqrt(select(equal(abs(x), 1.0), 1.0 - square(x), product))
}

/// The angle of the point (x, y) from the x axis, in −π..π, as PyTorch's `atan2`, within 3 units. Zeros have no sign: at the origin it is 0,
/// with a gradient of 0. Of infinities it is the limit along the diagonal, with a gradient of 0.
///
/// # Shapes
/// Those that the operands broadcast to.
///
/// # Errors
/// Those of [`tan`], and shapes that do not fit.
pub fn atan2(y: impl Borrow<Value>, x: impl Operand) -> Value {
    let y = y.borrow();
    let x = x.beside(y);
    if require_float(y, "atan2") && require_float(&x, "atan2") { angle(y, &x) } else { y.builder().unknown() }
}

fn angle(y: &Value, x: &Value) -> Value {
    let (up, right) = (magnitude(y), magnitude(x));
    let is_steep = greater(&up, &right);
    let less_of = select(&is_steep, &right, &up);
    let more_of = select(&is_steep, &up, &right);
    let ratio = divide(&less_of, &more_of);
    let ratio = select(equal(&more_of, 0.0), 0.0, select(equal(&less_of, f64::INFINITY), 1.0, ratio));

    let first = eighth(&ratio);
    let quarter = select(is_steep, FRAC_PI_2 - &first, first);
    let half = select(less(x, 0.0), PI - &quarter, quarter);
    select(less(y, 0.0), -&half, half)
}

/// |x|, whose derivative at 0 is 1.
pub(super) fn magnitude(x: &Value) -> Value {
    select(less(x, 0.0), -x, x)
}

/// The angle whose tangent is `r`, in 0..1.
fn eighth(r: &Value) -> Value {
    let guess = stop_gradient(multiply(r, (1.0 - r) * 0.273 + FRAC_PI_4));
    let (sine, cosine) = (sin(&guess), cos(&guess));
    let rest = divide(subtract(r * &cosine, &sine), add(&cosine, r * &sine));
    let square = square(&rest);
    let series = 1.0 - &square * (1.0 / 3.0 - &square * 0.2);
    add(guess, multiply(rest, series))
}

/// sin(πx)/(πx), and 1 at 0, as PyTorch's `sinc`: within 5 units, and 2⁻²² beside that. Near 0 it is a series, whose derivatives
/// keep their bits.
///
/// # Errors
/// Those of [`tan`].
pub fn sinc(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    if !require_float(x, "sinc") {
        return x.builder().unknown();
    }
    let z = x * PI;
    let squared = square(&z);
    // 1 − z²/3! + z⁴/5! − …, from the last term on.
    let series = (1..=10).rev().fold(x.builder().constant(1.0), |sum, k| {
        let next = f64::from(2 * k * (2 * k + 1));
        1.0 - &squared * sum * next.recip()
    });
    // Where πx overflows, the wave has faded: 0, and NaN of an infinity.
    let faded = select(greater(abs(x), 1e38), subtract(x, x), divide(sin(&z), &z));
    select(less(abs(&z), 1.0), series, faded)
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    of_one!("tan", tan, "tan x"),
    of_one!("asin", asin, "the angle whose sine is x"),
    of_one!("acos", acos, "the angle whose cosine is x"),
    of_one!("atan", atan, "the angle whose tangent is x"),
    of_two!("atan2", atan2, "the angle of the point (b, a)"),
    of_one!("sinc", sinc, "sin(πx)/(πx)"),
];
