//! What layers over pictures share: windows that slide over the axes behind batch and channels.
//!
//! In: `[batch, channels, …]`, a size, stride, padding and dilation for each further axis, or one for all. Out: `[batch, …, channels]`, padded,
//! and what the windows see of it. Mistakes are recorded in the layer's words.

use crate::builder::Value;
use crate::call::bound;
use crate::value::{
    and, bare, channels_last, channels_second, greater_equal, index, less, spoken, transpose_by, window,
    zero_padded,
};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::{Op, Window};
use downhill_graph::types::ElementType;

/// Windows over the axes behind batch and channels, with the numbers of each axis.
pub(super) struct Sliding {
    pub(super) kernel: Vec<Dim>,
    pub(super) stride: Vec<Dim>,
    /// (before, after).
    pub(super) padding: Vec<(Dim, Dim)>,
    pub(super) dilation: Vec<Dim>,
}

/// `x` with its channels first, where it seems to have them last.
fn turned(x: &Value) -> Option<String> {
    let shape = x.shape()?;
    let [_, height, _, channels] = shape.dims() else { return None };
    let (height, channels) = (bound(x.builder(), height)?, bound(x.builder(), channels)?);
    ([1, 3, 4].contains(&channels) && height > channels)
        .then(|| format!("`transpose({}, [0, 3, 1, 2])`", bare(x)))
}

/// The rank of `x`, which is `[batch, channels, …]` with at least one further axis; a mistake is recorded.
pub(super) fn rank_of_picture(x: &Value, layer: &str) -> Option<usize> {
    let shape = x.shape()?;
    if shape.rank() >= 3 {
        return Some(shape.rank());
    }
    let error = Error::new(format!("`{layer}` needs axes behind batch and channels"))
        .note(format!("{} has shape {shape}", spoken(x, "the operand")))
        .help("give it [batch, channels, length], [batch, channels, height, width] or one axis more");
    x.builder().error(error);
    None
}

impl Sliding {
    /// The numbers of each of `x`'s axes behind the first two; one number stands for all of them. Mistakes are recorded.
    pub(super) fn new(x: &Value, layer: &str, numbers: [(&str, &[Dim], i64); 4]) -> Option<Sliding> {
        let axes = rank_of_picture(x, layer)? - 2;
        let mut each = Vec::new();
        for (what, given, least) in numbers {
            each.push(of_each_axis(x, layer, what, given, axes, least)?);
        }
        let [kernel, stride, padding, dilation] = <[Vec<Dim>; 4]>::try_from(each).ok()?;
        let padding = padding.into_iter().map(|padding| (padding.clone(), padding)).collect();
        Some(Sliding { kernel, stride, padding, dilation })
    }

    /// Whether a window fits in each padded axis, as far as that is known; a mistake is recorded.
    pub(super) fn fits(&self, x: &Value, layer: &str) -> bool {
        let Some(shape) = x.shape() else { return false };
        for (at, size) in shape.dims()[2..].iter().enumerate() {
            let number = |dim: &Dim| bound(x.builder(), dim);
            let (before, after) = &self.padding[at];
            let padded = number(&(&(size + before) + after));
            let (Some(padded), Some(span)) = (padded, number(&self.window(at).span())) else { continue };
            let numbers = [size, &self.kernel[at], before, &self.dilation[at]].map(number);
            if let ([Some(size), Some(kernel), Some(padding), Some(dilation)], true) =
                (numbers, padded < span)
            {
                let dilated = if dilation == 1 { String::new() } else { format!(" (dilated to {span})") };
                let error = Error::new(format!(
                    "the kernel of `{layer}`, {kernel}{dilated}, is larger than its padded input, {padded}"
                ));
                let note = format!(
                    "axis {} of {} has {size} elements and a padding of {padding} on each side",
                    at + 2,
                    spoken(x, "the operand")
                );
                let more = format!("pad by at least {}", (span - size + 1) / 2);
                let help = match (padded - 1).div_euclid(dilation) + 1 {
                    most @ 1.. => format!("take a kernel of at most {most}, or {more}"),
                    _ => more,
                };
                x.builder().error(error.note(note).help(match turned(x) {
                    Some(turned) => {
                        format!("pictures have channels first, `[batch, channels, height, width]`: {turned}")
                    }
                    None => help,
                }));
                return false;
            }
        }
        true
    }

    /// With as much padding as keeps the size of each axis at a stride of 1; what is odd stands behind.
    pub(super) fn with_same_sizes(self) -> Sliding {
        let around = |at| {
            let all = &self.window(at).span() - &Dim::from(1);
            let before = all.divide(&Dim::from(2));
            let after = &all - &before;
            (before, after)
        };
        let padding = (0..self.kernel.len()).map(around).collect();
        Sliding { padding, ..self }
    }

