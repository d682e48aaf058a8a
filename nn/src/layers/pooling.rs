//! Pools: what windows see, made one number.

use super::sliding::{Sliding, along_each_axis, inside, number, of_each_axis, rank_of_picture};
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, Parameter, X, bound, given, of_one, optional, row};
use crate::value::{
    Over, add, and, channels_second, convert, dim_value, divide, equal, expand, full, index, less, max_over,
    mean_over, multiply, not_equal, or, reduce, require_float, select, stop_gradient, sum_over, surrogate,
    window, zero_padded,
};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::{Op, Reduction};
use downhill_graph::types::{ElementType, Literal, Shape};
use std::borrow::Borrow;

/// What a pool may have otherwise than by default. One number stands for all axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooling {
    /// Elements from window to window; the kernel by default.
    pub stride: Option<Vec<Dim>>,
    /// Elements added on each side of an axis: at most half of the kernel.
    pub padding: Vec<Dim>,
    /// Elements from one that a window sees to the next.
    pub dilation: Vec<Dim>,
}

impl std::default::Default for Pooling {
    fn default() -> Pooling {
        Pooling { stride: None, padding: vec![Dim::default()], dilation: vec![Dim::from(1)] }
    }
}

/// The greatest element of each window, as PyTorch's `MaxPool1d`, `MaxPool2d` and `MaxPool3d`: NaN where one is. Padding is never the
/// greatest. The gradient goes to the first of equals, the first NaN before all (PyTorch's goes to the last NaN).
///
/// # Shapes
/// `[batch, channels, …]` to the same with (n + 2·padding − dilation·(kernel − 1) − 1) / stride + 1 of n elements, rounded down.
pub fn max_pool(x: impl Borrow<Value>, kernel: &[Dim], options: Pooling) -> Value {
    let x = x.borrow();
    greatest(x, kernel, &options).unwrap_or_else(|| x.builder().unknown())
}

fn greatest(x: &Value, kernel: &[Dim], options: &Pooling) -> Option<Value> {
    let sliding = slide(x, "max_pool", kernel, options)?;
    let element = x.ty()?.element;
    let (padded, inside) = lowest_outside(x, &sliding, element)?;
    let seen = sliding.seen(&padded);
    let shape = seen.shape()?;
    let taps: Vec<i64> = sliding.taps().map(|axis| axis as i64).collect();
    let greatest = max_over(&seen, &taps);
    let rank = sliding.kernel.len() as i64 + 2;
    if !element.is_float() {
        return Some(channels_second(&greatest, rank));
    }

    // The first tap that equals the greatest, or is NaN, and is no padding where all are −∞: only its number is kept for the gradient.
    let number = number_of_tap(x, &sliding, &shape);
    let kept = reduce(Reduction::Max, &seen, &Over { axes: Some(taps.clone()), keep: true });
    let mut is_greatest = or(equal(&seen, kept), not_equal(&seen, &seen));
    if let Some(inside) = inside {
        is_greatest = and(is_greatest, sliding.seen(&inside));
    }
    let none = x.builder().with_graph(|graph| graph.constant(ElementType::I32, f64::from(i32::MAX)));
    let candidates = select(is_greatest, &number, x.builder().value(none));
    let first = reduce(Reduction::Min, &candidates, &Over { axes: Some(taps.clone()), keep: true });
    let chosen = select(equal(number, stop_gradient(first)), &seen, 0.0);
    Some(channels_second(&surrogate(greatest, sum_over(chosen, &taps)), rank))
}

/// The number of each element's tap in its window, as i32.
fn number_of_tap(x: &Value, sliding: &Sliding, shape: &Shape) -> Value {
    let builder = x.builder();
    let mut taps = sliding.taps().zip(&sliding.kernel);
    let Some((first, _)) = taps.next() else { return builder.unknown() };
    taps.fold(index(builder, shape.clone(), first), |number, (axis, count)| {
        let count = builder.apply(Op::DimValue { dim: count.clone(), element: ElementType::I32 }, &[]);
        multiply(number, count) + index(builder, shape.clone(), axis)
    })
}

