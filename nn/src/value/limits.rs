//! Elements kept within limits.

use super::elementwise::{and, greater, less, maximum, minimum, select, stop_gradient};
use super::reduce::numbers;
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, X, optional, row};
use downhill_graph::error::Error;
use std::borrow::Borrow;

/// x, but `least` where it is less and `greatest` where it is more, as PyTorch's `clamp`; either limit may be absent. NaN passes.
///
/// The gradient passes between the limits; at them and beyond it is 0. Where `least` is above `greatest`, all is `greatest`.
///
/// # Shapes
/// That of `x`, and its element type.
///
/// # Errors
/// A mask, no limit at all, and a limit that is NaN are mistakes of the declaration.
pub fn clamp(x: impl Borrow<Value>, least: Option<f64>, greatest: Option<f64>) -> Value {
    let x = x.borrow();
    if numbers(x).is_none() {
        return x.builder().unknown();
    }
    if least.is_none() && greatest.is_none() {
        return x.builder().fail(Error::new("`clamp` without limits").help("give it a `min` or a `max`"));
    }
    for (limit, name) in [(least, "min"), (greatest, "max")] {
        if limit.is_some_and(f64::is_nan) {
            return x.builder().fail(Error::new(format!("`clamp` with a `{name}` of NaN")));
        }
    }

    let above = least.map(|least| greater(x, least));
    let below = greatest.map(|greatest| less(x, greatest));
    let within = match (above, below) {
        (Some(above), Some(below)) => and(above, below),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return x.clone(),
    };

    let raised = least.map_or_else(|| x.clone(), |least| maximum(x, least));
    let limited = greatest.map_or_else(|| raised.clone(), |greatest| minimum(&raised, greatest));
    select(within, x, stop_gradient(limited))
}

fn clamp_row(_: &Builder, given: &Arguments<'_>) -> Value {
    clamp(given.tensor("x"), given.optional_number("min"), given.optional_number("max"))
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[row(
    "clamp",
    &[
        X,
        optional("min", Kind::Number, Default::Unset("none")),
        optional("max", Kind::Number, Default::Unset("none")),
    ],
    "x within limits",
    clamp_row,
)];
