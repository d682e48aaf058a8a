//! Products and extremes of each element and of those before it.
//!
//! They double what they reach: after a step each element knows of the one before it, then of two more, then of four. So an axis of n takes
//! log₂ n passes. Where only a run tells its size, a loop goes from element to element.

use super::align::resolve_axis;
use super::elementwise::{and, equal, greater, less, multiply, not_equal, or, select};
use super::lookup::{found_at, moved};
use super::movement::{concatenate, index, slice};
use super::reduce::numbers;
use super::scan::{Iteration, Scan, Slices, scan};
use super::told::{Told, told};
use crate::builder::Value;
use crate::call::{Composite, LAST, X, row};
use downhill_graph::dim::Dim;
use downhill_graph::op::Reduction;
use std::borrow::Borrow;

/// The product of each element and of those before it along `axis`, as PyTorch's `cumprod`, off by log₂ n roundings at most where its size
/// is known when the network is built, else by n. Its gradient divides by nothing: zeros among the elements are fine.
///
/// # Shapes
/// That of `x`, and its element type; integers wrap.
///
/// # Errors
/// A mask and an axis that `x` does not have are mistakes of the declaration.
pub fn cumprod(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    product(x, axis).unwrap_or_else(|| x.builder().unknown())
}

fn product(x: &Value, axis: i64) -> Option<Value> {
    let ty = numbers(x)?;
    let axis = resolve_axis(x, axis, ty.rank())?;
    let Some(steps) = steps(x, axis)? else {
        let step = |slice: &Value, before: &Value| multiply(before, slice);
        return along(x, axis, 1.0, step);
    };
    let double = |reached: Value, step| Some(multiply(&reached, later(&reached, step, axis, 1.0)?));
    steps.into_iter().try_fold(x.clone(), double)
}

/// The greatest of each element and of those before it along `axis`, as PyTorch's `cummax`; NaN from the first NaN on. The gradient goes to
/// the element that it is, the last of equals.
///
/// # Shapes
/// That of `x`, and its element type.
///
/// # Errors
/// Those of [`cumprod`].
pub fn cummax(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    extreme(x, axis, Reduction::Max).unwrap_or_else(|| x.builder().unknown())
}

/// The least of each element and of those before it along `axis`, as PyTorch's `cummin`.
///
/// # Shapes
/// Those of [`cummax`].
///
/// # Errors
/// Those of [`cumprod`].
pub fn cummin(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    extreme(x, axis, Reduction::Min).unwrap_or_else(|| x.builder().unknown())
}

fn extreme(x: &Value, axis: i64, kind: Reduction) -> Option<Value> {
    let ty = numbers(x)?;
    let axis = resolve_axis(x, axis, ty.rank())?;
    let nothing = kind.of_nothing(ty.element);
    let Some(steps) = steps(x, axis)? else {
        let step = |slice: &Value, before: &Value| select(stays(before, slice, kind), before, slice);
        return along(x, axis, nothing, step);
    };
    let end = ty.rank() - 1;
    let last = moved(x, axis, end);

    let mut reached = last.clone();
    let mut at = index(x.builder(), last.shape()?, end);
    for step in steps {
        let before = later(&reached, step, end, nothing)?;
        let wins = stays(&before, &reached, kind);
        at = select(&wins, later(&at, step, end, 0.0)?, &at);
        reached = select(&wins, before, &reached);
    }
    Some(moved(&found_at(&last, &at)?, end, axis))
}

/// Whether what was found before is kept beside the element `at` a later place. A NaN goes on, but for the sake of another one.
fn stays(before: &Value, at: &Value, kind: Reduction) -> Value {
    let wins = if kind == Reduction::Max { greater(before, at) } else { less(before, at) };
    or(wins, and(not_equal(before, before), equal(at, at)))
}

/// How far each pass reaches; none while the size is not known yet, and nothing where only a run tells it.
fn steps(x: &Value, axis: usize) -> Option<Option<Vec<i64>>> {
    let size = x.shape()?.0.swap_remove(axis);
    let count = match told(x.builder(), &size) {
        Told::Now(count) => count,
        Told::Later => 0,
        Told::Run => return Some(None),
    };
    let doubled = std::iter::successors(Some(1), |step| Some(step * 2));
    Some(Some(doubled.take_while(|step| *step < count).collect()))
}

/// What `step` makes of each slice and of what it made of those before, beginning with `first`.
fn along(x: &Value, axis: usize, first: f64, step: impl Fn(&Value, &Value) -> Value) -> Option<Value> {
    let (builder, ty) = (x.builder(), x.ty()?);
    let mut shape = ty.shape;
    shape.0.remove(axis);
    let start = builder.with_graph(|graph| {
        let scalar = graph.constant(ty.element, first);
        graph.spread(scalar, &shape)
    });
    let slices = vec![Slices { name: "element", of: x.clone(), axis: axis as i64 }];
    let over = Scan { slices, carried: vec![("before", builder.value(start))], ..Scan::default() };
    let given = scan(builder, over, |slices, before| {
        let next = step(&slices[0], &before[0]);
        Iteration { next: vec![next.clone()], yields: vec![next] }
    });
    given.yields.into_iter().next()
}

/// The elements `step` places later, behind as many of `first`.
fn later(x: &Value, step: i64, axis: usize, first: f64) -> Option<Value> {
    let (builder, ty) = (x.builder(), x.ty()?);
    let mut shape = ty.shape.clone();
    let kept = &shape.dims()[axis] - &Dim::from(step);
    shape.0[axis] = Dim::from(step);
    let node = builder.with_graph(|graph| {
        let scalar = graph.constant(ty.element, first);
        graph.spread(scalar, &shape)
    });
    let parts = [builder.value(node), slice(x, axis as i64, 0, Some(kept), 1)];
    Some(concatenate(builder, &parts, axis as i64))
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row(
        "cumprod",
        &[X, LAST],
        "the product of each element and of those before it along an axis",
        |_, given| cumprod(given.tensor("x"), given.integer("axis")),
    ),
    row("cummax", &[X, LAST], "the greatest of each element and of those before it", |_, given| {
        cummax(given.tensor("x"), given.integer("axis"))
    }),
    row("cummin", &[X, LAST], "the least of each element and of those before it", |_, given| {
        cummin(given.tensor("x"), given.integer("axis"))
    }),
];
