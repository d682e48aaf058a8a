//! Pictures of other sizes: elements repeated, or between their neighbours.

use super::sliding::{along_each_axis, number, of_each_axis, rank_of_picture};
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, Parameter, X, bound, optional, row};
use crate::value::{abs, and, divide};
use crate::value::{
    add, convert, greater_equal, index, less, maximum, minimum, multiply, require_float, reshape, subtract,
};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::Op;
use downhill_graph::types::{ElementType, Shape};
use std::borrow::Borrow;

/// The sizes that a picture is given, behind batch and channels. One number stands for all axes.
#[derive(Clone, Debug, PartialEq)]
pub enum Resized {
    /// So many times its own.
    By(Vec<Dim>),
    /// These.
    To(Vec<Dim>),
}

/// The nearest element: that of index i·n/m, rounded down, at i of m from n elements, as PyTorch's `interpolate` by `nearest` (exact where
/// PyTorch rounds n/m).
///
/// # Shapes
/// `[batch, channels, …]` to `[batch, channels, sizes…]`.
pub fn upsample(x: impl Borrow<Value>, resized: Resized) -> Value {
    let x = x.borrow();
    nearest(x, &resized).unwrap_or_else(|| x.builder().unknown())
}

fn nearest(x: &Value, resized: &Resized) -> Option<Value> {
    let layer = "upsample";
    let sizes = sizes(x, layer, resized)?;
    let shape = x.shape()?;
    let scales: Vec<Dim> = sizes.iter().zip(&shape.dims()[2..]).map(|(new, old)| new.divide(old)).collect();
    let is_multiple = |((new, old), scale): ((&Dim, &Dim), &Dim)| {
        let rest = new - &(old * scale);
        rest.is(0) || bound(x.builder(), &rest) == Some(0)
    };
    if sizes.iter().zip(&shape.dims()[2..]).zip(&scales).all(is_multiple) {
        return Some(repeated(x, &shape, &sizes, &scales));
    }
    if !require_float(x, layer) {
        return None;
    }
    along_each_axis(x, &sizes, |old, new| {
        // Element j is at i where j·m ≤ i·n < (j + 1)·m.
        let [element, place] = [0, 1].map(|axis| index(x.builder(), [old.clone(), new.clone()], axis));
        let at = multiply(place, number(x, old));
        let first = greater_equal(&at, multiply(&element, number(x, new)));
        as_weights(x, &and(first, less(at, multiply(add(element, 1.0), number(x, new)))))
    })
}

/// Each element so many times beside itself.
fn repeated(x: &Value, shape: &Shape, sizes: &[Dim], scales: &[Dim]) -> Value {
    let mut dims = shape.dims()[..2].to_vec();
    let mut new = dims.clone();
    for (old, scale) in shape.dims()[2..].iter().zip(scales) {
        dims.extend([old.clone(), scale.clone()]);
    }
    new.extend_from_slice(sizes);
    let axes = [0, 1].into_iter().chain((0..scales.len()).map(|at| 2 + 2 * at)).collect();
    reshape(x.builder().apply(Op::Broadcast { shape: Shape(dims), axes }, &[x]), new)
}

/// Between the two nearest elements of each axis, in proportion, as PyTorch's `interpolate` by `linear`, `bilinear` and `trilinear`: at i of m
/// from n elements stands index (i + ½)·n/m − ½, or i·(n − 1)/(m − 1) where corners are aligned.
///
/// # Shapes
/// As [`upsample`].
pub fn upsample_linear(x: impl Borrow<Value>, resized: Resized, align_corners: bool) -> Value {
    let x = x.borrow();
    linear(x, &resized, align_corners).unwrap_or_else(|| x.builder().unknown())
}

