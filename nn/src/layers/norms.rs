//! Normalisation: elements less their mean, over their standard deviation, scaled and shifted by parameters.
//!
//! Must hold: the variance is the biased one, a mean of squared deviations from the mean: it is never negative, and an offset that all
//! elements have costs no more digits than the elements themselves lost by it.

use super::shares::{Division, share};
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, Parameter, X, bound, given, optional, row};
use crate::value::{Over, add, average, multiply, require_float, reshape, spoken, sqrt, square, subtract};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;
use downhill_graph::types::Shape;
use std::borrow::Borrow;

/// What a [`layer_norm`] may have otherwise than by default.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    /// What is added to the variance.
    pub eps: f64,
    /// With a weight, and a bias?
    pub affine: bool,
    /// With a bias, where there is a weight?
    pub bias: bool,
    /// How many axes, counted from the last, are normalised together.
    pub axes: i64,
}

impl std::default::Default for LayerNorm {
    fn default() -> LayerNorm {
        LayerNorm { eps: 1e-5, affine: true, bias: true, axes: 1 }
    }
}

/// What an [`rms_norm`] may have otherwise than by default.
#[derive(Clone, Debug, PartialEq)]
pub struct RmsNorm {
    /// What is added to the mean square: by default what is between 1 and the next f32, as PyTorch's.
    pub eps: f64,
    /// With a weight?
    pub affine: bool,
    /// How many axes, counted from the last, are normalised together.
    pub axes: i64,
}

impl std::default::Default for RmsNorm {
    fn default() -> RmsNorm {
        RmsNorm { eps: EPSILON, affine: true, axes: 1 }
    }
}

/// What is between 1 and the next f32.
const EPSILON: f64 = f32::EPSILON as f64;

/// What a [`group_norm`] may have otherwise than by default.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupNorm {
    /// What is added to the variance.
    pub eps: f64,
    /// With a weight and a bias?
    pub affine: bool,
}

impl std::default::Default for GroupNorm {
    fn default() -> GroupNorm {
        GroupNorm { eps: 1e-5, affine: true }
    }
}

/// What an [`instance_norm`] may have otherwise than by default.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceNorm {
    /// What is added to the variance.
    pub eps: f64,
    /// With a weight and a bias?
    pub affine: bool,
}

impl std::default::Default for InstanceNorm {
    fn default() -> InstanceNorm {
        InstanceNorm { eps: 1e-5, affine: false }
    }
}

/// (x − μ)/√(σ² + eps) · weight + bias, with mean μ and variance σ² over the last axes (Ba, Kiros, Hinton: Layer Normalization; 2016).
///
/// # Shapes
/// That of `x`; `weight`, which starts as ones, and `bias`, which starts as zeros, have the axes that are normalised.
pub fn layer_norm(x: impl Borrow<Value>, options: LayerNorm) -> Value {
    let (x, LayerNorm { eps, affine, bias, axes }) = (x.borrow(), options);
    let Some(operand) = Operand::check("layer_norm", x, eps) else { return x.builder().unknown() };
    let Some(axes) = operand.last(axes) else { return x.builder().unknown() };
    let own = Own { dims: &operand.shape.dims()[axes..], behind: 0, weight: affine, bias: affine && bias };
    own.apply(&standardised(x, axes, eps))
}

/// x/√(μ + eps) · weight, with the mean μ of x² over the last axes (Zhang, Sennrich: Root Mean Square Layer Normalization; 2019).
///
/// # Shapes
/// That of `x`; `weight`, which starts as ones, has the axes that are normalised.
pub fn rms_norm(x: impl Borrow<Value>, options: RmsNorm) -> Value {
    let (x, RmsNorm { eps, affine, axes }) = (x.borrow(), options);
    let Some(operand) = Operand::check("rms_norm", x, eps) else { return x.builder().unknown() };
    let Some(axes) = operand.last(axes) else { return x.builder().unknown() };
    let own = Own { dims: &operand.shape.dims()[axes..], behind: 0, weight: affine, bias: false };
    own.apply(&over_root(x, &average(&square(x), &axes_from(x, axes)), eps))
}

