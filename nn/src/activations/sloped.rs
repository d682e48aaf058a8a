//! Rectifiers whose slope below 0 is learned, or drawn at random.

use super::rectifiers::leaky_relu;
use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, X, optional, row};
use crate::declaration::Mode;
use crate::value::{convert, less_equal, multiply, require_float, reshape, select, spoken};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::{Binary, Op};
use downhill_graph::option::{Allowed, check};
use downhill_graph::random::Initializer;
use downhill_graph::types::{ElementType, Literal};
use std::borrow::Borrow;

/// What a [`prelu`] may have otherwise than by default.
#[derive(Clone, Debug, PartialEq)]
pub struct Prelu {
    /// How many slopes: 1 for all elements, or one for each channel.
    pub channels: Dim,
    /// How the slopes start.
    pub init: Initializer,
}

impl std::default::Default for Prelu {
    fn default() -> Prelu {
        Prelu { channels: Dim::from(1), init: Initializer::Constant(0.25) }
    }
}

/// x, or weight·x where x ≤ 0, with weights that are learned, as PyTorch's `PReLU` (He, Zhang, Ren, Sun: Delving Deep into Rectifiers; ICCV
/// 2015). At 0 the derivative is the weight.
///
/// # Shapes
/// That of `x`, `[batch, channels, …]` where channels have weights of their own; `weight` is `[channels]`.
///
/// # Errors
/// A number of channels that is neither 1 nor the size of axis 1, and integers and masks, are mistakes of the declaration.
pub fn prelu(x: impl Borrow<Value>, options: Prelu) -> Value {
    let x = x.borrow();
    let builder = x.builder();
    let Some(shape) = x.shape().filter(|_| require_float(x, "prelu")) else { return builder.unknown() };
    let Prelu { channels, init } = options;
    let own = shape.dims().get(1).cloned().unwrap_or(Dim::from(1));
    if !channels.is(1) && !builder.with_graph(|graph| graph.agrees(&channels, &own)) {
        let name = spoken(x, "the operand");
        let error = Error::new(format!("`prelu` of {channels} channels, but {name} has {own}"));
        let error = error.note(format!("its shape is {shape}"));
        return builder.fail(error.help("the size of axis 1, or 1 for all elements alike"));
    }

    builder.layer(|| {
        let weight = builder.parameter("weight", [channels.clone()], init);
        let slope = if channels.is(1) {
            reshape(weight, Vec::<Dim>::new())
        } else {
            let mut dims = vec![Dim::from(1); shape.rank() - 1];
            dims[0] = channels;
            reshape(weight, dims)
        };
        select(less_equal(x, 0.0), multiply(x, slope), x)
    })
}

/// x, or r·x where x ≤ 0: while training r is drawn for each element, uniform in `lower..upper`; otherwise it is their mean (Xu, Wang, Chen,
/// Li: Empirical Evaluation of Rectified Activations in Convolutional Network; 2015). PyTorch's `rrelu`.
///
/// # Shapes
/// That of `x`.
///
/// # Errors
/// Slopes that are not finite, and a `lower` above `upper`, are mistakes of the declaration.
pub fn rrelu(x: impl Borrow<Value>, lower: f64, upper: f64) -> Value {
    let x = x.borrow();
    let builder = x.builder();
    for (what, number) in [("`rrelu` with a lower", lower), ("`rrelu` with an upper", upper)] {
        if let Err(error) = check(what, number, Allowed::Finite) {
            return builder.fail(error);
        }
    }
    if lower > upper {
        let error = Error::new(format!("`rrelu` with a lower of {lower} and an upper of {upper}"));
        return builder.fail(error.help("`lower` must be at most `upper`"));
    }
    if !require_float(x, "rrelu") {
        return builder.unknown();
    }
    let is_drawn = lower != upper;
    if builder.mode() == Mode::Infer && is_drawn {
        builder.skip_stream();
    }
    if builder.mode() == Mode::Infer || !is_drawn {
        return leaky_relu(x, f64::midpoint(lower, upper));
    }
    let slope = uniform(x) * (upper - lower) + lower;
    select(less_equal(x, 0.0), multiply(x, slope), x)
}

/// Numbers in 0..1, new ones every step, of the shape of `x` and of its element type: multiples of 2⁻²⁴.
fn uniform(x: &Value) -> Value {
    let builder = x.builder();
    let Some(ty) = x.ty() else { return builder.unknown() };
    let stream = builder.random_stream();
    let bits = builder.apply(Op::RandomBits { stream, shape: ty.shape.clone() }, &[]);
    let eight = builder.with_graph(|graph| {
        let scalar = graph.add(Op::Constant(Literal::new(ElementType::U32, 8.0)), &[]);
        graph.spread(scalar, &ty.shape)
    });
    let high = builder.apply(Op::Binary(Binary::ShiftRight), &[&bits, &builder.value(eight)]);
    convert(high, ty.element) * 2f64.powi(-24)
}

fn prelu_row(builder: &Builder, given: &Arguments<'_>) -> Value {
    let Some(channels) = given.dim("channels").cloned() else { return builder.unknown() };
    let init = given.initializer("init").unwrap_or(Prelu::default().init);
    prelu(given.tensor("x"), Prelu { channels, init })
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row(
        "prelu",
        &[
            X,
            optional("channels", Kind::Dim, Default::Integer(1)),
            optional("init", Kind::Initializer, Default::Unset("constant(0.25)")),
        ],
        "x, or weight·x where x ≤ 0, with one weight or one for each channel",
        prelu_row,
    ),
    row(
        "rrelu",
        &[
            X,
            optional("lower", Kind::Number, Default::Number(1.0 / 8.0)),
            optional("upper", Kind::Number, Default::Number(1.0 / 3.0)),
        ],
        "x, or r·x where x ≤ 0, with an r drawn at random while training",
        |_, given| rrelu(given.tensor("x"), given.number("lower"), given.number("upper")),
    ),
];
