//! Dropout: of elements, of whole channels, of whole samples.

use crate::builder::Value;
use crate::call::{Composite, Default, Kind, Parameter, X, given, optional, row};
use crate::declaration::Mode;
use crate::value::{multiply, select, spoken};
use downhill_graph::error::Error;
use downhill_graph::op::{Compare, Op};
use downhill_graph::option::{Allowed, check};
use downhill_graph::types::{ElementType, Literal, Shape};
use std::borrow::Borrow;

/// While training, zero with probability `rate`, and the rest scaled by 1/(1 − rate); otherwise `x`.
pub fn dropout(x: impl Borrow<Value>, rate: f64) -> Value {
    drop_together("dropout", x.borrow(), rate, Whole::Elements)
}

/// While training, each channel of each sample is zero as a whole with probability `rate`, and the rest scaled by 1/(1 − rate);
/// otherwise `x`: PyTorch's `Dropout1d`, `Dropout2d` and `Dropout3d` (Tompson et al.: Efficient Object Localization Using Convolutional
/// Networks; CVPR 2015).
///
/// # Shapes
/// That of `x`, `[batch, channels, …]`.
pub fn channel_dropout(x: impl Borrow<Value>, rate: f64) -> Value {
    drop_together("channel_dropout", x.borrow(), rate, Whole::Channels)
}

/// While training, each sample is zero as a whole with probability `rate`, and the rest scaled by 1/(1 − rate); otherwise `x`. Around it
/// goes a residual connection, `x + drop_path(f(x), 0.1)`: the network is then of another depth for each sample (Huang et al.: Deep
/// Networks with Stochastic Depth; ECCV 2016).
///
/// # Shapes
/// That of `x`, `[batch, …]`.
pub fn drop_path(x: impl Borrow<Value>, rate: f64) -> Value {
    drop_together("drop_path", x.borrow(), rate, Whole::Samples)
}

/// What is dropped or kept together.
#[derive(Clone, Copy)]
enum Whole {
    Elements,
    Channels,
    Samples,
}

impl Whole {
    /// How many leading axes tell what is dropped apart, and the shape that has them; `None` for all axes.
    fn leading(self) -> Option<(usize, &'static str)> {
        match self {
            Whole::Elements => None,
            Whole::Channels => Some((2, "[batch, channels, …]")),
            Whole::Samples => Some((1, "[batch, …]")),
        }
    }
}

fn drop_together(name: &str, x: &Value, rate: f64, whole: Whole) -> Value {
    let builder = x.builder();
    if rate != 1.0
        && let Err(error) = check("a dropout rate", rate, Allowed::ZeroToOne)
    {
        return builder.fail(error.help("the rate is the share that is dropped: from 0 to 1"));
    }

    let Some(ty) = x.ty() else { return builder.unknown() };
    if !ty.element.is_float() {
        return builder
            .fail(Error::new(format!("`{name}` needs floats but {} is {ty}", spoken(x, "its operand"))));
    }

    let (axes, takes) = whole.leading().unwrap_or((ty.rank(), "any"));
    if ty.rank() < axes {
        let error =
            Error::new(format!("`{name}` takes {takes} but {} is {}", spoken(x, "its operand"), ty.shape));
        return builder.fail(error.help("`dropout` drops each element by itself"));
    }

    if rate == 0.0 {
        return x.clone();
    }
    if builder.mode() == Mode::Infer {
        if rate < 1.0 {
            builder.skip_stream();
        }
        return x.clone();
    }
    if rate == 1.0 {
        return multiply(x, 0.0);
    }
    multiply(select(kept(x, &ty.shape, axes, rate), x, 0.0), 1.0 / (1.0 - rate))
}

/// Mask of `shape` that holds with probability 1 − rate, drawn once for each index of the first `axes` axes.
fn kept(x: &Value, shape: &Shape, axes: usize, rate: f64) -> Value {
    let builder = x.builder();
    let stream = builder.random_stream();
    let drawn = Shape(shape.dims()[..axes].to_vec());
    let bits = builder.apply(Op::RandomBits { stream, shape: drawn.clone() }, &[]);

    // rate·2³² of the 2³² words fall below the threshold; the cast saturates.
    let threshold = (rate * 4_294_967_296.0).round() as u32;
    let threshold = builder.with_graph(|graph| {
        let scalar = graph.add(Op::Constant(Literal::new(ElementType::U32, f64::from(threshold))), &[]);
        graph.spread(scalar, &drawn)
    });

    let mask = builder.apply(Op::Compare(Compare::GreaterEqual), &[&bits, &builder.value(threshold)]);
    if axes == shape.rank() {
        return mask;
    }
    builder.apply(Op::Broadcast { shape: shape.clone(), axes: (0..axes).collect() }, &[&mask])
}

const RATE: Parameter<'static> = optional("rate", Kind::Number, Default::Number(0.5));

/// What declarations call these layers by.
pub(super) const ROWS: &[Composite] = &[
    row("dropout", &[X, RATE], "zeros at random while training", |_, given| {
        dropout(given.tensor("x"), given.number("rate"))
    }),
    row("channel_dropout", &[X, RATE], "channels of zeros at random while training", |_, given| {
        channel_dropout(given.tensor("x"), given.number("rate"))
    }),
    row(
        "drop_path",
        &[X, given("rate", Kind::Number)],
        "samples of zeros at random while training: stochastic depth",
        |_, given| drop_path(given.tensor("x"), given.number("rate")),
    ),
];
