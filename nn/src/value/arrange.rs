//! The same elements turned round, moved along, or again.

use super::align::{resolve_axis, spoken};
use super::movement::{concatenate, expand, reshape, slice};
use super::reduce::Over;
use super::told::{Told, told};
use crate::builder::{Builder, Value};
use crate::call::{AXES, Arguments, Composite, Default, Kind, Parameter, X, bound, given, optional, row};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::Op;
use downhill_graph::types::Shape;
use std::borrow::Borrow;

/// The elements in reverse order along `axes`, all where none are named, as PyTorch's `flip`.
///
/// # Shapes
/// That of `x`.
///
/// # Errors
/// An axis that `x` does not have, and one that is named twice, are mistakes of the declaration.
pub fn flip(x: impl Borrow<Value>, axes: Option<&[i64]>) -> Value {
    let x = x.borrow();
    let over = Over { axes: axes.map(<[i64]>::to_vec), keep: false };
    let axes = x.shape().and_then(|shape| over.resolve(x, shape.rank()));
    match axes {
        Some(axes) if axes.is_empty() => x.clone(),
        Some(axes) => x.builder().apply(Op::Reverse(axes), &[x]),
        None => x.builder().unknown(),
    }
}

/// The elements moved by `shift` along `axis`, the last ones to the front, as PyTorch's `roll`; a negative shift moves to the front.
/// Without an axis all elements move as one row.
///
/// # Shapes
/// That of `x`. Where only a run tells the size of the axis, it must be at least the shift.
///
/// # Errors
/// An axis that `x` does not have is a mistake of the declaration.
pub fn roll(x: impl Borrow<Value>, shift: i64, axis: Option<i64>) -> Value {
    let x = x.borrow();
    let Some(shape) = x.shape() else { return x.builder().unknown() };
    let Some(axis) = axis else {
        let row = reshape(x, [-1]);
        return reshape(roll(row, shift, Some(0)), shape);
    };
    let Some(position) = resolve_axis(x, axis, shape.rank()) else { return x.builder().unknown() };

    let size = &shape.dims()[position];
    let shift = match told(x.builder(), size) {
        Told::Now(0) => 0,
        Told::Now(size) => shift.rem_euclid(size),
        // The shape stays.
        Told::Later => 0,
        Told::Run => shift,
    };
    if shift == 0 {
        return x.clone();
    }
    let cut = if shift > 0 { size - &Dim::from(shift) } else { Dim::from(-shift) };
    let parts = [slice(x, axis, cut.clone(), None, 1), slice(x, axis, 0, Some(cut), 1)];
    concatenate(x.builder(), &parts, axis)
}

/// Copies of the whole, `counts` of them along each axis, as PyTorch's `tile`: `[1, 2]` twice is `[1, 2, 1, 2]`. The last count is for the
/// last axis; axes without one are taken once, and counts without an axis make new ones in front.
///
/// # Shapes
/// Each axis times its count.
///
/// # Errors
/// A count below 0 is a mistake of the declaration.
pub fn tile(x: impl Borrow<Value>, counts: &[Dim]) -> Value {
    let x = x.borrow();
    let Some(shape) = x.shape() else { return x.builder().unknown() };
    let rank = counts.len().max(shape.rank());
    let ones = |present: usize| std::iter::repeat_n(Dim::from(1), rank - present);
    let counts: Vec<Dim> = ones(counts.len()).chain(counts.iter().cloned()).collect();
    let sizes: Vec<Dim> = ones(shape.rank()).chain(shape.0).collect();
    if let Some(error) = counts.iter().find_map(|count| below_zero(x.builder(), "tile", count)) {
        return x.builder().fail(error);
    }

    let pairs = counts.iter().zip(&sizes);
    let between = pairs.clone().flat_map(|(count, size)| [count.clone(), size.clone()]).collect();
    let axes = (0..rank).map(|axis| 2 * axis + 1).collect();
    let copies =
        x.builder().apply(Op::Broadcast { shape: Shape(between), axes }, &[&reshape(x, sizes.clone())]);
    reshape(copies, pairs.map(|(count, size)| count * size).collect::<Vec<Dim>>())
}

