//! What is true of the elements along some axes. An element is true where it is not 0; NaN is not 0.

use super::elementwise::{convert, greater, not_equal};
use super::reduce::{Over, over, reduce};
use crate::builder::Value;
use crate::call::{AXES, Composite, KEEP, X, row};
use downhill_graph::op::Reduction;
use downhill_graph::types::ElementType;
use std::borrow::Borrow;

/// Mask: is any element over `over` true? None of no elements is.
///
/// # Shapes
/// Those of [`sum`](super::sum) over the same axes. Masks and numbers are taken.
pub fn any(x: impl Borrow<Value>, over: &Over) -> Value {
    // Of no elements the greatest is the least number there is.
    greater(reduce(Reduction::Max, &truths(x.borrow()), over), 0)
}

/// Mask: is every element over `over` true? All of no elements are.
///
/// # Shapes
/// Those of [`any`].
pub fn all(x: impl Borrow<Value>, over: &Over) -> Value {
    greater(reduce(Reduction::Min, &truths(x.borrow()), over), 0)
}

/// How many elements over `over` are true, as i32: PyTorch's `count_nonzero`.
///
/// # Shapes
/// Those of [`any`].
pub fn count(x: impl Borrow<Value>, over: &Over) -> Value {
    reduce(Reduction::Sum, &truths(x.borrow()), over)
}

/// 1 for what is true, else 0.
fn truths(x: &Value) -> Value {
    let is_mask = x.ty().is_none_or(|ty| ty.element == ElementType::Bool);
    convert(if is_mask { x.clone() } else { not_equal(x, 0.0) }, ElementType::I32)
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("any", &[X, AXES, KEEP], "is any element true, or not 0?", |_, given| {
        any(given.tensor("x"), &over(given))
    }),
    row("all", &[X, AXES, KEEP], "is every element true, or not 0?", |_, given| {
        all(given.tensor("x"), &over(given))
    }),
    row("count", &[X, AXES, KEEP], "how many elements are true, or not 0", |_, given| {
        count(given.tensor("x"), &over(given))
    }),
];