/// `[batch, …, channels]`, padded with what is greater than no element, and what is no padding, if anything is.
fn lowest_outside(x: &Value, sliding: &Sliding, element: ElementType) -> Option<(Value, Option<Value>)> {
    let padded = sliding.padded(x);
    let Some(inside) = inside(&padded, &sliding.paddings()) else { return Some((padded, None)) };
    let lowest = x.builder().with_graph(|graph| {
        let lowest = Reduction::Max.of_nothing(element);
        graph.add(Op::Constant(Literal::new(element, lowest)), &[])
    });
    Some((select(&inside, padded, x.builder().value(lowest)), Some(inside)))
}

/// The mean of each window, as PyTorch's `AvgPool1d`, `AvgPool2d` and `AvgPool3d`. `counted` says whether padding counts as zeros
/// (PyTorch's `count_include_pad`) or not at all.
///
/// # Shapes
/// As [`max_pool`].
pub fn average_pool(x: impl Borrow<Value>, kernel: &[Dim], options: Pooling, counted: bool) -> Value {
    let x = x.borrow();
    average(x, kernel, &options, counted).unwrap_or_else(|| x.builder().unknown())
}

fn average(x: &Value, kernel: &[Dim], options: &Pooling, counted: bool) -> Option<Value> {
    let sliding = slide(x, "average_pool", kernel, options)?;
    if !require_float(x, "average_pool") {
        return None;
    }
    let taps: Vec<i64> = sliding.taps().map(|axis| axis as i64).collect();
    let sum = sum_over(sliding.seen(&sliding.padded(x)), &taps);
    let mean = if counted || sliding.padding.iter().all(|(padding, _)| padding.is(0)) {
        let count = sliding.kernel.iter().fold(Dim::from(1), |count, taps| &count * taps);
        divide(sum, dim_value(x.builder(), &count))
    } else {
        divide(&sum, elements_seen(x, &sliding, &sum.shape()?)?)
    };
    Some(channels_second(&mean, sliding.kernel.len() as i64 + 2))
}

/// How many of the elements that each window sees are no padding; `shape` is that of the pool's result, channels last.
fn elements_seen(x: &Value, sliding: &Sliding, shape: &Shape) -> Option<Value> {
    let sizes = x.shape()?;
    let mut product: Option<Value> = None;
    for at in 0..sliding.kernel.len() {
        let one = full(x.builder(), [sizes.dims()[at + 2].clone()], 1.0);
        let padded = zero_padded(&one, &sliding.padding[at..=at]);
        let [taps, stride, dilation] =
            [&sliding.kernel, &sliding.stride, &sliding.dilation].map(|numbers| numbers[at].clone());
        let seen = sum_over(window(padded, 0, taps, stride, dilation), &[1]);
        let spread = Op::Broadcast { shape: shape.clone(), axes: vec![at + 1] };
        let seen = x.builder().apply(spread, &[&seen]);
        product = Some(product.map_or_else(|| seen.clone(), |known| multiply(known, &seen)));
    }
    product
}

/// The windows of a pool; mistakes are recorded.
fn slide(x: &Value, layer: &str, kernel: &[Dim], options: &Pooling) -> Option<Sliding> {
    let stride = options.stride.as_deref().unwrap_or(kernel);
    let sliding = Sliding::new(
        x,
        layer,
        [
            ("kernel", kernel, 1),
            ("stride", stride, 1),
            ("padding", &options.padding, 0),
            ("dilation", &options.dilation, 1),
        ],
    )?;
    if !sliding.fits(x, layer) {
        return None;
    }
    for ((padding, _), kernel) in sliding.padding.iter().zip(&sliding.kernel) {
        if let [Some(padding), Some(kernel)] = [padding, kernel].map(|dim| bound(x.builder(), dim))
            && padding > kernel / 2
        {
            let error =
                Error::new(format!("`{layer}` pads by {padding}, more than half of its kernel of {kernel}"));
            let help = format!("pad by at most {}: a window must not see padding alone", kernel / 2);
            x.builder().error(error.help(help));
            return None;
        }
    }
    Some(sliding)
}

/// The mean over all axes behind batch and channels.
///
/// # Shapes
/// `[batch, channels, …]` to `[batch, channels]`.
pub fn global_average_pool(x: impl Borrow<Value>) -> Value {
    let x = x.borrow();
    match rank_of_picture(x, "global_average_pool") {
        Some(rank) => mean_over(x, &(2..rank as i64).collect::<Vec<_>>()),
        None => x.builder().unknown(),
    }
}

