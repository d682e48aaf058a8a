//! How far elements lie from their mean.

use super::align::require_float;
use super::elementwise::{and, divide, greater, less, select, sqrt, square, stop_gradient, subtract};
use super::reduce::{Over, average, over, reduce};
use crate::builder::Value;
use crate::call::{AXES, Arguments, Composite, Default, KEEP, Kind, Parameter, X, optional, row};
use downhill_graph::dim::Dim;
use downhill_graph::op::Reduction;
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;

/// Σ(x − μ)²/(n − correction) over `over`, μ being the mean of the n elements there, as PyTorch's `var`: a correction of 1 (Bessel's) is
/// the variance of the distribution that the elements were drawn from, one of 0 that of the elements themselves.
///
/// Where n is not above the correction, it is NaN or infinite, as 0/0 and 1/0 are.
///
/// # Shapes
/// Those of [`mean`](super::mean) over the same axes.
///
/// # Errors
/// Integers and masks, axes that `x` does not have, and a correction that is negative or not finite are mistakes of the declaration.
pub fn variance(x: impl Borrow<Value>, correction: f64, over: &Over) -> Value {
    let x = x.borrow();
    scattered("variance", x, correction, over).unwrap_or_else(|| x.builder().unknown())
}

/// √[`variance`], as PyTorch's `std`. Where all elements are equal its gradient is 0, not infinite.
///
/// # Shapes
/// Those of [`variance`].
///
/// # Errors
/// Those of [`variance`].
pub fn standard_deviation(x: impl Borrow<Value>, correction: f64, over: &Over) -> Value {
    let x = x.borrow();
    match scattered("standard_deviation", x, correction, over) {
        Some(variance) => root(&variance),
        None => x.builder().unknown(),
    }
}

fn scattered(user: &str, x: &Value, correction: f64, over: &Over) -> Option<Value> {
    if !require_float(x, user) {
        return None;
    }
    if let Err(error) = check(&format!("`{user}` with a correction"), correction, Allowed::FromZero) {
        x.builder().error(error);
        return None;
    }

    let shape = x.shape()?;
    let axes = over.resolve(x, shape.rank())?;
    let count = axes.iter().fold(Dim::from(1), |count, &axis| &count * &shape.dims()[axis]);
    let away = square(subtract(x, average(x, &over.kept())));
    Some(divide(reduce(Reduction::Sum, &away, over), free(x, &count, correction)))
}

/// max(count − correction, 0).
fn free(x: &Value, count: &Dim, correction: f64) -> Value {
    let builder = x.builder();
    match count.as_constant() {
        Some(count) => builder.constant((count as f64 - correction).max(0.0)),
        None => {
            let count = builder.dim_value(count);
            let rest = subtract(&count, correction);
            select(greater(&rest, 0.0), rest, 0.0)
        }
    }
}

/// √x, whose gradient is 0 where the root has none: where x is 0 or infinite.
pub(super) fn root(x: &Value) -> Value {
    let root = sqrt(x);
    let is_smooth = and(greater(x, 0.0), less(x, f64::INFINITY));
    select(is_smooth, &root, stop_gradient(&root))
}

/// x as a constant, or 1 where it is not above 0 or infinite: what others are divided by to be of moderate size.
pub(super) fn moderate(x: &Value) -> Value {
    select(and(greater(x, 0.0), less(x, f64::INFINITY)), stop_gradient(x), 1.0)
}

const CORRECTION: Parameter<'static> = optional("correction", Kind::Number, Default::Number(1.0));

fn variance_row(_: &crate::builder::Builder, given: &Arguments<'_>) -> Value {
    variance(given.tensor("x"), given.number("correction"), &over(given))
}

fn deviation_row(_: &crate::builder::Builder, given: &Arguments<'_>) -> Value {
    standard_deviation(given.tensor("x"), given.number("correction"), &over(given))
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("variance", &[X, AXES, CORRECTION, KEEP], "Σ(x − μ)²/(n − correction)", variance_row),
    row("standard_deviation", &[X, AXES, CORRECTION, KEEP], "√variance", deviation_row),
];
