//! Windows that move along axes.

use super::align::{resolve_axis, spoken};
use super::movement::transpose_by;
use crate::builder::Value;
use crate::call::{Composite, Default, Kind, LAST, X, bound, given, optional, row};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::{Op, Padding, Window};
use std::borrow::Borrow;

/// What a window of `size` elements sees that moves along `axis`: two axes for one, the window's place and the element in it. Windows stand
/// `stride` elements apart, their elements `dilation`; what is left at the end is not seen. No copy is made.
///
/// # Shapes
/// `[…, n, …]` to `[…, (n − dilation·(size − 1) − 1) / stride + 1, size, …]`, rounded down.
pub fn window(
    x: impl Borrow<Value>,
    axis: i64,
    size: impl Into<Dim>,
    stride: impl Into<Dim>,
    dilation: impl Into<Dim>,
) -> Value {
    let x = x.borrow();
    let (taps, stride, dilation) = (size.into(), stride.into(), dilation.into());
    let Some(shape) = x.shape() else { return x.builder().unknown() };
    let Some(axis) = resolve_axis(x, axis, shape.rank()) else { return x.builder().unknown() };
    for (what, number) in [("size", &taps), ("stride", &stride), ("dilation", &dilation)] {
        if let Some(number @ ..1) = bound(x.builder(), number) {
            let error = Error::new(format!("a window with a {what} of {number}"));
            return x.builder().fail(error.help("it must be at least 1"));
        }
    }

    let window = Window { axis, taps, stride, dilation };
    let [size, span] = [&shape.dims()[axis], &window.span()].map(|dim| bound(x.builder(), dim));
    if let (Some(size), Some(span)) = (size, span)
        && size < span
    {
        let error = Error::new(format!(
            "a window over {span} elements does not fit in axis {axis} of {}, which has {size}",
            spoken(x, "the operand")
        ));
        return x.builder().fail(error.help("take a smaller window or pad the axis"));
    }
    x.builder().apply(Op::Window(window), &[x])
}

/// Zeros before and after the elements of each axis: (before, after) for each.
pub(crate) fn zero_padded(x: &Value, paddings: &[(Dim, Dim)]) -> Value {
    if paddings.iter().all(|(low, high)| low.is(0) && high.is(0)) {
        return x.clone();
    }
    let padding = |(low, high): &(Dim, Dim)| Padding { low: low.clone(), high: high.clone(), interior: 0 };
    x.builder().apply(Op::Pad(paddings.iter().map(padding).collect()), &[x])
}

/// `[batch, channels, …]` as `[batch, …, channels]`.
pub(crate) fn channels_last(x: &Value, rank: i64) -> Value {
    transpose_by(x, &[&[0], &*(2..rank).collect::<Vec<i64>>(), &[1]].concat())
}

/// `[batch, …, channels]` as `[batch, channels, …]`.
pub(crate) fn channels_second(x: &Value, rank: i64) -> Value {
    transpose_by(x, &[&[0, rank - 1], &*(1..rank - 1).collect::<Vec<i64>>()].concat())
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[row(
    "window",
    &[
        X,
        given("size", Kind::Dim),
        optional("stride", Kind::Dim, Default::Integer(1)),
        optional("dilation", Kind::Dim, Default::Integer(1)),
        LAST,
    ],
    "what a window sees that moves along an axis: an axis of places, then one of elements",
    |builder, given| match [given.dim("size"), given.dim("stride"), given.dim("dilation")] {
        [Some(size), Some(stride), Some(dilation)] => {
            window(given.tensor("x"), given.integer("axis"), size.clone(), stride.clone(), dilation.clone())
        }
        _ => builder.unknown(),
    },
)];