    /// The windows along an axis, behind those of the axes before it.
    fn window(&self, at: usize) -> Window {
        let [taps, stride, dilation] = [&self.kernel, &self.stride, &self.dilation].map(|it| it[at].clone());
        Window { axis: 1 + 2 * at, taps, stride, dilation }
    }

    /// `x`, `[batch, channels, …]`, as `[batch, …, channels]` with zeros around.
    pub(super) fn padded(&self, x: &Value) -> Value {
        zero_padded(&channels_last(x, self.kernel.len() as i64 + 2), &self.paddings())
    }

    /// (before, after) of each axis of `[batch, …, channels]`.
    pub(super) fn paddings(&self) -> Vec<(Dim, Dim)> {
        let none = [<(Dim, Dim)>::default()];
        [&none, &*self.padding, &none].concat()
    }

    /// What the windows see of a padded value: each axis between the first and those of the channels becomes two, places and taps.
    pub(super) fn seen(&self, padded: &Value) -> Value {
        (0..self.kernel.len()).fold(padded.clone(), |seen, at| {
            let Window { axis, taps, stride, dilation } = self.window(at);
            window(seen, axis as i64, taps, stride, dilation)
        })
    }

    /// The axes of the taps in what is seen.
    pub(super) fn taps(&self) -> impl Iterator<Item = usize> {
        (0..self.kernel.len()).map(|at| 2 + 2 * at)
    }
}

/// What of a padded value is no padding; `None` where it has none.
pub(super) fn inside(padded: &Value, paddings: &[(Dim, Dim)]) -> Option<Value> {
    let shape = padded.shape()?;
    let mut inside: Option<Value> = None;
    let none = |(low, high): &(Dim, Dim)| low.is(0) && high.is(0);
    for (axis, (low, high)) in paddings.iter().enumerate().filter(|(_, padding)| !none(padding)) {
        let place = index(padded.builder(), shape.clone(), axis);
        let end = &shape.dims()[axis] - high;
        let within = and(greater_equal(&place, number(padded, low)), less(&place, number(padded, &end)));
        inside = Some(inside.map_or_else(|| within.clone(), |known| and(known, &within)));
    }
    inside
}

/// A size as an i32, beside `x`.
pub(super) fn number(x: &Value, dim: &Dim) -> Value {
    x.builder().apply(Op::DimValue { dim: dim.clone(), element: ElementType::I32 }, &[])
}

/// `x`, `[batch, channels, …]`, with another size of each further axis: along it a product with the matrix `[old, new]` that is made of both.
pub(super) fn along_each_axis(
    x: &Value,
    sizes: &[Dim],
    matrix: impl Fn(&Dim, &Dim) -> Value,
) -> Option<Value> {
    let rank = sizes.len() as i64 + 2;
    let mut product = channels_last(x, rank);
    for (axis, size) in (1..).zip(sizes) {
        let matrix = matrix(&product.shape()?.dims()[axis], size);
        let op = Op::DotGeneral { batch: Vec::new(), contract: vec![(axis, 0)] };
        // The new axis stands last: to where the old one was.
        let mut order: Vec<i64> = (0..rank - 1).collect();
        order.insert(axis, rank - 1);
        product = transpose_by(x.builder().apply(op, &[&product, &matrix]), &order);
    }
    Some(channels_second(&product, rank))
}

/// The numbers of each axis behind batch and channels, of which `given` names one for all or one for each; a mistake is recorded.
pub(super) fn of_each_axis(
    x: &Value,
    layer: &str,
    what: &str,
    given: &[Dim],
    axes: usize,
    least: i64,
) -> Option<Vec<Dim>> {
    let numbers = given.iter().filter_map(|number| bound(x.builder(), number));
    if let Some(number) = numbers.min().filter(|number| *number < least) {
        let error = Error::new(format!("a {what} of {number} in `{layer}`"));
        x.builder().error(error.help(format!("it must be at least {least}")));
        return None;
    }
    match given {
        [one] => Some(vec![one.clone(); axes]),
        _ if given.len() == axes => Some(given.to_vec()),
        _ => {
            let error = Error::new(format!("{} numbers for the {what} of `{layer}`", given.len()));
            let shape = x.shape()?;
            let note = format!("{} has shape {shape}", spoken(x, "the operand"));
            let help = match axes {
                1 => "give one number: there is one axis behind batch and channels".into(),
                _ => format!("give one number, or {axes}: one for each axis behind batch and channels"),
            };
            x.builder().error(error.note(note).help(help));
            None
        }
    }
}