/// (x − μ)/√(σ² + eps) · weight + bias, with mean μ and variance σ² over each of `groups` equal parts of the channels of a sample, and
/// over all behind them (Wu, He: Group Normalization; 2018).
///
/// # Shapes
/// That of `x`, `[batch, channels, …]`; `weight`, which starts as ones, and `bias`, which starts as zeros, are `[channels]`.
///
/// # Errors
/// A number of groups that does not divide that of the channels is a mistake of the declaration.
pub fn group_norm(x: impl Borrow<Value>, groups: impl Into<Dim>, options: GroupNorm) -> Value {
    let (x, groups, GroupNorm { eps, affine }) = (x.borrow(), groups.into(), options);
    let builder = x.builder();
    let Some(operand) = Operand::check("group_norm", x, eps) else { return builder.unknown() };
    let Some(channels) = operand.channels(2, "[batch, channels, …]") else { return builder.unknown() };

    let words = Division { user: "group_norm", whole: "channels", parts: "groups" };
    let Some(part) = share(builder, &channels, &groups, &words) else { return builder.unknown() };
    let mut dims = operand.shape.0.clone();
    dims.splice(1..2, [groups, part]);
    let normal = reshape(standardised(&reshape(x, dims), 2, eps), operand.shape.clone());

    let own = Own { dims: &[channels], behind: operand.shape.rank() - 2, weight: affine, bias: affine };
    own.apply(&normal)
}

/// (x − μ)/√(σ² + eps) · weight + bias, with mean μ and variance σ² over each channel of a sample (Ulyanov, Vedaldi, Lempitsky: Instance
/// Normalization; 2016).
///
/// # Shapes
/// That of `x`, `[batch, channels, …]` with one axis or more behind the channels; `weight`, which starts as ones, and `bias`, which starts
/// as zeros, are `[channels]`.
pub fn instance_norm(x: impl Borrow<Value>, options: InstanceNorm) -> Value {
    let (x, InstanceNorm { eps, affine }) = (x.borrow(), options);
    let builder = x.builder();
    let Some(operand) = Operand::check("instance_norm", x, eps) else { return builder.unknown() };
    let Some(channels) = operand.channels(3, "[batch, channels, time] or more axes") else {
        return builder.unknown();
    };

    let behind = &operand.shape.dims()[2..];
    if behind.iter().all(|dim| bound(builder, dim) == Some(1)) {
        let error = Error::new(format!(
            "`instance_norm` over 1 element, as {} has shape {}",
            operand.name(),
            operand.shape
        ));
        return builder.fail(error.help("an element less itself is 0: give each channel several elements"));
    }
    let own = Own { dims: &[channels], behind: behind.len(), weight: affine, bias: affine };
    own.apply(&standardised(x, 2, eps))
}

/// The operand of a normalisation.
struct Operand<'a> {
    user: &'static str,
    x: &'a Value,
    shape: Shape,
}

impl Operand<'_> {
    /// `x` and what is added to its variance, where they can be taken; a mistake is recorded.
    fn check<'a>(user: &'static str, x: &'a Value, eps: f64) -> Option<Operand<'a>> {
        if eps >= 1.0 {
            let error = Error::new(format!("`{user}` with an eps of {eps}"));
            let help = format!("an eps is far below 1; what comes in has its size by itself: `{user}(…)`");
            x.builder().error(error.help(help));
            return None;
        }
        if let Err(error) = check(&format!("`{user}` with an eps"), eps, Allowed::FromZero) {
            x.builder().error(error);
            return None;
        }
        let shape = x.shape().filter(|_| require_float(x, user))?;
        Some(Operand { user, x, shape })
    }

    fn name(&self) -> String {
        spoken(self.x, "its operand")
    }

    /// The first of the last `count` axes; a mistake is recorded.
    fn last(&self, count: i64) -> Option<usize> {
        let rank = self.shape.rank();
        let first =
            usize::try_from(count).ok().filter(|&count| count > 0).and_then(|count| rank.checked_sub(count));
        if first.is_none() {
            let (user, name) = (self.user, self.name());
            let error =
                Error::new(format!("`{user}` over the last {count} axes of {name}, which has {rank}"));
            let help = match rank {
                0 => "give it a shape such as `[batch, 1]`".into(),
                1 => "`axes` counts from the last one: 1 is all of them".into(),
                _ => format!("`axes` counts from the last one: 1 to {rank}"),
            };
            self.x.builder().error(error.note(format!("its shape is {}", self.shape)).help(help));
        }
        first
    }

    /// The number of channels, behind the batch; a mistake is recorded where there are fewer than `axes` axes.
    fn channels(&self, axes: usize, takes: &str) -> Option<Dim> {
        if self.shape.rank() < axes {
            let error =
                Error::new(format!("`{}` takes {takes}, but {} is {}", self.user, self.name(), self.shape));
            self.x.builder().error(error.help("`layer_norm` normalises the last axis of any shape"));
            return None;
        }
        self.shape.dims().get(1).cloned()
    }
}

