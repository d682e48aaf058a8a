//! Random numbers as values: noise in a network, reparametrised samples, masks.
//!
//! In: a shape, or a value of that shape. Out: numbers that depend on the seed, the step, the place of the call in the declaration and
//! the element, and on nothing else: they are fresh in every training step, and the same on every machine and for every number of threads.
//!
//! In inference each is its mean, unless `inference` is true: then `forward` draws the numbers of the step to come, or of the one that
//! `Model::set_random_step` says.

use super::align::{require_float, spoken};
use super::check::{User, demand};
use super::elementwise::{add, convert, cos, full, less, log, minimum, multiply, select, sqrt};
use crate::builder::{Builder, Value};
use crate::call::{Composite, Default, Kind, P, Parameter, SHAPE, X, optional, row};
use crate::declaration::Mode;
use downhill_graph::check::Rule;
use downhill_graph::error::Error;
use downhill_graph::op::Op;
use downhill_graph::option::{Allowed, check};
use downhill_graph::types::{ElementType, Shape};
use std::borrow::Borrow;

/// Numbers of a normal distribution with this mean and standard deviation, by Box and Muller's transform (A Note on the Generation of
/// Random Normal Deviates; 1958): √(−2 ln u) · cos 2πv. The greatest are 6.8 deviations from the mean, as 32 bits allow.
///
/// # Shapes
/// `shape`, f32.
///
/// # Errors
/// A mean that is not finite, or a deviation that is negative or not finite, is a mistake of the declaration.
pub fn normal(
    builder: &Builder,
    shape: impl Into<Shape>,
    mean: f64,
    deviation: f64,
    inference: bool,
) -> Value {
    let shape = shape.into();
    let checked = check("`normal` with a mean", mean, Allowed::Finite)
        .and_then(|()| check("`normal` with a deviation", deviation, Allowed::FromZero));
    if let Err(error) = checked {
        return builder.fail(error);
    }
    if !draws(builder, inference) {
        return full(builder, shape, mean);
    }
    // From 2⁻³³ to 1: its logarithm is finite.
    let u = add(unit(builder, &shape), (-33.0_f64).exp2());
    let angle = multiply(unit(builder, &shape), std::f64::consts::TAU);
    add(multiply(multiply(sqrt(multiply(log(u), -2.0)), cos(angle)), deviation), mean)
}

/// Numbers that are as likely anywhere from `low` to below `high`, in steps of 2⁻³² of the way.
///
/// # Shapes
/// `shape`, f32.
///
/// # Errors
/// Bounds that are not finite, or a `low` above `high`, are mistakes of the declaration.
pub fn uniform(builder: &Builder, shape: impl Into<Shape>, low: f64, high: f64, inference: bool) -> Value {
    let shape = shape.into();
    let checked = check("`uniform` with a bound", low, Allowed::Finite)
        .and_then(|()| check("`uniform` with a bound", high, Allowed::Finite));
    if let Err(error) = checked {
        return builder.fail(error);
    }
    if low > high {
        let error = Error::new(format!("`uniform` from {low} to {high}"));
        return builder.fail(error.help("the lower bound comes first"));
    }
    if !draws(builder, inference) {
        return full(builder, shape, low / 2.0 + high / 2.0);
    }
    // Rounding must not reach the upper bound.
    let below = minimum(unit(builder, &shape), 1.0 - (-24.0_f64).exp2());
    add(multiply(below, high - low), low)
}

/// As [`normal`], in the shape of `x`.
pub fn normal_like(x: impl Borrow<Value>, mean: f64, deviation: f64, inference: bool) -> Value {
    let x = x.borrow();
    like("normal_like", x, |shape| normal(x.builder(), shape, mean, deviation, inference))
}

/// As [`uniform`], in the shape of `x`.
pub fn uniform_like(x: impl Borrow<Value>, low: f64, high: f64, inference: bool) -> Value {
    let x = x.borrow();
    like("uniform_like", x, |shape| uniform(x.builder(), shape, low, high, inference))
}

