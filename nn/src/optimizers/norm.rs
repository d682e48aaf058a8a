//! Lengths of gradients and weights.

use crate::builder::Value;
use crate::value::{abs, convert, is_finite, maximum, select, sqrt, square, sum};
use downhill_graph::types::ElementType;

/// Squares of what is multiplied by this are finite for every f32, however many are added.
const SMALL: f64 = 1.0 / (1_u128 << 80) as f64;

/// √Σx² over all elements of all values, an f32 scalar: 0 of no elements. Squares of elements above 10¹⁹ are infinite as f32; the root of
/// their sum is not, and is taken of smaller ones then. It is infinite or NaN where an element is, and infinite where it is no f32 itself.
pub(super) fn norm<'v>(values: impl IntoIterator<Item = &'v Value> + Clone) -> Option<Value> {
    let plain = total(values.clone(), |x| square(x))?;
    let small = total(values, |x| square(x * SMALL))?;
    Some(select(is_finite(&plain), sqrt(plain), sqrt(small) * (1.0 / SMALL)))
}

/// The sum of `term` over all elements of all values, an f32 scalar.
pub(super) fn total<'v>(
    values: impl IntoIterator<Item = &'v Value>,
    term: impl Fn(&Value) -> Value,
) -> Option<Value> {
    let sums = values.into_iter().map(|x| convert(sum(term(x)), ElementType::F32));
    sums.reduce(|a, b| a + b)
}

/// The greatest |x| of all elements of all values, an f32 scalar.
pub(super) fn greatest<'v>(values: impl IntoIterator<Item = &'v Value>) -> Option<Value> {
    // From 0, so that there is one where there are no elements.
    let of_one = |x: &Value| maximum(convert(crate::value::max(abs(x)), ElementType::F32), 0.0);
    values.into_iter().map(of_one).reduce(maximum)
}
