//! Convolutions.

use super::shares::{Division, share};
use super::sliding::Sliding;
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, Parameter, X, bound, given, optional, row};
use crate::value::{add, channels_second, multiply, require_float, reshape, sum_over};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::graph::Exchange;
use downhill_graph::op::Op;
use downhill_graph::random::Initializer;
use downhill_graph::types::Shape;
use std::borrow::Borrow;

/// What a [`conv`] layer may have otherwise than by default. Of `stride`, `padding` and `dilation`, one number stands for all axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// Elements from window to window.
    pub stride: Vec<Dim>,
    /// Zeros on each side of an axis.
    pub padding: Vec<Dim>,
    /// Instead of `padding`: as many zeros as keep each axis' size, one more behind than before where they are odd, as PyTorch's `same`. The
    /// stride is 1.
    pub same: bool,
    /// Elements from one that a window sees to the next.
    pub dilation: Vec<Dim>,
    /// Input and output channels fall into so many groups; each group of outputs sees its own group of inputs.
    pub groups: Dim,
    /// With a bias?
    pub bias: bool,
    /// How the weight starts; by default weight and bias start uniform in ±1/√fan_in, as PyTorch's do.
    pub init: Option<Initializer>,
}

impl std::default::Default for Convolution {
    fn default() -> Convolution {
        let [zero, one] = [0, 1].map(Dim::from);
        let [stride, padding, dilation] = [&one, &zero, &one].map(|number| vec![number.clone()]);
        Convolution { stride, padding, same: false, dilation, groups: one, bias: true, init: None }
    }
}

/// Cross-correlation, as PyTorch's `Conv1d`, `Conv2d` and `Conv3d`: `y[b, o, p…] = bias[o] + Σ x[b, i, p·stride + t·dilation − padding, …] ·
/// weight[t…, i, o]` over the taps t of the kernel and the input channels i of o's group. The kernel has one size for all axes, or one for
/// each.
///
/// # Shapes
/// `[batch, channels in, …]` to `[batch, channels, …]` with (n + 2·padding − dilation·(kernel − 1) − 1) / stride + 1 of n elements, rounded
/// down; `weight` is `[kernel…, channels in / groups, channels]`, `bias` is `[channels]`.
pub fn conv(x: impl Borrow<Value>, channels: impl Into<Dim>, kernel: &[Dim], options: Convolution) -> Value {
    let (x, channels) = (x.borrow(), channels.into());
    convolution(x, &channels, kernel, &options).unwrap_or_else(|| x.builder().unknown())
}

fn convolution(x: &Value, channels: &Dim, kernel: &[Dim], options: &Convolution) -> Option<Value> {
    let sliding = slide(x, kernel, options)?;
    if !require_float(x, "conv") {
        return None;
    }
    let inputs = x.shape()?.dims()[1].clone();
    let inputs = inputs_of_group(x, "conv", &inputs, channels, &options.groups)?;

    let builder = x.builder();
    Some(builder.layer(|| {
        let fan = sliding.kernel.iter().fold(inputs.clone(), |fan, taps| &fan * taps);
        let fan_in = || Initializer::FanIn(fan.clone());
        let mut shape = sliding.kernel.clone();
        shape.extend([inputs.clone(), channels.clone()]);
        let weight = builder.parameter("weight", shape, options.init.clone().unwrap_or_else(fan_in));
        // PyTorch's are [channels, channels in, kernel…].
        let taps = sliding.kernel.len();
        let axes = [taps + 1, taps].into_iter().chain(0..taps).collect();
        builder.exchange(&weight, Exchange { axes, ..Exchange::default() });
        let product = product(x, &weight, &sliding, &options.groups);
        let product = if options.bias {
            add(product, builder.parameter("bias", [channels.clone()], fan_in()))
        } else {
            product
        };
        channels_second(&product, sliding.kernel.len() as i64 + 2)
    }))
}

/// The windows; mistakes are recorded.
fn slide(x: &Value, kernel: &[Dim], options: &Convolution) -> Option<Sliding> {
    let mut sliding = Sliding::new(
        x,
        "conv",
        [
            ("kernel", kernel, 1),
            ("stride", &options.stride, 1),
            ("padding", &options.padding, 0),
            ("dilation", &options.dilation, 1),
        ],
    )?;
    if options.same {
        let strides = sliding.stride.iter().filter_map(|stride| bound(x.builder(), stride));
        if let Some(stride) = strides.max().filter(|&stride| stride > 1) {
            let error = Error::new(format!("`conv` with `padding: same` and a stride of {stride}"));
            x.builder().error(error.help("take a stride of 1, or write the padding as numbers"));
            return None;
        }
        sliding = sliding.with_same_sizes();
    }
    sliding.fits(x, "conv").then_some(sliding)
}

