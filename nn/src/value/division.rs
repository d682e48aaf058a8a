//! Whole quotients, and remainders.
//!
//! There is no division of integers among the primitives. A quotient of floats, made a little less, is never more than the whole quotient;
//! what is left is divided once more, and is then less than twice the divisor. So every result of integers is exact. Of floats the quotient
//! is rounded before it is made whole, so it may be off by one, which what is left tells.

use super::align::{coerce, spoken, stretch_together};
use super::elementwise::{
    abs, and, convert, equal, floor, greater_equal, less, multiply, negate, not_equal, select, sign,
    stop_gradient, subtract,
};
use super::operand::Operand;
use crate::builder::Value;
use crate::call::{Composite, of_two};
use downhill_graph::error::Error;
use downhill_graph::types::ElementType;
use std::borrow::Borrow;

/// The whole quotient of a and b rounded towards −∞, as PyTorch's `floor_divide`; where b is 0, 0 of integers and a/b of floats. It has no
/// gradient.
///
/// # Shapes
/// Those that the operands broadcast to, and their element type. The least i32 by −1 wraps.
///
/// # Errors
/// Masks, and shapes that do not fit, are mistakes of the declaration.
pub fn floor_divide(a: impl Borrow<Value>, b: impl Operand) -> Value {
    divided("floor_divide", a.borrow(), b, true).0
}

/// The whole quotient of a and b rounded towards 0, as PyTorch's `div` with `rounding_mode="trunc"`; where b is 0, 0 of integers and a/b of
/// floats. It has no gradient.
///
/// # Shapes
/// Those of [`floor_divide`].
///
/// # Errors
/// Those of [`floor_divide`].
pub fn trunc_divide(a: impl Borrow<Value>, b: impl Operand) -> Value {
    divided("trunc_divide", a.borrow(), b, false).0
}

/// a − b·[`floor_divide`]\(a, b), which has the sign of b, as PyTorch's `remainder`; where b is 0, a of integers and
/// NaN of floats. Its gradient by a is 1, and by b −`floor_divide`(a, b).
///
/// # Shapes
/// Those of [`floor_divide`].
///
/// # Errors
/// Those of [`floor_divide`].
pub fn remainder(a: impl Borrow<Value>, b: impl Operand) -> Value {
    divided("remainder", a.borrow(), b, true).1
}

/// a − b·[`trunc_divide`]\(a, b), which has the sign of a, as PyTorch's `fmod`; where b is 0, a of integers and NaN of
/// floats. Its gradient by a is 1, and by b −`trunc_divide`(a, b).
///
/// # Shapes
/// Those of [`floor_divide`].
///
/// # Errors
/// Those of [`floor_divide`].
pub fn fmod(a: impl Borrow<Value>, b: impl Operand) -> Value {
    divided("fmod", a.borrow(), b, false).1
}

/// Two integers, and the quotient and remainder of their magnitudes.
struct Division {
    operands: [Value; 2],
    quotient: Value,
    remainder: Value,
    element: ElementType,
}

/// The whole quotient, rounded towards −∞ or towards 0, and what it leaves; unknown values after a mistake.
fn divided(user: &str, a: &Value, b: impl Operand, floored: bool) -> (Value, Value) {
    let unknown = || (a.builder().unknown(), a.builder().unknown());
    pair(user, a, b).map_or_else(unknown, |(operands, element)| {
        if element.is_float() {
            return of_floats(&operands, floored);
        }
        let Some(division) = of_integers(operands, element) else { return unknown() };
        if floored { division.floored() } else { division.truncated() }
    })
}

/// The operands in one shape, and their type.
fn pair(user: &str, a: &Value, b: impl Operand) -> Option<([Value; 2], ElementType)> {
    let b = b.beside(a);
    let pair = coerce(&[a, &b])?;
    let element = pair[0].ty()?.element;
    if element == ElementType::Bool {
        let name = spoken(&pair[0], "its operand");
        let error = Error::new(format!("`{user}` needs numbers but {name} is a mask"));
        a.builder().error(error.help("convert it: `i32(…)`"));
        return None;
    }
    let pair = stretch_together(&[&pair[0], &pair[1]])?;
    Some((<[Value; 2]>::try_from(pair).ok()?, element))
}

