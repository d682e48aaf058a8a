//! Elements found by index, and added up by it.
//!
//! In: a value and i32 indices. Out: the elements that they say. Indices count from 0; what is outside of an axis is a mistake, which is
//! told when data is bound, or makes the value NaN (`check.rs`).

use super::align::{both_shapes, resolve_axis, spoken};
use super::check::{User, demand};
use crate::builder::Value;
use crate::call::{Composite, Default, Kind, LAST, Parameter, X, given, optional, row};
use downhill_graph::check::Rule;
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::Op;
use downhill_graph::types::{ElementType, Shape, Type};
use std::borrow::Borrow;

/// What is told where an index is broken.
const HELP: &str = "indices count from 0 along the axis";

/// The elements along `axis` that `indices` say, as PyTorch's `index_select`; indices of any shape. A row of a table for each index: axis 0.
///
/// # Shapes
/// `axis` of `x` becomes the axes of `indices`: `[n, width]` by `[batch, time]` along axis 0 is `[batch, time, width]`.
///
/// # Errors
/// Indices that are no i32, and an axis that `x` does not have, are mistakes of the declaration. An index that is not within the axis is
/// refused when data is bound. Where indices are computed, it makes what is found NaN (of integers and masks, it finds the nearest element).
///
/// # Examples
/// ```
/// use downhill_graph::interpret::{Environment, Precision, interpret};
/// use downhill_graph::types::ElementType;
/// use downhill_nn::builder::{Builder, Mode};
/// use downhill_nn::value::take;
///
/// let b = Builder::new(Mode::Infer);
/// let x = b.input("x", ElementType::F32, [3, 2]);
/// let at = b.input("at", ElementType::I32, [2]);
/// b.output("y", &take(&x, &at, 0));
/// let graph = downhill_nn::entry::forward(&b.finish().expect("no mistakes"))?;
///
/// let table = [[1.0_f32, 2.0], [3.0, 4.0], [5.0, 6.0]];
/// let environment = Environment::new().input("x", table).input("at", [2, 0]);
/// let results = interpret(&graph, &environment, Precision::F32)?;
/// assert_eq!(results[0].1.as_f32()?, [5.0, 6.0, 1.0, 2.0]);
/// # Ok::<(), downhill_graph::error::Error>(())
/// ```
pub fn take(x: impl Borrow<Value>, indices: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    rows_of("take", x, indices.borrow(), axis).unwrap_or_else(|| x.builder().unknown())
}

/// [`take`] for a composite of this name.
pub(crate) fn rows_of(user: &'static str, x: &Value, indices: &Value, axis: i64) -> Option<Value> {
    let (shape, ty) = (x.shape()?, whole(user, indices)?);
    let axis = resolve_axis(x, axis, shape.rank())?;
    let demanded = within(user, indices, &shape.dims()[axis]);
    let found = x.builder().apply(Op::Gather { axis, batch: 0 }, &[x, indices]);
    Some(demanded.poison_along(found, (axis..axis + ty.rank()).collect()))
}

/// For each index the element at it along `axis`, as PyTorch's `gather`: `y[i, j] = x[i, indices[i, j]]` for axis 1.
///
/// # Shapes
/// `indices` has the axes of `x`, and their sizes but for that of `axis`. The result has the shape of `indices`.
///
/// # Errors
/// As [`take`]; shapes that differ elsewhere are mistakes of the declaration.
pub fn gather(x: impl Borrow<Value>, indices: impl Borrow<Value>, axis: i64) -> Value {
    let (x, indices) = (x.borrow(), indices.borrow());
    along(x, indices, axis).unwrap_or_else(|| x.builder().unknown())
}

