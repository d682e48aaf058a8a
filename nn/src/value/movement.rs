//! The same elements at other indices.

use super::align::{bare, both_shapes, coerce, resolve_axis, spoken};
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, LAST, SHAPE, X, given, of_one, optional, row};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::{Op, Range};
use downhill_graph::types::Shape;
use std::borrow::Borrow;

/// The same elements, row-major, under another shape. One size may be −1: it is the number of elements divided by the other sizes.
pub fn reshape(x: impl Borrow<Value>, shape: impl Into<Shape>) -> Value {
    let x = x.borrow();
    let builder = x.builder();
    let Some(old) = x.shape() else { return builder.unknown() };
    let mut new = shape.into();

    let open: Vec<usize> = (0..new.rank()).filter(|&axis| new.dims()[axis].is(-1)).collect();
    if let [axis] = open[..] {
        new.0[axis] = Dim::from(1);
        new.0[axis] = old.size().divide(&new.size());
    }

    let sizes = open.len() <= 1 && builder.with_graph(|graph| graph.agrees(&old.size(), &new.size()));
    if !sizes {
        let error = Error::new(format!(
            "{} with shape {old} has not as many elements as {new}",
            spoken(x, "the operand")
        ));
        let help = "the sizes must multiply to the same number; one of them may be -1";
        return builder.fail(error.note(format!("{} elements for {}", old.size(), new.size())).help(help));
    }

    if old == new { x.clone() } else { builder.apply(Op::Reshape(new), &[x]) }
}

/// All axes but the first made one: [batch, a, b] to [batch, a·b].
pub fn flatten(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    let Some(shape) = x.shape() else { return x.builder().unknown() };
    let Some((first, rest)) = shape.dims().split_first() else { return reshape(x, [1]) };
    reshape(x, vec![first.clone(), Shape(rest.to_vec()).size()])
}

/// Inserts an axis of size 1 at `axis`, which counts from the end of the result when negative.
pub fn expand(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    let Some(shape) = x.shape() else { return x.builder().unknown() };
    let Some(position) = resolve_axis(x, axis, shape.rank() + 1) else { return x.builder().unknown() };
    let mut dims = shape.0;
    dims.insert(position, Dim::from(1));
    reshape(x, dims)
}

/// Swaps the last two axes.
pub fn transpose(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    let Some(rank) = x.shape().map(|shape| shape.rank()) else { return x.builder().unknown() };
    if rank < 2 {
        let error = Error::new(format!(
            "{} has {rank} axes; `transpose` swaps the last two",
            spoken(x, "the operand")
        ));
        return x.builder().fail(error);
    }
    let order = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
    x.builder().apply(Op::Transpose(order), &[x])
}

/// Result axis `i` is axis `order[i]`; negative ones count from the end.
pub fn transpose_by(x: impl Borrow<Value>, order: &[i64]) -> Value {
    let x = x.borrow();
    let unknown = || x.builder().unknown();
    let Some(rank) = x.shape().map(|shape| shape.rank()) else { return unknown() };
    let Some(axes) = order.iter().map(|&axis| resolve_axis(x, axis, rank)).collect::<Option<Vec<_>>>() else {
        return unknown();
    };
    let mut sorted = axes.clone();
    sorted.sort_unstable();

    if !sorted.iter().copied().eq(0..rank) {
        let error =
            Error::new(format!("{order:?} is no order of the {rank} axes of {}", spoken(x, "the operand")));
        return x.builder().fail(error.help("name every axis once"));
    }
    x.builder().apply(Op::Transpose(axes), &[x])
}

/// The elements in reverse order along `axis`.
pub fn reverse(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    let position = x.shape().and_then(|shape| resolve_axis(x, axis, shape.rank()));
    match position {
        Some(axis) => x.builder().apply(Op::Reverse(vec![axis]), &[x]),
        None => x.builder().unknown(),
    }
}

/// One after another along `axis`, which counts from the end when negative.
pub fn concatenate<V: Borrow<Value>>(builder: &Builder, values: &[V], axis: i64) -> Value {
    let values: Vec<&Value> = values.iter().map(Borrow::borrow).collect();
    if values.is_empty() {
        return builder.fail(Error::new("`concatenate` of nothing").help("give it one value or more"));
    }
    join(&values, axis).unwrap_or_else(|| builder.unknown())
}

fn join(values: &[&Value], axis: i64) -> Option<Value> {
    let first = values[0];
    let shapes = values.iter().map(|value| value.shape()).collect::<Option<Vec<Shape>>>()?;
    let axis = resolve_axis(first, axis, shapes[0].rank())?;
    for (other, shape) in values.iter().zip(&shapes).skip(1) {
        let fits = |i: usize| {
            i == axis || first.builder().with_graph(|g| g.agrees(&shapes[0].dims()[i], &shape.dims()[i]))
        };
        if shape.rank() != shapes[0].rank() || !(0..shape.rank()).all(fits) {
            let (a, b) = (spoken(first, "the first operand"), spoken(other, "another"));
            let error = Error::new(format!("{a} and {b} do not fit beside each other along axis {axis}"));
            let error = error.note(both_shapes(first, other));
            let number =
                other.node().and_then(|id| other.builder().with_graph(|graph| graph.constant_value(id)));
            first.builder().error(error.help(match number.filter(|_| shape.rank() == 0) {
                Some(number) => format!("the axis is said by its name: `axis: {number}`"),
                None => beside((first, &shapes[0]), (other, shape), axis),
            }));
            return None;
        }
    }

    let values = coerce(values)?;
    if values.len() == 1 {
        return values.into_iter().next();
    }
    Some(first.builder().apply(Op::Concatenate { axis }, &values.iter().collect::<Vec<_>>()))
}

