//! Elements by their order along an axis.
//!
//! `order.rs` finds the order; what stands there is a lookup, and its gradient goes to the elements that were found. NaN is more than all
//! numbers; equal elements keep their order.

use super::align::{require_float, resolve_axis, spoken};
use super::elementwise::{not_equal, select};
use super::lookup::{found_at, moved};
use super::movement::slice;
use super::order::order;
use super::pieces::unstack;
use super::reduce::{Over, numbers};
use super::told::number_along;
use super::truth::any;
use crate::builder::{Builder, Value};
use crate::call::{
    Arguments, Composite, Default, KEEP, Kind, LAST, Parameter, X, bound, given, optional, row,
};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use std::borrow::Borrow;

/// The elements along `axis` in ascending order, or in descending one, as PyTorch's `sort`. The gradient of a place goes to the element that
/// came there.
///
/// # Shapes
/// That of `x`.
///
/// # Errors
/// A mask, and an axis that `x` does not have, are mistakes of the declaration.
pub fn sort(x: impl Borrow<Value>, axis: i64, descending: bool) -> Value {
    let x = x.borrow();
    sorted(x, axis, descending).map_or_else(|| x.builder().unknown(), |sorted| sorted.values())
}

/// The indices along `axis` of the elements in their order, as i32: PyTorch's `argsort`, stable.
///
/// # Shapes
/// That of `x`.
///
/// # Errors
/// Those of [`sort`].
pub fn argsort(x: impl Borrow<Value>, axis: i64, descending: bool) -> Value {
    let x = x.borrow();
    sorted(x, axis, descending).map_or_else(|| x.builder().unknown(), |sorted| sorted.back(&sorted.order))
}

/// The `k` greatest elements along `axis`, the greatest first, or the `k` least, the least first, as PyTorch's `topk`.
///
/// # Shapes
/// That of `x`, with an axis of `k`.
///
/// # Errors
/// Those of [`sort`], and a `k` beyond the axis.
pub fn top_k(x: impl Borrow<Value>, k: impl Into<Dim>, axis: i64, largest: bool) -> Value {
    let x = x.borrow();
    first(x, &sort(x, axis, largest), k.into(), axis)
}

/// The indices of the elements that [`top_k`] gives.
///
/// # Shapes
/// Those of [`top_k`].
///
/// # Errors
/// Those of [`top_k`].
pub fn top_k_indices(x: impl Borrow<Value>, k: impl Into<Dim>, axis: i64, largest: bool) -> Value {
    let x = x.borrow();
    first(x, &argsort(x, axis, largest), k.into(), axis)
}

fn first(x: &Value, all: &Value, k: Dim, axis: i64) -> Value {
    let Some(shape) = all.shape() else { return x.builder().unknown() };
    let Some(position) = resolve_axis(all, axis, shape.rank()) else { return x.builder().unknown() };
    let size = &shape.dims()[position];
    let numbers = bound(x.builder(), &k).zip(bound(x.builder(), size));
    if let Some((k, size)) = numbers.filter(|(k, size)| !(0..=*size).contains(k)) {
        let error = Error::new(format!("`top_k` of {k} elements of {}", spoken(x, "the operand")));
        return x.builder().fail(error.note(format!("axis {position} has {size}")).help("take fewer"));
    }
    slice(all, axis, 0, Some(k), 1)
}

/// The element in the middle along `axis`, the lesser of two, as PyTorch's `median`; NaN where one is. Its gradient goes to that element.
///
/// # Shapes
/// That of `x` without the axis, or with 1 in its place.
///
/// # Errors
/// Those of [`sort`]; integers; an axis without elements.
pub fn median(x: impl Borrow<Value>, axis: i64, keep: bool) -> Value {
    let x = x.borrow();
    let of = |size: &Dim| Some((size - &Dim::from(1)).divide(&Dim::from(2)));
    ranked("median", x, axis, keep, |sorted, size| Some(at(sorted, of(size)?, axis)))
}

/// What [`quantile`] takes where a share ends between two elements: PyTorch's `interpolation`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, std::default::Default)]
pub enum Interpolation {
    /// Between them, by the distance from each.
    #[default]
    Linear,
    /// The lesser.
    Lower,
    /// The greater.
    Higher,
    /// Their mean.
    Midpoint,
    /// The nearer one; of two, the one at an even place.
    Nearest,
}

impl Interpolation {
    /// How far on from the element below a place it is.
    fn share(self, place: f64) -> f64 {
        let share = place.fract();
        match self {
            Interpolation::Linear => share,
            Interpolation::Lower => 0.0,
            Interpolation::Higher => share.ceil(),
            Interpolation::Midpoint => share.ceil() / 2.0,
            Interpolation::Nearest => place.round_ties_even() - place.floor(),
        }
    }
}