fn along(x: &Value, indices: &Value, axis: i64) -> Option<Value> {
    let (shape, ty) = (x.shape()?, whole("gather", indices)?);
    let rank = shape.rank();
    let axis = resolve_axis(x, axis, rank)?;
    let agree = |i: usize| {
        i == axis || x.builder().with_graph(|graph| graph.agrees(&shape.dims()[i], &ty.shape.dims()[i]))
    };
    if ty.rank() != rank || !(0..rank).all(agree) {
        let wanted = wanted(&shape, axis, Some("…"));
        let help = format!(
            "`gather` along axis {axis} takes indices of shape {wanted}; `take` takes the same ones for all"
        );
        return misfit("gather", x, indices, help);
    }

    let demanded = within("gather", indices, &shape.dims()[axis]);
    let last = rank - 1;
    let [from, at] = [x, indices].map(|value| moved(value, axis, last));
    let found = found_at(&from, &at)?;
    Some(demanded.poison_along(moved(&found, last, axis), (0..rank).collect()))
}

/// One element along `axis` for each index: `y[i] = x[i, indices[i]]` for the last axis of a matrix, such as the probability of each row's
/// class.
///
/// # Shapes
/// `indices` has the shape of `x` without `axis`, and so has the result.
///
/// # Errors
/// As [`gather`].
pub fn pick(x: impl Borrow<Value>, indices: impl Borrow<Value>, axis: i64) -> Value {
    let (x, indices) = (x.borrow(), indices.borrow());
    one_of_each(x, indices, axis).unwrap_or_else(|| x.builder().unknown())
}

fn one_of_each(x: &Value, indices: &Value, axis: i64) -> Option<Value> {
    let (shape, ty) = (x.shape()?, whole("pick", indices)?);
    let axis = resolve_axis(x, axis, shape.rank())?;
    let others: Vec<&Dim> = without(&shape, axis).collect();
    let mut pairs = others.iter().zip(ty.shape.dims());
    let agree = pairs.all(|(a, b)| x.builder().with_graph(|graph| graph.agrees(a, b)));
    if others.len() != ty.rank() || !agree {
        let help = format!("`pick` along axis {axis} takes indices of shape {}", wanted(&shape, axis, None));
        return misfit("pick", x, indices, help);
    }

    let demanded = within("pick", indices, &shape.dims()[axis]);
    let last = shape.rank() - 1;
    let found = found_at(&moved(x, axis, last), indices)?;
    Some(demanded.poison_along(found, (0..last).collect()))
}

/// The elements of `x` along `axis` that have the same index, added up in their order: `size` sums, 0 where there is no such element. The
/// adjoint of [`take`].
///
/// # Shapes
/// The axes of `x` from `axis` on are those of `indices`, and become one of `size`: `[batch, time, width]` by `[batch, time]` along axis 0
/// is `[size, width]`.
///
/// # Errors
/// As [`take`]; shapes that differ there are mistakes of the declaration.
pub fn scatter_add(
    x: impl Borrow<Value>,
    indices: impl Borrow<Value>,
    size: impl Into<Dim>,
    axis: i64,
) -> Value {
    let x = x.borrow();
    added(x, indices.borrow(), size.into(), axis).unwrap_or_else(|| x.builder().unknown())
}

fn added(x: &Value, indices: &Value, size: Dim, axis: i64) -> Option<Value> {
    let (x_ty, ty) = (x.ty()?, whole("scatter_add", indices)?);
    if x_ty.element == ElementType::Bool {
        let error = Error::new(format!("{} is a mask, which cannot be summed", spoken(x, "the operand")));
        x.builder().error(error.help("convert it: `f32(…)`"));
        return None;
    }
    let axis = resolve_axis(x, axis, x_ty.rank())?;
    let behind = axis + ty.rank();
    let fits = behind <= x_ty.rank() && {
        let mut pairs = x_ty.shape.dims()[axis..behind].iter().zip(ty.shape.dims());
        pairs.all(|(a, b)| x.builder().with_graph(|graph| graph.agrees(a, b)))
    };
    if !fits {
        let help =
            format!("`scatter_add` takes an index for each element of axis {axis} and of those behind it");
        return misfit("scatter_add", x, indices, help);
    }

    let demanded = within("scatter_add", indices, &size);
    // A broken index makes what it would have moved NaN, and so a sum.
    let right = demanded.poison_along(x.clone(), (axis..behind).collect());
    Some(x.builder().apply(Op::ScatterAdd { axis, batch: 0, size }, &[&right, indices]))
}

