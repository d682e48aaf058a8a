//! Quotients and remainders of whole numbers.
//!
//! There is no division of integers among the primitives. A quotient of floats, made a little less, is never more than the whole quotient;
//! what is left is divided once more, and is then less than twice the divisor. So every result is exact.

use super::align::{coerce, spoken, stretch_together};
use super::elementwise::{and, convert, equal, greater_equal, less, multiply, not_equal, select, subtract};
use super::operand::Operand;
use crate::builder::Value;
use crate::call::{Composite, of_two};
use downhill_graph::error::Error;
use downhill_graph::types::ElementType;
use std::borrow::Borrow;

/// The whole quotient of a and b rounded towards −∞, as PyTorch's `floor_divide`; 0 where b is 0.
///
/// # Shapes
/// Those that the operands broadcast to, and their element type. The least i32 by −1 wraps.
///
/// # Errors
/// Floats and masks, and shapes that do not fit, are mistakes of the declaration.
pub fn floor_divide(a: impl Borrow<Value>, b: impl Operand) -> Value {
    let a = a.borrow();
    divided("floor_divide", a, b).map_or_else(|| a.builder().unknown(), |division| division.floored().0)
}

/// The whole quotient of a and b rounded towards 0, as PyTorch's `div` with `rounding_mode="trunc"`; 0 where b is 0.
///
/// # Shapes
/// Those of [`floor_divide`].
///
/// # Errors
/// Those of [`floor_divide`].
pub fn trunc_divide(a: impl Borrow<Value>, b: impl Operand) -> Value {
    let a = a.borrow();
    divided("trunc_divide", a, b).map_or_else(|| a.builder().unknown(), |division| division.truncated().0)
}

/// a − b·[`floor_divide`]\(a, b), which has the sign of b, as PyTorch's `remainder`; a where b is 0.
///
/// # Shapes
/// Those of [`floor_divide`].
///
/// # Errors
/// Those of [`floor_divide`].
pub fn remainder(a: impl Borrow<Value>, b: impl Operand) -> Value {
    let a = a.borrow();
    divided("remainder", a, b).map_or_else(|| a.builder().unknown(), |division| division.floored().1)
}

/// a − b·[`trunc_divide`]\(a, b), which has the sign of a, as PyTorch's `fmod`; a where b is 0.
///
/// # Shapes
/// Those of [`floor_divide`].
///
/// # Errors
/// Those of [`floor_divide`].
pub fn fmod(a: impl Borrow<Value>, b: impl Operand) -> Value {
    let a = a.borrow();
    divided("fmod", a, b).map_or_else(|| a.builder().unknown(), |division| division.truncated().1)
}

/// Two integers, and the quotient and remainder of their magnitudes.
struct Division {
    operands: [Value; 2],
    quotient: Value,
    remainder: Value,
    element: ElementType,
}

fn divided(user: &str, a: &Value, b: impl Operand) -> Option<Division> {
    let b = b.beside(a);
    let pair = coerce(&[a, &b])?;
    let element = pair[0].ty()?.element;
    if !element.is_integer() {
        let name = spoken(&pair[0], "its operand");
        let error = Error::new(format!("`{user}` needs integers but {name} is {element}"));
        a.builder().error(error.help("of floats write `floor(a / b)` or `trunc(a / b)`"));
        return None;
    }

    let pair = stretch_together(&[&pair[0], &pair[1]])?;
    let [whole, by] = [&pair[0], &pair[1]].map(|side| magnitude(side, element));
    let first = at_most(&whole, &by);
    let rest = subtract(&whole, multiply(&first, &by));
    let second = at_most(&rest, &by);
    let rest = subtract(&rest, multiply(&second, &by));
    let one_more = greater_equal(&rest, &by);
    let remainder = select(&one_more, subtract(&rest, &by), &rest);
    let quotient = select(equal(&by, 0), 0, &first + &second + convert(one_more, ElementType::U32));
    let operands = [pair[0].clone(), pair[1].clone()];
    Some(Division { operands, quotient, remainder, element })
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
    of_two!("floor_divide", floor_divide, "the quotient of integers, rounded towards −∞"),
    of_two!("trunc_divide", trunc_divide, "the quotient of integers, rounded towards 0"),
    of_two!("remainder", remainder, "what floor_divide leaves, with the sign of b"),
    of_two!("fmod", fmod, "what trunc_divide leaves, with the sign of a"),
];