/// Quotient and remainder of floats.
fn of_floats([a, b]: &[Value; 2], floored: bool) -> (Value, Value) {
    let exact = a / b;
    let down = floor(&exact);
    let quotient =
        if floored { down } else { select(less(&exact, 0.0), negate(floor(negate(&exact))), down) };
    // 0·∞ is NaN, but less than ∞ is left as it is.
    let rest = select(equal(&quotient, 0.0), a, subtract(a, multiply(b, &quotient)));

    // Of a quotient that was rounded to the next whole number, one too much was taken, or too little.
    let one = if floored { exact.builder().constant(1.0) } else { sign(&exact) };
    let side = if floored { b } else { a };
    let is_beyond = and(not_equal(&rest, 0.0), not_equal(less(&rest, 0.0), less(side, 0.0)));
    let is_short = greater_equal(abs(&rest), abs(b));
    let by = select(is_beyond, negate(&one), select(is_short, &one, 0.0));
    let is_off = not_equal(&by, 0.0);
    let rest = select(&is_off, subtract(&rest, multiply(b, stop_gradient(&by))), rest);
    if !floored {
        return (quotient, rest);
    }
    let quotient = select(is_off, &quotient + &by, quotient);
    let is_none = and(not_equal(&rest, &rest), not_equal(b, 0.0));
    (select(is_none, f64::NAN, quotient), rest)
}

fn of_integers(pair: [Value; 2], element: ElementType) -> Option<Division> {
    let [whole, by] = [&pair[0], &pair[1]].map(|side| magnitude(side, element));
    let first = at_most(&whole, &by);
    let rest = subtract(&whole, multiply(&first, &by));
    let second = at_most(&rest, &by);
    let rest = subtract(&rest, multiply(&second, &by));
    let one_more = greater_equal(&rest, &by);
    let remainder = select(&one_more, subtract(&rest, &by), &rest);
    let quotient = select(equal(&by, 0), 0, &first + &second + convert(one_more, ElementType::U32));
    Some(Division { operands: pair, quotient, remainder, element })
}

/// |x| as u32, which holds that of the least i32 too.
fn magnitude(x: &Value, element: ElementType) -> Value {
    if element == ElementType::U32 {
        return x.clone();
    }
    convert(select(less(x, 0), -x, x), ElementType::U32)
}

/// A number that is at most a / b, and less by 2⁻²¹ of it and 1 at most: three roundings of f32 are less than what is taken away.
fn at_most(a: &Value, b: &Value) -> Value {
    let [a, b] = [a, b].map(|side| convert(side, ElementType::F32));
    convert(a * (1.0 - 2f64.powi(-22)) / b, ElementType::U32)
}

impl Division {
    /// Quotient and remainder, rounded towards 0.
    fn truncated(&self) -> (Value, Value) {
        let [quotient, remainder] = [&self.quotient, &self.remainder].map(|side| convert(side, self.element));
        if self.element == ElementType::U32 {
            return (quotient, remainder);
        }
        let [a, b] = self.operands.each_ref().map(|side| less(side, 0));
        let quotient = select(not_equal(&a, b), -&quotient, quotient);
        (quotient, select(a, -&remainder, remainder))
    }

    /// The same, rounded towards −∞.
    fn floored(&self) -> (Value, Value) {
        let (quotient, remainder) = self.truncated();
        if self.element == ElementType::U32 {
            return (quotient, remainder);
        }
        let b = &self.operands[1];
        let is_apart = and(not_equal(&remainder, 0), not_equal(less(&remainder, 0), less(b, 0)));
        let is_below = and(is_apart, not_equal(b, 0));
        let quotient = select(&is_below, &quotient - 1, quotient);
        (quotient, select(is_below, &remainder + b, remainder))
    }
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    of_two!("floor_divide", floor_divide, "the whole quotient, rounded towards −∞"),
    of_two!("trunc_divide", trunc_divide, "the whole quotient, rounded towards 0"),
    of_two!("remainder", remainder, "what floor_divide leaves, with the sign of b"),
    of_two!("fmod", fmod, "what trunc_divide leaves, with the sign of a"),
];