/// Means over as many parts of each axis as `sizes` says, as PyTorch's `AdaptiveAvgPool`: part i of s parts of n elements reaches from i·n/s,
/// rounded down, to (i + 1)·n/s, rounded up.
///
/// # Shapes
/// `[batch, channels, …]` to `[batch, channels, sizes…]`.
pub fn adaptive_average_pool(x: impl Borrow<Value>, sizes: &[Dim]) -> Value {
    let x = x.borrow();
    parts(x, sizes).unwrap_or_else(|| x.builder().unknown())
}

fn parts(x: &Value, sizes: &[Dim]) -> Option<Value> {
    let layer = "adaptive_average_pool";
    let rank = rank_of_picture(x, layer)?;
    let sizes = of_each_axis(x, layer, "size", sizes, rank - 2, 1)?;
    if !require_float(x, layer) {
        return None;
    }

    // Parts that divide their axes are windows beside each other. Others overlap: shares say what belongs to which.
    let shape = x.shape()?;
    let equal_parts = shape.dims()[2..].iter().zip(&sizes).map(|(size, parts)| size_of_equal(size, parts));
    if let Some(kernel) = equal_parts.collect::<Option<Vec<Dim>>>() {
        return average(x, &kernel, &Pooling::default(), true);
    }
    along_each_axis(x, &sizes, |size, parts| shares(x, size, parts))
}

/// The size of each of so many equal parts of an axis, where they are numbers and there is nothing left over.
fn size_of_equal(size: &Dim, parts: &Dim) -> Option<Dim> {
    let (size, parts) = (size.as_constant()?, parts.as_constant()?);
    (size.checked_rem(parts)? == 0 && size > 0).then(|| Dim::from(size / parts))
}

/// `[size, parts]`: the share of each element in each part. Element j is in part i of s where i·n < (j + 1)·s and j·s < (i + 1)·n.
fn shares(x: &Value, size: &Dim, parts: &Dim) -> Value {
    let builder = x.builder();
    let shape = [size.clone(), parts.clone()];
    let [element, part] = [0, 1].map(|axis| index(builder, shape.clone(), axis));
    let starts = less(multiply(&part, number(x, size)), multiply(add(&element, 1.0), number(x, parts)));
    let ends = less(multiply(element, number(x, parts)), multiply(add(part, 1.0), number(x, size)));
    let is_part = convert(and(starts, ends), x.ty().map_or(ElementType::F32, |ty| ty.element));
    let count = sum_over(&is_part, &[0]);
    divide(is_part, expand(count, 0))
}

const PARAMETERS: &[Parameter<'static>] = &[
    X,
    given("kernel", Kind::Sizes),
    optional("stride", Kind::Sizes, Default::Unset("the kernel")),
    optional("padding", Kind::Sizes, Default::Integer(0)),
    optional("dilation", Kind::Sizes, Default::Integer(1)),
];

const AVERAGED: &[Parameter<'static>] = &[
    X,
    given("kernel", Kind::Sizes),
    optional("stride", Kind::Sizes, Default::Unset("the kernel")),
    optional("padding", Kind::Sizes, Default::Integer(0)),
    optional("counted", Kind::Bool, Default::Bool(true)),
];

fn pooling(given: &Arguments<'_>, dilation: Vec<Dim>) -> Pooling {
    let stride = given.shape("stride");
    Pooling { stride: (!stride.is_empty()).then_some(stride), padding: given.shape("padding"), dilation }
}

fn max_row(_: &Builder, given: &Arguments<'_>) -> Value {
    max_pool(given.tensor("x"), &given.shape("kernel"), pooling(given, given.shape("dilation")))
}

fn average_row(_: &Builder, given: &Arguments<'_>) -> Value {
    let options = pooling(given, vec![Dim::from(1)]);
    average_pool(given.tensor("x"), &given.shape("kernel"), options, given.flag("counted"))
}

/// What declarations call these layers by.
pub(super) const ROWS: &[Composite] = &[
    row("max_pool", PARAMETERS, "the greatest element of each window", max_row),
    row("average_pool", AVERAGED, "the mean of each window", average_row),
    of_one!("global_average_pool", global_average_pool, "the mean over all axes behind batch and channels"),
    row(
        "adaptive_average_pool",
        &[X, given("sizes", Kind::Sizes)],
        "means over so many parts of each axis",
        |_, given| adaptive_average_pool(given.tensor("x"), &given.shape("sizes")),
    ),
];