/// The type of indices; a mistake where they are none.
fn whole(user: &str, indices: &Value) -> Option<Type> {
    let ty = indices.ty()?;
    if ty.element != ElementType::I32 {
        let name = spoken(indices, "its second operand");
        let error = Error::new(format!("`{user}` needs i32 indices but {name} is {ty}"));
        indices.builder().error(error.help("declare it as `i32[…]`, or convert it: `i32(…)`"));
        return None;
    }
    Some(ty)
}

fn within<'a>(user: &'static str, indices: &'a Value, size: &Dim) -> super::check::Demand<'a> {
    demand(indices, Rule::Index(size.clone()), User { name: user, role: "the index", help: HELP })
}

fn misfit<T>(user: &str, x: &Value, indices: &Value, help: String) -> Option<T> {
    let (a, b) = (spoken(x, "the operand"), spoken(indices, "its indices"));
    let error = Error::new(format!("{a} and {b} do not fit in `{user}`"));
    // An index for each row takes one element of it.
    let rows = |value: &Value| value.shape().map(|shape| shape.dims().to_vec());
    let is_pick = user == "gather"
        && rows(x).zip(rows(indices)).is_some_and(|(x, i)| x.len() == i.len() + 1 && x.starts_with(&i));
    let help = if is_pick {
        format!(
            "`pick` takes one element for each index: `pick({}, {})`",
            a.trim_matches('`'),
            b.trim_matches('`')
        )
    } else {
        help
    };
    x.builder().error(error.note(both_shapes(x, indices)).help(help));
    None
}

/// The shape of indices that fit, with something else for `axis`, or without it.
fn wanted(shape: &Shape, axis: usize, instead: Option<&str>) -> String {
    let dims = shape.dims().iter().enumerate();
    let words = dims.filter_map(|(i, dim)| match (i == axis, instead) {
        (true, None) => None,
        (true, Some(word)) => Some(word.to_owned()),
        (false, _) => Some(dim.to_string()),
    });
    format!("[{}]", words.collect::<Vec<_>>().join(", "))
}

fn without(shape: &Shape, axis: usize) -> impl Iterator<Item = &Dim> {
    shape.dims().iter().enumerate().filter(move |(other, _)| *other != axis).map(|(_, dim)| dim)
}

/// The elements of `x` at indices along its last axis, which are within it.
pub(super) fn found_at(x: &Value, indices: &Value) -> Option<Value> {
    let end = x.shape()?.rank() - 1;
    Some(x.builder().apply(Op::Gather { axis: end, batch: end }, &[x, indices]))
}

/// The value with one axis moved elsewhere.
pub(super) fn moved(value: &Value, from: usize, to: usize) -> Value {
    let Some(shape) = value.shape().filter(|_| from != to) else { return value.clone() };
    let mut order: Vec<usize> = (0..shape.rank()).filter(|axis| *axis != from).collect();
    order.insert(to, from);
    value.builder().apply(Op::Transpose(order), &[value])
}

const INDICES: Parameter<'static> = given("indices", Kind::Tensor);
const FIRST: Parameter<'static> = optional("axis", Kind::Integer, Default::Integer(0));

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("take", &[X, INDICES, FIRST], "the elements along an axis that indices say", |_, given| {
        take(given.tensor("x"), given.tensor("indices"), given.integer("axis"))
    }),
    row("gather", &[X, INDICES, LAST], "for each index the element at it along an axis", |_, given| {
        gather(given.tensor("x"), given.tensor("indices"), given.integer("axis"))
    }),
    row("pick", &[X, INDICES, LAST], "one element along an axis for each index", |_, given| {
        pick(given.tensor("x"), given.tensor("indices"), given.integer("axis"))
    }),
    row(
        "scatter_add",
        &[X, INDICES, given("size", Kind::Dim), FIRST],
        "the sums of elements that have the same index",
        |builder, given| match given.dim("size") {
            Some(size) => {
                scatter_add(given.tensor("x"), given.tensor("indices"), size.clone(), given.integer("axis"))
            }
            None => builder.unknown(),
        },
    ),
];