/// The number below which a share `q` of the elements along `axis` lies, as PyTorch's `quantile`; NaN where one is. Between two elements it is
/// what `interpolation` says.
///
/// # Shapes
/// Those of [`median`].
///
/// # Errors
/// Those of [`median`]; a `q` outside 0..=1; a size that only a run tells.
pub fn quantile(x: impl Borrow<Value>, q: f64, interpolation: Interpolation, axis: i64, keep: bool) -> Value {
    let x = x.borrow();
    if !(0.0..=1.0).contains(&q) {
        return x.builder().fail(Error::new(format!("`quantile` of {q}")).help("a share is from 0 to 1"));
    }
    ranked("quantile", x, axis, keep, |sorted, size| {
        // While the number is not told yet, any element has the shape.
        let count = number_along("quantile", x, size).ok()?.unwrap_or(1);
        let place = q * (count - 1) as f64;
        let (low, share) = (place.floor() as i64, interpolation.share(place));
        let below = at(sorted, Dim::from(low), axis);
        if share == 0.0 {
            return Some(below);
        }
        let above = at(sorted, Dim::from(low + 1), axis);
        if share == 1.0 {
            return Some(above);
        }
        Some(&below + (&above - &below) * share)
    })
}

/// What is found among sorted elements, an axis of 1; NaN where an element is.
fn ranked(
    user: &str,
    x: &Value,
    axis: i64,
    keep: bool,
    find: impl Fn(&Value, &Dim) -> Option<Value>,
) -> Value {
    let unknown = || x.builder().unknown();
    let Some(shape) = x.shape().filter(|_| require_float(x, user)) else { return unknown() };
    let Some(position) = resolve_axis(x, axis, shape.rank()) else { return unknown() };
    let size = &shape.dims()[position];
    if bound(x.builder(), size) == Some(0) {
        return x
            .builder()
            .fail(Error::new(format!("`{user}` of no elements")).note(format!("its shape is {shape}")));
    }
    let Some(found) = find(&sort(x, axis, false), size) else { return unknown() };
    let is_broken = any(not_equal(x, x), &Over { axes: Some(vec![axis]), keep: true });
    let found = select(is_broken, f64::NAN, found);
    if keep { found } else { unstack(found, 0, axis) }
}

/// The element at an index, with an axis of 1.
fn at(sorted: &Value, index: Dim, axis: i64) -> Value {
    let end = &index + &Dim::from(1);
    slice(sorted, axis, index, Some(end), 1)
}

/// A value whose axis stands last, and the index of the element for each place.
struct Sorted {
    last: Value,
    order: Value,
    axis: usize,
}

fn sorted(x: &Value, axis: i64, descending: bool) -> Option<Sorted> {
    let ty = numbers(x)?;
    let axis = resolve_axis(x, axis, ty.rank())?;
    let end = ty.rank() - 1;
    let last = moved(x, axis, end);
    let order = order(&last, descending)?;
    Some(Sorted { last, order, axis })
}

impl Sorted {
    fn values(&self) -> Value {
        found_at(&self.last, &self.order).map_or_else(|| self.last.clone(), |found| self.back(&found))
    }

    /// With the axis where it was.
    fn back(&self, value: &Value) -> Value {
        value.shape().map_or_else(|| value.clone(), |shape| moved(value, shape.rank() - 1, self.axis))
    }
}

const DESCENDING: Parameter<'static> = optional("descending", Kind::Bool, Default::Bool(false));
const LARGEST: Parameter<'static> = optional("largest", Kind::Bool, Default::Bool(true));
const K: Parameter<'static> = given("k", Kind::Dim);

fn top(builder: &Builder, given: &Arguments<'_>, function: fn(&Value, Dim, i64, bool) -> Value) -> Value {
    let Some(k) = given.dim("k") else { return builder.unknown() };
    function(given.tensor("x"), k.clone(), given.integer("axis"), given.flag("largest"))
}

const INTERPOLATION: Parameter<'static> = optional(
    "interpolation",
    Kind::Word(&["linear", "lower", "higher", "midpoint", "nearest"]),
    Default::Word("linear"),
);

fn between(given: &Arguments<'_>) -> Interpolation {
    match given.word("interpolation") {
        Some("lower") => Interpolation::Lower,
        Some("higher") => Interpolation::Higher,
        Some("midpoint") => Interpolation::Midpoint,
        Some("nearest") => Interpolation::Nearest,
        _ => Interpolation::Linear,
    }
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("sort", &[X, LAST, DESCENDING], "the elements along an axis in order", |_, given| {
        sort(given.tensor("x"), given.integer("axis"), given.flag("descending"))
    }),
    row("argsort", &[X, LAST, DESCENDING], "their indices in that order", |_, given| {
        argsort(given.tensor("x"), given.integer("axis"), given.flag("descending"))
    }),
    row("top_k", &[X, K, LAST, LARGEST], "the k greatest elements along an axis", |builder, given| {
        top(builder, given, |x, k, axis, largest| top_k(x, k, axis, largest))
    }),
    row("top_k_indices", &[X, K, LAST, LARGEST], "their indices", |builder, given| {
        top(builder, given, |x, k, axis, largest| top_k_indices(x, k, axis, largest))
    }),
    row("median", &[X, LAST, KEEP], "the element in the middle; of two, the lesser", |_, given| {
        median(given.tensor("x"), given.integer("axis"), given.flag("keep"))
    }),
    row(
        "quantile",
        &[X, given("q", Kind::Number), INTERPOLATION, LAST, KEEP],
        "what a share q of the elements is below",
        |_, given| {
            let (axis, keep) = (given.integer("axis"), given.flag("keep"));
            quantile(given.tensor("x"), given.number("q"), between(given), axis, keep)
        },
    ),
];
