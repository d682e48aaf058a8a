//! Normalisation over the batch.

use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, Parameter, X, optional, row};
use crate::declaration::Mode;
use crate::value::{Over, average, dim_value, maximum, require_float, reshape, spoken, sqrt, square};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;
use downhill_graph::types::{ElementType, Type};
use std::borrow::Borrow;

/// What a [`batch_norm`] layer may have otherwise than by default; the defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// The share of each batch in the running statistics, from 0 to 1.
    pub momentum: f64,
    /// Added to the variance, so that channels that do not vary have a root.
    pub eps: f64,
    /// With a weight and a bias for each channel?
    pub affine: bool,
}

impl std::default::Default for BatchNorm {
    fn default() -> BatchNorm {
        BatchNorm { momentum: 0.1, eps: 1e-5, affine: true }
    }
}

/// `(x − mean) / √(variance + eps) · weight + bias`, each channel by itself (Ioffe and Szegedy, 2015).
///
/// In training, mean and variance are those of the batch, over all axes but that of the channels; the variance is the mean of the squared
/// distances. Training steps whose loss depends on the result keep running statistics, the states `running_mean` and `running_var`:
/// `running ← (1 − momentum) · running + momentum · new`, where the variance is the one without bias, n/(n − 1) times as large for n
/// numbers in a channel (of one number it is 0). In inference the running statistics stand for those of the batch.
///
/// # Shapes
/// `[batch, channels, …]` to the same; `weight`, `bias`, `running_mean` and `running_var` are `[channels]`.
pub fn batch_norm(x: impl Borrow<Value>, options: BatchNorm) -> Value {
    let x = x.borrow();
    let builder = x.builder();
    if let Err(error) = checked(options) {
        return builder.fail(error);
    }

    let Some(shape) = x.shape() else { return builder.unknown() };
    if shape.rank() < 2 {
        let error = Error::new(format!(
            "`batch_norm` needs a batch and channels but {} is {shape}",
            spoken(x, "its operand")
        ));
        return builder.fail(
            error.help("give it a shape such as `[batch, channels]` or `[batch, channels, height, width]`"),
        );
    }
    if !require_float(x, "batch_norm") {
        return builder.unknown();
    }

    builder.layer(|| {
        let channels = &shape.dims()[1];
        let affine = options.affine.then(|| {
            let parameter = |name, start| builder.parameter(name, [channels.clone()], start);
            (parameter("weight", Initializer::Ones), parameter("bias", Initializer::Zeros))
        });
        let state = |name, start| builder.state(name, Type::new(ElementType::F32, [channels.clone()]), start);
        let running = Statistics {
            mean: state("running_mean", Initializer::Zeros),
            variance: state("running_var", Initializer::Ones),
        };

        // Beside `x`, what belongs to a channel has the axes behind it too.
        let beside: Vec<Dim> = shape.dims()[1..]
            .iter()
            .enumerate()
            .map(|(axis, dim)| if axis == 0 { dim.clone() } else { Dim::from(1) })
            .collect();
        let of_channels = |value: &Value| reshape(value, beside.clone());

        let (centred, variance) = match builder.mode() {
            Mode::Train => of_batch(x, channels, &running, options.momentum),
            Mode::Infer => (x - of_channels(&running.mean), of_channels(&running.variance)),
        };
        let normal = centred * (1.0 / sqrt(variance + options.eps));

        let result = match affine {
            Some((weight, bias)) => normal * of_channels(&weight) + of_channels(&bias),
            None => normal,
        };
        builder.gives(&result);
        result
    })
}

fn checked(options: BatchNorm) -> Result<(), Error> {
    // All of a batch, and nothing of what was before, is a choice too.
    if options.momentum != 1.0 {
        let help = "it is the share of each batch in the running statistics: from 0 to 1";
        check("a momentum", options.momentum, Allowed::ZeroToOne).map_err(|error| error.help(help))?;
    }
    check("an eps", options.eps, Allowed::AboveZero)
}

/// Of each channel.
struct Statistics {
    mean: Value,
    variance: Value,
}

/// `x` around the mean of its batch, and its variance, which have 1 for every axis that was folded. The running statistics take both.
fn of_batch(x: &Value, channels: &Dim, running: &Statistics, momentum: f64) -> (Value, Value) {
    let builder = x.builder();
    let dims = x.shape().map(|shape| shape.0).unwrap_or_default();
    let folded: Vec<usize> = (0..dims.len()).filter(|&axis| axis != 1).collect();
    let over = Over { axes: Some(folded.iter().map(|&axis| axis as i64).collect()), keep: true };

    // Two walks over the batch: the distances are taken from the mean itself, so that nothing cancels.
    let mean = average(x, &over);
    let centred = x - &mean;
    let variance = average(&square(&centred), &over);

    let count = folded.iter().fold(Dim::from(1), |count, &axis| &count * &dims[axis]);
    let count = dim_value(builder, &count);
    let unbiased = &variance * (&count / maximum(&count - 1.0, 1.0));
    for (state, new) in [(&running.mean, &mean), (&running.variance, &unbiased)] {
        let new = reshape(new, [channels.clone()]);
        builder.update(state, &(state * (1.0 - momentum) + new * momentum));
    }

    (centred, variance)
}

const PARAMETERS: &[Parameter<'static>] = &[
    X,
    optional("momentum", Kind::Number, Default::Number(0.1)),
    optional("eps", Kind::Number, Default::Number(1e-5)),
    optional("affine", Kind::Bool, Default::Bool(true)),
];

fn batch_norm_row(_: &Builder, arguments: &Arguments<'_>) -> Value {
    let options = BatchNorm {
        momentum: arguments.number("momentum"),
        eps: arguments.number("eps"),
        affine: arguments.flag("affine"),
    };
    batch_norm(arguments.tensor("x"), options)
}

/// What declarations call this layer by.
pub(super) const ROWS: &[Composite] = &[row(
    "batch_norm",
    PARAMETERS,
    "each channel normalised over the batch; running statistics in inference",
    batch_norm_row,
)];
