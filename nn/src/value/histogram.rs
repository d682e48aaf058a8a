//! How many elements lie where.

use super::align::require_float;
use super::elementwise::{
    and, convert, equal, floor, greater_equal, less_equal, minimum, multiply, subtract,
};
use super::movement::{expand, index, reshape};
use super::reduce::sum_over;
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Kind, X, bound, given, row};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::types::{ElementType, Shape};
use std::borrow::Borrow;

/// How many elements lie in each of `bins` equal parts of `min`..=`max`, as i32: PyTorch's `histc`, whose counts are floats. A part has its
/// lower end, the last one its upper end too. Elements outside, and NaN, are not counted. Each element is compared with each part.
///
/// # Shapes
/// `[bins]`, of a value of any shape.
///
/// # Errors
/// Integers and masks, fewer than 1 parts, limits that are not finite, and a `min` that is not below `max`, are mistakes of the declaration.
pub fn histogram(x: impl Borrow<Value>, bins: impl Into<Dim>, min: f64, max: f64) -> Value {
    let (x, bins) = (x.borrow(), bins.into());
    let builder = x.builder();
    for (what, number) in [("`histogram` with a min", min), ("`histogram` with a max", max)] {
        if let Err(error) = check(what, number, Allowed::Finite) {
            return builder.fail(error);
        }
    }
    if min >= max {
        let error = Error::new(format!("`histogram` with a min of {min} and a max of {max}"));
        return builder.fail(error.help("`min` must be below `max`"));
    }
    if let Some(count @ ..1) = bound(builder, &bins) {
        return builder.fail(Error::new(format!("`histogram` of {count} bins")).help("it needs at least 1"));
    }
    if !require_float(x, "histogram") {
        return builder.unknown();
    }

    let Some(size) = x.shape().map(|shape| shape.size()) else { return builder.unknown() };
    let row = reshape(x, [size.clone()]);
    let share = subtract(&row, min) * (1.0 / (max - min));
    let last = builder.dim_value(&(&bins - &Dim::from(1)));
    let part = minimum(floor(multiply(share, builder.dim_value(&bins))), last);
    let is_inside = and(greater_equal(&row, min), less_equal(&row, max));

    let number = convert(index(builder, Shape(vec![size, bins]), 1), ElementType::F32);
    let part = convert(part, ElementType::F32);
    let is_there = and(equal(number, expand(part, 1)), expand(is_inside, 1));
    sum_over(convert(is_there, ElementType::I32), &[0])
}

fn histogram_row(builder: &Builder, given: &Arguments<'_>) -> Value {
    let Some(bins) = given.dim("bins") else { return builder.unknown() };
    histogram(given.tensor("x"), bins.clone(), given.number("min"), given.number("max"))
}

/// What declarations call this function by.
pub(super) const ROWS: &[Composite] = &[row(
    "histogram",
    &[X, given("bins", Kind::Dim), given("min", Kind::Number), given("max", Kind::Number)],
    "how many elements lie in each of equal parts",
    histogram_row,
)];
