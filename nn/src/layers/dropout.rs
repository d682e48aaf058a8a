//! Dropout.

use crate::builder::Value;
use crate::call::{Composite, Default, Kind, X, optional, row};
use crate::declaration::Mode;
use crate::value::{multiply, select, spoken};
use downhill_graph::error::Error;
use downhill_graph::op::{Compare, Op};
use downhill_graph::option::{Allowed, check};
use downhill_graph::types::{ElementType, Literal, Shape};
use std::borrow::Borrow;

/// While training, zero with probability `rate`, and the rest scaled by 1/(1 − rate); otherwise `x`.
pub fn dropout(x: impl Borrow<Value>, rate: f64) -> Value {
    let x = x.borrow();
    let builder = x.builder();
    if rate != 1.0
        && let Err(error) = check("a dropout rate", rate, Allowed::ZeroToOne)
    {
        return builder.fail(error.help("the rate is the share that is dropped: from 0 to 1"));
    }

    let Some(ty) = x.ty() else { return builder.unknown() };
    if !ty.element.is_float() {
        return builder
            .fail(Error::new(format!("`dropout` needs floats but {} is {ty}", spoken(x, "its operand"))));
    }

    if builder.mode() == Mode::Infer || rate == 0.0 {
        return x.clone();
    }
    if rate == 1.0 {
        return multiply(x, 0.0);
    }
    multiply(select(kept(x, &ty.shape, rate), x, 0.0), 1.0 / (1.0 - rate))
}

/// Mask that holds with probability 1 − rate.
fn kept(x: &Value, shape: &Shape, rate: f64) -> Value {
    let builder = x.builder();
    let stream = builder.random_stream();
    let bits = builder.apply(Op::RandomBits { stream, shape: shape.clone() }, &[]);
    // rate·2³² of the 2³² words fall below the threshold; the cast saturates.
    let threshold = (rate * 4_294_967_296.0).round() as u32;
    let threshold = builder.with_graph(|graph| {
        let scalar = graph.add(Op::Constant(Literal::new(ElementType::U32, f64::from(threshold))), &[]);
        graph.spread(scalar, shape)
    });
    builder.apply(Op::Compare(Compare::GreaterEqual), &[&bits, &builder.value(threshold)])
}

/// What declarations call this layer by.
pub(super) const ROWS: &[Composite] = &[row(
    "dropout",
    &[X, optional("rate", Kind::Number, Default::Number(0.5))],
    "zeros at random while training",
    |_, given| dropout(given.tensor("x"), given.number("rate")),
)];
