//! Transposed convolutions.

use super::convolution::inputs_of_group;
use super::sliding::{of_each_axis, rank_of_picture};
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, Parameter, X, bound, given, optional, row};
use crate::value::{
    add, channels_last, channels_second, require_float, reshape, spoken, transpose_by, zero_padded,
};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::graph::Exchange;
use downhill_graph::op::{Op, Range, Window};
use downhill_graph::random::Initializer;
use downhill_graph::types::Shape;
use std::borrow::Borrow;

/// What a [`conv_transpose`] layer may have otherwise than by default. Of all but `groups`, one number stands for all axes.
#[derive(Clone, Debug, PartialEq)]
pub struct TransposedConvolution {
    /// Elements from window to window.
    pub stride: Vec<Dim>,
    /// Elements taken away on each side of an axis.
    pub padding: Vec<Dim>,
    /// Elements more at the end of an axis: less than the stride or the dilation.
    pub output_padding: Vec<Dim>,
    /// Elements from one of a window to the next.
    pub dilation: Vec<Dim>,
    /// Input and output channels fall into so many groups; each group of outputs sees its own group of inputs.
    pub groups: Dim,
    /// With a bias?
    pub bias: bool,
    /// How the weight starts; by default weight and bias start uniform in ±1/√(channels / groups · kernel), as PyTorch's do.
    pub init: Option<Initializer>,
}

impl std::default::Default for TransposedConvolution {
    fn default() -> TransposedConvolution {
        let [zero, one] = [0, 1].map(Dim::from);
        let [stride, padding, output_padding, dilation] =
            [&one, &zero, &zero, &one].map(|number| vec![number.clone()]);
        TransposedConvolution {
            stride,
            padding,
            output_padding,
            dilation,
            groups: one,
            bias: true,
            init: None,
        }
    }
}

/// The adjoint of [`conv`](super::conv), as PyTorch's `ConvTranspose1d`, `2d` and `3d`: each element of the input adds a window of the
/// output, `y[b, o, p·stride + t·dilation − padding, …] += x[b, i, p…] · weight[t…, i, o]`, and the bias is added to all.
///
/// # Shapes
/// `[batch, channels in, …]` to `[batch, channels, …]` with (n − 1)·stride − 2·padding + dilation·(kernel − 1) + 1 + output_padding of n
/// elements; `weight` is `[kernel…, channels in, channels / groups]`, `bias` is `[channels]`.
pub fn conv_transpose(
    x: impl Borrow<Value>,
    channels: impl Into<Dim>,
    kernel: &[Dim],
    options: TransposedConvolution,
) -> Value {
    let (x, channels) = (x.borrow(), channels.into());
    transposed(x, &channels, kernel, &options).unwrap_or_else(|| x.builder().unknown())
}

/// What is folded along an axis, and what of it is the result.
struct Folding {
    window: Window,
    padding: Dim,
    /// Elements more at the end.
    more: Dim,
    /// Elements of the result.
    result: Dim,
}

impl Folding {
    /// Elements that are folded.
    fn size(&self) -> Dim {
        &(&self.result + &(&Dim::from(2) * &self.padding)) - &self.more
    }
}

const LAYER: &str = "conv_transpose";

fn transposed(x: &Value, channels: &Dim, kernel: &[Dim], options: &TransposedConvolution) -> Option<Value> {
    let foldings = foldings(x, kernel, options)?;
    if !require_float(x, LAYER) {
        return None;
    }
    let inputs = x.shape()?.dims()[1].clone();
    inputs_of_group(x, LAYER, &inputs, channels, &options.groups)?;

    let builder = x.builder();
    Some(builder.layer(|| {
        let mut shape: Vec<Dim> = foldings.iter().map(|folding| folding.window.taps.clone()).collect();
        let outputs = channels.divide(&options.groups);
        let fan = shape.iter().fold(outputs.clone(), |fan, taps| &fan * taps);
        let fan_in = || Initializer::FanIn(fan.clone());
        shape.extend([inputs, outputs]);
        let weight = builder.parameter("weight", shape, options.init.clone().unwrap_or_else(fan_in));
        // PyTorch's are [channels in, channels, kernel…].
        let taps = foldings.len();
        let axes = [taps, taps + 1].into_iter().chain(0..taps).collect();
        builder.exchange(&weight, Exchange { axes, ..Exchange::default() });
        let folded = folded(x, &weight, &foldings, channels, &options.groups);
        let cut = cut(&folded, &foldings);
        let sum = if options.bias {
            add(cut, builder.parameter("bias", [channels.clone()], fan_in()))
        } else {
            cut
        };
        channels_second(&sum, foldings.len() as i64 + 2)
    }))
}

