//! The linear layer.

use crate::builder::{Builder, Value};
use crate::call::{Arguments, Composite, Default, Kind, Parameter, X, bound, given, optional, row};
use crate::value::{add, matmul, require_float, spoken};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::random::Initializer;
use std::borrow::Borrow;

/// What a [`linear`] layer may have otherwise than by default.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// With a bias?
    pub bias: bool,
    /// How the weight starts; by default weight and bias start uniform in ±1/√fan_in, as PyTorch's do.
    pub init: Option<Initializer>,
}

impl std::default::Default for Linear {
    fn default() -> Linear {
        Linear { bias: true, init: None }
    }
}

/// `x @ weight + bias`.
///
/// # Shapes
/// `[…, n]` to `[…, units]`; `weight` is `[n, units]`, `bias` is `[units]`.
pub fn linear(x: impl Borrow<Value>, units: impl Into<Dim>, options: Linear) -> Value {
    let (x, units) = (x.borrow(), units.into());
    let builder = x.builder();

    let Some(shape) = x.shape() else { return builder.unknown() };
    let Some(inputs) = shape.dims().last() else {
        let error = Error::new(format!(
            "{} is a scalar, but `linear` needs an axis to work on",
            spoken(x, "the operand")
        ));
        let is_number =
            x.node().is_some_and(|id| builder.with_graph(|graph| graph.constant_value(id)).is_some());
        return builder.fail(error.help(match is_number {
            true => "a value comes first, then how many units: `linear(x, 8)`; the size of what comes in follows from `x`",
            false => "give it a shape such as `[batch, 1]`",
        }));
    };

    if let Some(units @ ..1) = bound(builder, &units) {
        return builder.fail(Error::new(format!("`linear` with {units} units")).help("it needs at least 1"));
    }
    if !require_float(x, "linear") {
        return builder.unknown();
    }

    builder.layer(|| {
        let fan_in = || Initializer::FanIn(inputs.clone());
        let start = options.init.clone().unwrap_or_else(fan_in);
        let weight = builder.turned("weight", [inputs.clone(), units.clone()], start);
        let product = matmul(x, weight);
        if options.bias {
            add(product, builder.parameter("bias", [units.clone()], fan_in()))
        } else {
            product
        }
    })
}

const PARAMETERS: &[Parameter<'static>] = &[
    X,
    given("units", Kind::Dim),
    optional("bias", Kind::Bool, Default::Bool(true)),
    optional("init", Kind::Initializer, Default::Unset("fan_in")),
];

fn linear_row(builder: &Builder, arguments: &Arguments<'_>) -> Value {
    let Some(units) = arguments.dim("units") else { return builder.unknown() };
    let options = Linear { bias: arguments.flag("bias"), init: arguments.initializer("init") };
    linear(arguments.tensor("x"), units, options)
}

/// What declarations call this layer by.
pub(super) const ROWS: &[Composite] = &[
    row("linear", PARAMETERS, "x @ weight + bias", linear_row),
    row("dense", PARAMETERS, "x @ weight + bias", linear_row),
];
