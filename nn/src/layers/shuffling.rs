//! Channels as pixels, and pixels as channels.

use super::sliding::rank_of_picture;
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Kind, Parameter, X, bound, given, row};
use crate::value::{reshape, spoken, transpose_by};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use std::borrow::Borrow;

/// Each `factor`·`factor` channels made one with so many pixels for one, as PyTorch's `PixelShuffle`, for any number of axes:
/// `y[b, c, h·factor + i, w·factor + j] = x[b, (c·factor + i)·factor + j, h, w]`.
///
/// # Shapes
/// `[batch, channels · factor^axes, …]` to `[batch, channels, …]` with `factor` times as many elements of each axis.
pub fn pixel_shuffle(x: impl Borrow<Value>, factor: impl Into<Dim>) -> Value {
    let x = x.borrow();
    shuffle(x, &factor.into()).unwrap_or_else(|| x.builder().unknown())
}

fn shuffle(x: &Value, factor: &Dim) -> Option<Value> {
    let layer = "pixel_shuffle";
    let axes = of_picture(x, layer, factor)?;
    let shape = x.shape()?;
    let pixels = (0..axes).fold(Dim::from(1), |pixels, _| &pixels * factor);
    divides(x, &format!("`{layer}` by {factor}"), &shape.dims()[1], &pixels, "channels")?;

    // [batch, channels, factors…, sizes…], each size beside its factor.
    let (channels, sizes) = (shape.dims()[1].divide(&pixels), &shape.dims()[2..]);
    let start = [shape.dims()[0].clone(), channels];
    let split = [&start, &*vec![factor.clone(); axes], sizes].concat();
    let pairs = (0..axes).flat_map(|at| [2 + axes + at, 2 + at]);
    let order: Vec<i64> = [0, 1].into_iter().chain(pairs).map(|axis| axis as i64).collect();
    let new: Vec<Dim> = start.iter().cloned().chain(sizes.iter().map(|size| size * factor)).collect();
    Some(reshape(transpose_by(reshape(x, split), &order), new))
}

/// Each `factor`·`factor` pixels made one with so many channels for one, as PyTorch's `PixelUnshuffle`: what undoes [`pixel_shuffle`].
///
/// # Shapes
/// `[batch, channels, …]` to `[batch, channels · factor^axes, …]` with a `factor`th of the elements of each axis.
pub fn pixel_unshuffle(x: impl Borrow<Value>, factor: impl Into<Dim>) -> Value {
    let x = x.borrow();
    unshuffle(x, &factor.into()).unwrap_or_else(|| x.builder().unknown())
}

fn unshuffle(x: &Value, factor: &Dim) -> Option<Value> {
    let layer = "pixel_unshuffle";
    let axes = of_picture(x, layer, factor)?;
    let shape = x.shape()?;
    let sizes = &shape.dims()[2..];
    for (axis, size) in (2..).zip(sizes) {
        divides(x, &format!("`{layer}` by {factor}"), size, factor, &format!("elements of axis {axis}"))?;
    }

    let parts: Vec<Dim> = sizes.iter().map(|size| size.divide(factor)).collect();
    let mut split = shape.dims()[..2].to_vec();
    split.extend(parts.iter().flat_map(|part| [part.clone(), factor.clone()]));
    let [places, pixels] = [2, 3].map(|first| (0..axes).map(move |at| first + 2 * at));
    let order: Vec<i64> = [0, 1].into_iter().chain(pixels).chain(places).map(|axis| axis as i64).collect();
    let channels = (0..axes).fold(shape.dims()[1].clone(), |channels, _| &channels * factor);
    let new = [&[shape.dims()[0].clone(), channels], &*parts].concat();
    Some(reshape(transpose_by(reshape(x, split), &order), new))
}

/// The axes behind batch and channels; mistakes are recorded.
fn of_picture(x: &Value, layer: &str, factor: &Dim) -> Option<usize> {
    let axes = rank_of_picture(x, layer)? - 2;
    if let Some(number @ ..1) = bound(x.builder(), factor) {
        x.builder()
            .error(Error::new(format!("a factor of {number} in `{layer}`")).help("it must be at least 1"));
        return None;
    }
    Some(axes)
}

/// Records a mistake where `whole` is no multiple of `parts`, as far as that is known.
fn divides(x: &Value, user: &str, whole: &Dim, parts: &Dim, what: &str) -> Option<()> {
    let builder = x.builder();
    let (size, count) = (bound(builder, whole), bound(builder, parts));
    if let (Some(size), Some(count)) = (size, count)
        && size % count != 0
    {
        let name = spoken(x, "the operand");
        let error = Error::new(format!("{user} takes a multiple of {count} {what}, but {name} has {size}"));
        let help = match size - size % count {
            0 => format!("the nearest is {count}"),
            below => format!("the nearest are {below} and {}", below + count),
        };
        builder.error(error.help(help));
        return None;
    }
    Some(())
}

const PARAMETERS: &[Parameter<'static>] = &[X, given("factor", Kind::Dim)];

fn by_factor(builder: &Builder, given: &Arguments<'_>, layer: fn(&Value, &Dim) -> Value) -> Value {
    given.dim("factor").map_or_else(|| builder.unknown(), |factor| layer(given.tensor("x"), factor))
}

/// What declarations call these layers by.
pub(super) const ROWS: &[Composite] = &[
    row("pixel_shuffle", PARAMETERS, "factor · factor channels as so many pixels", |builder, given| {
        by_factor(builder, given, |x, factor| pixel_shuffle(x, factor.clone()))
    }),
    row("pixel_unshuffle", PARAMETERS, "factor · factor pixels as so many channels", |builder, given| {
        by_factor(builder, given, |x, factor| pixel_unshuffle(x, factor.clone()))
    }),
];