/// The parameters of a normalisation.
struct Own<'a> {
    dims: &'a [Dim],
    /// How many axes of what is normalised stand behind theirs.
    behind: usize,
    weight: bool,
    bias: bool,
}

impl Own<'_> {
    /// `normal` · weight + bias.
    fn apply(&self, normal: &Value) -> Value {
        let builder = normal.builder();
        builder.layer(|| {
            let scaled = if self.weight {
                multiply(normal, self.parameter(builder, "weight", Initializer::Ones))
            } else {
                normal.clone()
            };
            if self.bias { add(scaled, self.parameter(builder, "bias", Initializer::Zeros)) } else { scaled }
        })
    }

    fn parameter(&self, builder: &Builder, name: &str, start: Initializer) -> Value {
        let mut laid = self.dims.to_vec();
        laid.resize(laid.len() + self.behind, Dim::from(1));
        reshape(builder.parameter(name, self.dims.to_vec(), start), laid)
    }
}

/// (x − μ)/√(σ² + eps), with the moments over the axes of `x` from `first` on.
fn standardised(x: &Value, first: usize, eps: f64) -> Value {
    let over = axes_from(x, first);
    let deviation = subtract(x, average(x, &over));
    let variance = average(&square(&deviation), &over);
    over_root(&deviation, &variance, eps)
}

/// x/√(square + eps). The root is divided by once for all elements that share it.
fn over_root(x: &Value, square: &Value, eps: f64) -> Value {
    multiply(x, 1.0 / sqrt(square + eps))
}

/// All axes from `first` on, kept at size 1 so that they broadcast back.
fn axes_from(x: &Value, first: usize) -> Over {
    let rank = x.shape().map_or(first, |shape| shape.rank());
    Over { axes: Some((first as i64..rank as i64).collect()), keep: true }
}

const fn eps(number: f64) -> Parameter<'static> {
    optional("eps", Kind::Number, Default::Number(number))
}

const fn flag(name: &'static str, set: bool) -> Parameter<'static> {
    optional(name, Kind::Bool, Default::Bool(set))
}

const LAST_AXES: Parameter<'static> = optional("axes", Kind::Integer, Default::Integer(1));

fn layer_norm_row(_: &Builder, given: &Arguments<'_>) -> Value {
    let (affine, bias) = (given.flag("affine"), given.flag("bias"));
    let options = LayerNorm { eps: given.number("eps"), affine, bias, axes: given.integer("axes") };
    layer_norm(given.tensor("x"), options)
}

fn rms_norm_row(_: &Builder, given: &Arguments<'_>) -> Value {
    let (eps, affine) = (given.number("eps"), given.flag("affine"));
    rms_norm(given.tensor("x"), RmsNorm { eps, affine, axes: given.integer("axes") })
}

fn group_norm_row(builder: &Builder, given: &Arguments<'_>) -> Value {
    let Some(groups) = given.dim("groups") else { return builder.unknown() };
    let options = GroupNorm { eps: given.number("eps"), affine: given.flag("affine") };
    group_norm(given.tensor("x"), groups, options)
}

fn instance_norm_row(_: &Builder, given: &Arguments<'_>) -> Value {
    let options = InstanceNorm { eps: given.number("eps"), affine: given.flag("affine") };
    instance_norm(given.tensor("x"), options)
}

/// What declarations call these layers by.
pub(super) const ROWS: &[Composite] = &[
    row(
        "layer_norm",
        &[X, eps(1e-5), flag("affine", true), flag("bias", true), LAST_AXES],
        "(x − μ)/√(σ² + eps) · weight + bias over the last axes",
        layer_norm_row,
    ),
    row(
        "rms_norm",
        &[X, eps(EPSILON), flag("affine", true), LAST_AXES],
        "x/√(mean of x² + eps) · weight over the last axes",
        rms_norm_row,
    ),
    row(
        "group_norm",
        &[X, given("groups", Kind::Dim), eps(1e-5), flag("affine", true)],
        "(x − μ)/√(σ² + eps) · weight + bias over groups of channels of [batch, channels, …]",
        group_norm_row,
    ),
    row(
        "instance_norm",
        &[X, eps(1e-5), flag("affine", false)],
        "(x − μ)/√(σ² + eps) over each channel of [batch, channels, …]",
        instance_norm_row,
    ),
];