/// That of each axis behind batch and channels; mistakes are recorded.
fn foldings(x: &Value, kernel: &[Dim], options: &TransposedConvolution) -> Option<Vec<Folding>> {
    let axes = rank_of_picture(x, LAYER)? - 2;
    let numbers = |what, given, least| of_each_axis(x, LAYER, what, given, axes, least);
    let kernel = numbers("kernel", kernel, 1)?;
    let stride = numbers("stride", &options.stride, 1)?;
    let padding = numbers("padding", &options.padding, 0)?;
    let more = numbers("output padding", &options.output_padding, 0)?;
    let dilation = numbers("dilation", &options.dilation, 1)?;

    let shape = x.shape()?;
    let of_axis = |at: usize| {
        let [taps, stride, dilation] = [&kernel, &stride, &dilation].map(|numbers| numbers[at].clone());
        let window = Window { axis: at + 1, taps, stride, dilation };
        let (padding, more) = (padding[at].clone(), more[at].clone());
        let size = &(&(&shape.dims()[at + 2] - &Dim::from(1)) * &window.stride) + &window.span();
        let result = &(&size - &(&Dim::from(2) * &padding)) + &more;
        let folding = Folding { window, padding, more, result };
        is_possible(x, at + 2, &folding).then_some(folding)
    };
    (0..axes).map(of_axis).collect()
}

/// Whether the result has an element, and no more at its end than a window leaves; a mistake is recorded.
fn is_possible(x: &Value, axis: usize, folding: &Folding) -> bool {
    let builder = x.builder();
    let number = |dim: &Dim| bound(builder, dim);
    let Folding { window, padding, more, result } = folding;
    if let (Some(result @ ..1), Some(padding)) = (number(result), number(padding)) {
        let error = Error::new(format!("`{LAYER}` would leave {result} elements of axis {axis}"));
        let note =
            format!("a padding of {padding} takes {} of {} elements", 2 * padding, result + 2 * padding);
        builder.error(error.note(note).help("take less padding or a larger kernel"));
        return false;
    }

    let [more, stride, dilation] = [more, &window.stride, &window.dilation].map(number);
    if let (Some(more), Some(stride), Some(dilation)) = (more, stride, dilation)
        && more >= stride.max(dilation)
    {
        let error = Error::new(format!(
            "`{LAYER}` adds {more} elements to the end of axis {axis} of {}",
            spoken(x, "the operand")
        ));
        let note = format!("its stride is {stride} and its dilation {dilation}");
        let help =
            format!("`output_padding` must be less than one of both: at most {}", stride.max(dilation) - 1);
        builder.error(error.note(note).help(help));
        return false;
    }
    true
}