/// 1 with probability `p`, else 0; in inference `p` itself, unless `inference` is true. No gradient flows into what was drawn.
///
/// # Shapes
/// That of `p`.
///
/// # Errors
/// A `p` that is no float is a mistake of the declaration. A number outside of 0 to 1 is refused when it is seen.
pub fn bernoulli(p: impl Borrow<Value>, inference: bool) -> Value {
    const USER: User = User {
        name: "bernoulli",
        role: "the probability",
        help: "give probabilities, as `sigmoid` makes them",
    };
    let p = p.borrow();
    let builder = p.builder();
    if !require_float(p, "bernoulli") {
        return builder.unknown();
    }
    let Some(shape) = p.shape() else { return builder.unknown() };
    let demand = demand(p, Rule::Probability, USER);
    if !draws(builder, inference) {
        return demand.poison(p.clone());
    }
    let below = minimum(unit(builder, &shape), 1.0 - (-24.0_f64).exp2());
    let drawn = select(less(below, p), full(builder, shape.clone(), 1.0), 0.0);
    demand.poison(drawn)
}

/// Whether numbers are drawn, or stand for their mean.
fn draws(builder: &Builder, inference: bool) -> bool {
    inference || builder.mode() == Mode::Train
}

/// Fresh numbers from 0 to 1, 1 included: words of 32 bits, rounded to f32.
fn unit(builder: &Builder, shape: &Shape) -> Value {
    let stream = builder.random_stream();
    let bits = builder.apply(Op::RandomBits { stream, shape: shape.clone() }, &[]);
    multiply(convert(bits, ElementType::F32), (-32.0_f64).exp2())
}

fn like(user: &str, x: &Value, make: impl FnOnce(Shape) -> Value) -> Value {
    let builder = x.builder();
    let Some(ty) = x.ty() else { return builder.unknown() };
    if !ty.element.is_float() {
        let error = Error::new(format!("`{user}` makes floats but {} is {ty}", spoken(x, "its operand")));
        return builder.fail(error.help("`normal` and `uniform` take a shape"));
    }
    make(ty.shape)
}

const MEAN: Parameter<'static> = optional("mean", Kind::Number, Default::Number(0.0));
const DEVIATION: Parameter<'static> = optional("deviation", Kind::Number, Default::Number(1.0));
const LOW: Parameter<'static> = optional("low", Kind::Number, Default::Number(0.0));
const HIGH: Parameter<'static> = optional("high", Kind::Number, Default::Number(1.0));
const INFERENCE: Parameter<'static> = optional("inference", Kind::Bool, Default::Bool(false));

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row(
        "normal",
        &[SHAPE, MEAN, DEVIATION, INFERENCE],
        "normal numbers, fresh in every training step; their mean in inference",
        |builder, given| {
            let (mean, deviation) = (given.number("mean"), given.number("deviation"));
            normal(builder, given.shape("shape"), mean, deviation, given.flag("inference"))
        },
    ),
    row(
        "uniform",
        &[SHAPE, LOW, HIGH, INFERENCE],
        "uniform numbers, fresh in every training step; their mean in inference",
        |builder, given| {
            let (low, high) = (given.number("low"), given.number("high"));
            uniform(builder, given.shape("shape"), low, high, given.flag("inference"))
        },
    ),
    row("normal_like", &[X, MEAN, DEVIATION, INFERENCE], "`normal` in the shape of x", |_, given| {
        let (mean, deviation) = (given.number("mean"), given.number("deviation"));
        normal_like(given.tensor("x"), mean, deviation, given.flag("inference"))
    }),
    row("uniform_like", &[X, LOW, HIGH, INFERENCE], "`uniform` in the shape of x", |_, given| {
        uniform_like(given.tensor("x"), given.number("low"), given.number("high"), given.flag("inference"))
    }),
    row(
        "bernoulli",
        &[P, INFERENCE],
        "1 with probability p, else 0, fresh in every training step; p in inference",
        |_, given| bernoulli(given.tensor("p"), given.flag("inference")),
    ),
];