fn linear(x: &Value, resized: &Resized, align_corners: bool) -> Option<Value> {
    let layer = "upsample_linear";
    let sizes = sizes(x, layer, resized)?;
    if !require_float(x, layer) {
        return None;
    }
    along_each_axis(x, &sizes, |old, new| {
        // Whole numbers up to the last division: index · whole.
        let [element, place] = [0, 1].map(|axis| index(x.builder(), [old.clone(), new.clone()], axis));
        let one = Dim::from(1);
        let (at, whole) = if align_corners {
            (multiply(place, number(x, &(old - &one))), maximum(number(x, &(new - &one)), 1.0))
        } else {
            let halves = add(multiply(place, 2.0), 1.0);
            (subtract(multiply(halves, number(x, old)), number(x, new)), number(x, &(&Dim::from(2) * new)))
        };
        let last = multiply(&whole, number(x, &(old - &one)));
        let at = minimum(maximum(at, 0.0), last);
        let away = abs(as_weights(x, &subtract(at, multiply(element, &whole))));
        maximum(1.0 - divide(away, as_weights(x, &whole)), 0.0)
    })
}

/// As elements that a product with `x` takes.
fn as_weights(x: &Value, numbers: &Value) -> Value {
    convert(numbers, x.ty().map_or(ElementType::F32, |ty| ty.element))
}

/// The new size of each axis; mistakes are recorded.
fn sizes(x: &Value, layer: &str, resized: &Resized) -> Option<Vec<Dim>> {
    let axes = rank_of_picture(x, layer)? - 2;
    let (what, given) = match resized {
        Resized::By(scale) => ("scale", scale),
        Resized::To(sizes) => ("size", sizes),
    };
    let numbers = of_each_axis(x, layer, what, given, axes, 1)?;
    let shape = x.shape()?;
    for (axis, size) in shape.dims().iter().enumerate().skip(2) {
        if bound(x.builder(), size) == Some(0) {
            let error = Error::new(format!("`{layer}` of nothing: axis {axis} of {shape} has no elements"));
            x.builder().error(error);
            return None;
        }
    }
    Some(match resized {
        Resized::By(_) => numbers.iter().zip(&shape.dims()[2..]).map(|(scale, size)| scale * size).collect(),
        Resized::To(_) => numbers,
    })
}

const SCALE: Parameter<'static> = optional("scale", Kind::Sizes, Default::Unset("none"));
const SIZES: Parameter<'static> = optional("sizes", Kind::Sizes, Default::Unset("none"));

/// What a call says of sizes; a mistake is recorded.
fn resized(builder: &Builder, layer: &str, given: &Arguments<'_>) -> Option<Resized> {
    match [given.shape("scale"), given.shape("sizes")] {
        [scale, sizes] if sizes.is_empty() && !scale.is_empty() => Some(Resized::By(scale)),
        [scale, sizes] if scale.is_empty() && !sizes.is_empty() => Some(Resized::To(sizes)),
        [scale, _] => {
            let count = if scale.is_empty() { "neither a scale nor sizes" } else { "both a scale and sizes" };
            let error = Error::new(format!("`{layer}` is given {count}"));
            builder
                .error(error.help(format!("write `{layer}(x, scale: 2)` or `{layer}(x, sizes: [64, 64])`")));
            None
        }
    }
}

/// What declarations call these layers by.
pub(super) const ROWS: &[Composite] =
    &[
        row("upsample", &[X, SCALE, SIZES], "the nearest element, at other sizes", |builder, given| {
            match resized(builder, "upsample", given) {
                Some(resized) => upsample(given.tensor("x"), resized),
                None => builder.unknown(),
            }
        }),
        row(
            "upsample_linear",
            &[X, SCALE, SIZES, optional("align_corners", Kind::Bool, Default::Bool(false))],
            "between the nearest elements, at other sizes",
            |builder, given| match resized(builder, "upsample_linear", given) {
                Some(resized) => upsample_linear(given.tensor("x"), resized, given.flag("align_corners")),
                None => builder.unknown(),
            },
        ),
    ];