/// `[batch, …, channels]`: what each element of `x` adds, of `[taps…, channels in, channels of a group]`, where it is added.
fn folded(x: &Value, weight: &Value, foldings: &[Folding], channels: &Dim, groups: &Dim) -> Value {
    let (axes, builder) = (foldings.len(), x.builder());
    let last = channels_last(x, axes as i64 + 2);
    let (Some(inputs), Some(weights)) = (last.shape(), weight.shape()) else { return builder.unknown() };
    let is_whole = bound(builder, groups) == Some(1);

    // [batch, places…, taps…, channels], behind the groups where there are any.
    let product = if is_whole {
        let op = Op::DotGeneral { batch: Vec::new(), contract: vec![(axes + 1, axes)] };
        builder.apply(op, &[&last, weight])
    } else {
        let split = |shape: &Shape, at: usize| {
            let mut dims = shape.0.clone();
            let own = dims[at].divide(groups);
            dims.splice(at..=at, [groups.clone(), own]);
            dims
        };
        let (last, weight) =
            (reshape(last, split(&inputs, axes + 1)), reshape(weight, split(&weights, axes)));
        let op = Op::DotGeneral { batch: vec![(axes + 1, axes)], contract: vec![(axes + 2, axes + 1)] };
        builder.apply(op, &[&last, &weight])
    };

    // Each place beside its tap.
    let front = usize::from(!is_whole);
    let pairs = (0..axes).flat_map(|at| [front + 1 + at, front + 1 + axes + at]);
    let channel_axes = (0..front).chain([front + 1 + 2 * axes]);
    let order: Vec<i64> =
        [front].into_iter().chain(pairs).chain(channel_axes).map(|axis| axis as i64).collect();
    let beside = transpose_by(product, &order);
    let folded = foldings.iter().fold(beside, |folded, folding| {
        builder.apply(Op::Fold { window: folding.window.clone(), size: folding.size() }, &[&folded])
    });
    if is_whole {
        return folded;
    }
    let Some(mut shape) = folded.shape() else { return folded };
    shape.0.truncate(axes + 1);
    shape.0.push(channels.clone());
    reshape(folded, shape)
}

/// Without the padding, and with zeros where the result has more than was folded.
fn cut(folded: &Value, foldings: &[Folding]) -> Value {
    let builder = folded.builder();
    let Some(shape) = folded.shape() else { return folded.clone() };
    let mut ranges: Vec<Range> = shape.dims().iter().map(Range::whole).collect();
    let mut zeros = vec![<(Dim, Dim)>::default(); ranges.len()];
    for (axis, Folding { padding, more, .. }) in (1..).zip(foldings) {
        // While rustc runs, nobody knows which is greater; the size is the same.
        let excess = more - padding;
        let is_beyond = bound(builder, &excess).is_some_and(|excess| excess > 0);
        let (taken, added) =
            if is_beyond { (Dim::default(), excess) } else { (padding - more, Dim::default()) };
        ranges[axis] = Range { start: padding.clone(), end: &shape.dims()[axis] - &taken, stride: 1 };
        zeros[axis] = (Dim::default(), added);
    }

    let is_whole = ranges.iter().zip(shape.dims()).all(|(range, dim)| *range == Range::whole(dim));
    let part = if is_whole { folded.clone() } else { builder.apply(Op::Slice(ranges), &[folded]) };
    zero_padded(&part, &zeros)
}

const PARAMETERS: &[Parameter<'static>] = &[
    X,
    given("channels", Kind::Dim),
    given("kernel", Kind::Sizes),
    optional("stride", Kind::Sizes, Default::Integer(1)),
    optional("padding", Kind::Sizes, Default::Integer(0)),
    optional("output_padding", Kind::Sizes, Default::Integer(0)),
    optional("dilation", Kind::Sizes, Default::Integer(1)),
    optional("groups", Kind::Dim, Default::Integer(1)),
    optional("bias", Kind::Bool, Default::Bool(true)),
    optional("init", Kind::Initializer, Default::Unset("fan_in")),
];

fn transposed_row(builder: &Builder, arguments: &Arguments<'_>) -> Value {
    let (Some(channels), Some(groups)) = (arguments.dim("channels"), arguments.dim("groups")) else {
        return builder.unknown();
    };
    let options = TransposedConvolution {
        stride: arguments.shape("stride"),
        padding: arguments.shape("padding"),
        output_padding: arguments.shape("output_padding"),
        dilation: arguments.shape("dilation"),
        groups: groups.clone(),
        bias: arguments.flag("bias"),
        init: arguments.initializer("init"),
    };
    conv_transpose(arguments.tensor("x"), channels, &arguments.shape("kernel"), options)
}

/// What declarations call this layer by.
pub(super) const ROWS: &[Composite] = &[row(
    "conv_transpose",
    PARAMETERS,
    "the adjoint of a convolution, with parameters of its own",
    transposed_row,
)];