/// Each element `count` times in a row along `axis`, as PyTorch's `repeat_interleave`: `[1, 2]` twice is `[1, 1, 2, 2]`. Without an axis
/// all elements are one row.
///
/// # Shapes
/// The axis times `count`; without one, one axis.
///
/// # Errors
/// A count below 0, and an axis that `x` does not have, are mistakes of the declaration.
pub fn repeat(x: impl Borrow<Value>, count: impl Into<Dim>, axis: Option<i64>) -> Value {
    let (x, count) = (x.borrow(), count.into());
    let Some(axis) = axis else { return repeat(reshape(x, [-1]), count, Some(0)) };
    let Some(shape) = x.shape() else { return x.builder().unknown() };
    let Some(axis) = resolve_axis(x, axis, shape.rank()) else { return x.builder().unknown() };
    if let Some(error) = below_zero(x.builder(), "repeat", &count) {
        return x.builder().fail(error);
    }

    let mut between = shape.0.clone();
    between.insert(axis + 1, count.clone());
    let axes = (0..=shape.rank()).filter(|&other| other != axis + 1).collect();
    let copies = x.builder().apply(Op::Broadcast { shape: Shape(between), axes }, &[x]);
    let mut sizes = shape.0;
    sizes[axis] = &sizes[axis] * &count;
    reshape(copies, sizes)
}

fn below_zero(builder: &Builder, user: &str, count: &Dim) -> Option<Error> {
    let count = bound(builder, count).filter(|&count| count < 0)?;
    Some(Error::new(format!("`{user}` {count} times")).help("count from 0"))
}

/// Values of one shape beside each other along a new axis at `axis`, as PyTorch's `stack`.
///
/// # Shapes
/// `[a, b]`, n times, to `[n, a, b]` for axis 0. A negative axis counts from the end of the result.
///
/// # Errors
/// No value at all, and shapes that differ, are mistakes of the declaration.
pub fn stack<V: Borrow<Value>>(builder: &Builder, values: &[V], axis: i64) -> Value {
    let Some(first) = values.first().map(Borrow::borrow) else {
        return builder.fail(Error::new("`stack` of nothing").help("give it one value or more"));
    };
    for other in values.iter().map(Borrow::borrow).skip(1) {
        let (Some(a), Some(b)) = (first.shape(), other.shape()) else { return builder.unknown() };
        let mut pairs = a.dims().iter().zip(b.dims());
        if a.rank() != b.rank() || !pairs.all(|(a, b)| builder.with_graph(|graph| graph.agrees(a, b))) {
            let (one, two) = (spoken(first, "the first operand"), spoken(other, "another"));
            let error = Error::new(format!("`stack` of {one}, which is {a}, and {two}, which is {b}"));
            return builder.fail(
                error.help("give all the same shape; `concatenate` takes sizes that differ along its axis"),
            );
        }
    }
    let expanded: Vec<Value> = values.iter().map(|value| expand(value.borrow(), axis)).collect();
    concatenate(builder, &expanded, axis)
}

const ROW: Parameter<'static> = optional("axis", Kind::Integer, Default::Unset("all as one row"));
const FIRST: Parameter<'static> = optional("axis", Kind::Integer, Default::Integer(0));

fn repeat_row(builder: &Builder, given: &Arguments<'_>) -> Value {
    let Some(count) = given.dim("count") else { return builder.unknown() };
    repeat(given.tensor("x"), count.clone(), given.optional_integer("axis"))
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("flip", &[X, AXES], "elements in reverse order along axes", |_, given| {
        flip(given.tensor("x"), given.axes("axes").as_deref())
    }),
    row(
        "roll",
        &[X, given("shift", Kind::Integer), ROW],
        "elements moved along, the last to the front",
        |_, given| roll(given.tensor("x"), given.integer("shift"), given.optional_integer("axis")),
    ),
    row("tile", &[X, given("counts", Kind::Sizes)], "copies of the whole along each axis", |_, given| {
        tile(given.tensor("x"), &given.shape("counts"))
    }),
    row("repeat", &[X, given("count", Kind::Dim), ROW], "each element several times in a row", repeat_row),
    row(
        "stack",
        &[given("x", Kind::Tensors), FIRST],
        "one after another along a new axis",
        |builder, given| stack(builder, &given.tensors("x"), given.integer("axis")),
    ),
];