/// The mend of two shapes that do not fit beside each other along `axis`: the one along which they do.
fn beside((one, a): (&Value, &Shape), (other, b): (&Value, &Shape), axis: usize) -> String {
    let all = format!("all axes but axis {axis} must be equal");
    // A mean or a sum of the other has lost the axis.
    let (short, lacks, whole) = if a.rank() < b.rank() { (one, a, b) } else { (other, b, a) };
    if whole.rank() == lacks.rank() + 1 && whole.dims()[..axis] == lacks.dims()[..axis] {
        return format!("{all}: `expand({}, {axis})` adds the axis that is missing", bare(short));
    }
    let mut differing = (0..a.rank()).filter(|&at| a.dims().get(at) != b.dims().get(at));
    match (differing.next(), differing.next()) {
        (Some(other), None) if a.rank() == b.rank() => {
            format!("{all}; along axis {other} they fit: `axis: {other}`")
        }
        _ => all,
    }
}

/// Elements `start`, `start + stride`, … before `end` along `axis`. Negative numbers count from the end; no end is the axis' end.
pub fn slice(
    x: impl Borrow<Value>,
    axis: i64,
    start: impl Into<Dim>,
    end: Option<Dim>,
    stride: i64,
) -> Value {
    let x = x.borrow();
    cut(x, axis, start.into(), end, stride).unwrap_or_else(|| x.builder().unknown())
}

fn cut(x: &Value, axis: i64, start: Dim, end: Option<Dim>, stride: i64) -> Option<Value> {
    let shape = x.shape()?;
    let axis = resolve_axis(x, axis, shape.rank())?;
    let size = &shape.dims()[axis];
    let from_end = |dim: Dim| if dim.as_constant().is_some_and(|n| n < 0) { size + &dim } else { dim };
    let (start, end) = (from_end(start), end.map_or_else(|| size.clone(), from_end));

    // What symbols leave open is checked when they are numbers.
    let inside =
        [&start, &(&end - &start), &(size - &end)].iter().all(|dim| dim.as_constant().is_none_or(|n| n >= 0));
    if stride < 1 || !inside {
        let error = Error::new(format!(
            "{start}..{end} by {stride} is no range of axis {axis} of {}",
            spoken(x, "the operand")
        ));
        x.builder().error(
            error
                .note(format!("its size is {size}"))
                .help("0 ≤ start ≤ end ≤ size, and a stride of at least 1"),
        );
        return None;
    }

    let mut ranges: Vec<Range> = shape.dims().iter().map(Range::whole).collect();
    ranges[axis] = Range { start, end, stride };
    Some(x.builder().apply(Op::Slice(ranges), &[x]))
}

/// The index along `axis` of each element of `shape`, as i32.
pub fn index(builder: &Builder, shape: impl Into<Shape>, axis: usize) -> Value {
    builder.apply(Op::Iota { shape: shape.into(), axis }, &[])
}

fn transpose_row(_: &Builder, arguments: &Arguments<'_>) -> Value {
    match arguments.axes("axes") {
        Some(order) => transpose_by(arguments.tensor("x"), &order),
        None => transpose(arguments.tensor("x")),
    }
}

fn slice_row(_: &Builder, arguments: &Arguments<'_>) -> Value {
    let start = arguments.dim("start").cloned().unwrap_or_default();
    let end = arguments.dim("end").cloned();
    slice(arguments.tensor("x"), arguments.integer("axis"), start, end, arguments.integer("stride"))
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("reshape", &[X, SHAPE], "the same elements in another shape", |_, given| {
        reshape(given.tensor("x"), given.shape("shape"))
    }),
    of_one!("flatten", flatten, "all axes but the first made one"),
    row("expand", &[X, given("axis", Kind::Integer)], "a new axis of size 1", |_, given| {
        expand(given.tensor("x"), given.integer("axis"))
    }),
    row(
        "transpose",
        &[X, optional("axes", Kind::Axes, Default::Unset("the last two swapped"))],
        "axes in another order",
        transpose_row,
    ),
    row("reverse", &[X, LAST], "elements in reverse order along an axis", |_, given| {
        reverse(given.tensor("x"), given.integer("axis"))
    }),
    row(
        "concatenate",
        &[given("x", Kind::Tensors), LAST],
        "one after another along an axis",
        |builder, given| concatenate(builder, &given.tensors("x"), given.integer("axis")),
    ),
    row(
        "slice",
        &[
            X,
            optional("start", Kind::Dim, Default::Integer(0)),
            optional("end", Kind::Dim, Default::Unset("the size")),
            LAST,
            optional("stride", Kind::Integer, Default::Integer(1)),
        ],
        "a range along an axis",
        slice_row,
    ),
];