/// The input channels that an output channel sees; mistakes are recorded.
pub(super) fn inputs_of_group(
    x: &Value,
    layer: &str,
    inputs: &Dim,
    channels: &Dim,
    groups: &Dim,
) -> Option<Dim> {
    let builder = x.builder();
    if let Some(number @ ..1) = bound(builder, channels) {
        builder.error(Error::new(format!("`{layer}` with {number} channels")).help("it needs at least 1"));
        return None;
    }
    let of = |whole| Division { user: layer, whole, parts: "groups" };
    share(builder, channels, groups, &of("output channels"))?;
    share(builder, inputs, groups, &of("input channels"))
}

/// `[batch, …, channels]` of `[batch, channels in, …]` and the weight.
fn product(x: &Value, weight: &Value, sliding: &Sliding, groups: &Dim) -> Value {
    let padded = sliding.padded(x);
    let axes = sliding.kernel.len();
    let (Some(inputs), Some(weights)) = (padded.shape(), weight.shape()) else {
        return x.builder().unknown();
    };
    let taps: Vec<(usize, usize)> = sliding.taps().zip(0..).collect();
    let channels_in = 1 + 2 * axes;
    let number = |dim: &Dim| bound(x.builder(), dim);
    if number(groups) == Some(1) {
        let contract = [&*taps, &[(channels_in, axes)]].concat();
        let op = Op::DotGeneral { batch: Vec::new(), contract };
        return x.builder().apply(op, &[&sliding.seen(&padded), weight]);
    }
    let [own_inputs, outputs] = [axes, axes + 1].map(|axis| &weights.dims()[axis]);
    if number(own_inputs) == Some(1) && (outputs == groups || number(&(outputs - groups)) == Some(0)) {
        return of_each_channel(x, weight, sliding, &padded);
    }

    // [batch, places…, taps…, groups, channels in of a group] by [taps…, channels in of a group, groups, channels of a group].
    let split = |shape: &Shape, at: usize, by: [Dim; 2]| {
        let mut dims = shape.0.clone();
        dims.splice(at..=at, by);
        dims
    };
    let grouped = reshape(&padded, split(&inputs, axes + 1, [groups.clone(), own_inputs.clone()]));
    let weight = reshape(weight, split(&weights, axes + 1, [groups.clone(), outputs.divide(groups)]));
    let batch = vec![(channels_in, axes + 1)];
    let contract = [&*taps, &[(channels_in + 1, axes)]].concat();
    let product = x.builder().apply(Op::DotGeneral { batch, contract }, &[&sliding.seen(&grouped), &weight]);

    // [groups, batch, places…, channels of a group].
    let order = (1..axes + 2).chain([0, axes + 2]).collect();
    let product = x.builder().apply(Op::Transpose(order), &[&product]);
    let Some(mut shape) = product.shape() else { return product };
    shape.0.truncate(axes + 1);
    shape.0.push(outputs.clone());
    reshape(product, shape)
}

/// As many groups as channels, in and out: the channels stay beside each other, as in memory.
fn of_each_channel(x: &Value, weight: &Value, sliding: &Sliding, padded: &Value) -> Value {
    let seen = sliding.seen(padded);
    let (Some(shape), Some(weights)) = (seen.shape(), weight.shape()) else { return x.builder().unknown() };
    let axes = sliding.kernel.len();
    let flat = Shape([&weights.dims()[..axes], &weights.dims()[axes + 1..]].concat());
    let placed = sliding.taps().chain([1 + 2 * axes]).collect();
    let weight = x.builder().apply(Op::Broadcast { shape, axes: placed }, &[&reshape(weight, flat)]);
    let taps: Vec<i64> = sliding.taps().map(|axis| axis as i64).collect();
    sum_over(multiply(seen, weight), &taps)
}

const PARAMETERS: &[Parameter<'static>] = &[
    X,
    given("channels", Kind::Dim),
    given("kernel", Kind::Sizes),
    optional("stride", Kind::Sizes, Default::Integer(1)),
    optional("padding", Kind::Padding, Default::Integer(0)),
    optional("dilation", Kind::Sizes, Default::Integer(1)),
    optional("groups", Kind::Dim, Default::Integer(1)),
    optional("bias", Kind::Bool, Default::Bool(true)),
    optional("init", Kind::Initializer, Default::Unset("fan_in")),
];

fn conv_row(builder: &Builder, arguments: &Arguments<'_>) -> Value {
    let (Some(channels), Some(groups)) = (arguments.dim("channels"), arguments.dim("groups")) else {
        return builder.unknown();
    };
    let is_same = arguments.word("padding") == Some("same");
    let options = Convolution {
        stride: arguments.shape("stride"),
        padding: if is_same { vec![Dim::default()] } else { arguments.shape("padding") },
        same: is_same,
        dilation: arguments.shape("dilation"),
        groups: groups.clone(),
        bias: arguments.flag("bias"),
        init: arguments.initializer("init"),
    };
    conv(arguments.tensor("x"), channels, &arguments.shape("kernel"), options)
}

/// What declarations call this layer by.
pub(super) const ROWS: &[Composite] =
    &[row("conv", PARAMETERS, "cross-correlation over the axes behind batch and channels", conv_row)];
