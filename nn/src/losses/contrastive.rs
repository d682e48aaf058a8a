//! The contrastive loss of two views of a batch: each row is to be told from all others.

use super::options::{LossOptions, REDUCTION, WEIGHT};
use super::similarity::{A, B, are_rows, unit};
use crate::activations::shifted;
use crate::builder::Value;
use crate::call::{Composite, Default, Kind, optional, row};
use crate::value::{equal, exp, index, log, matmul, select, spoken, subtract, sum_over, transpose};
use downhill_graph::error::Error;
use downhill_graph::option::{Allowed, check};
use downhill_graph::types::Shape;
use std::borrow::Borrow;

/// InfoNCE of two views of a batch: −ln softmax(aᵢ·b/τ)ᵢ of each row, τ the `temperature`, the rows brought to length 1. Row i of `b` is what
/// row i of `a` is to be near to, all other rows of `b` what it is to be far from. Van den Oord et al. (2018); `symmetric` takes the mean
/// of both directions, as CLIP (Radford et al., 2021).
///
/// A row of zeros, of which no direction is known, has the same cos with all.
///
/// # Shapes
/// `a` and `b` are `[batch, features]`; a term for each row.
///
/// # Errors
/// A `temperature` that is not above 0 is a mistake of the declaration.
pub fn info_nce(
    a: impl Borrow<Value>,
    b: impl Borrow<Value>,
    temperature: f64,
    symmetric: bool,
    options: LossOptions,
) -> Value {
    let (a, b, user) = (a.borrow(), b.borrow(), "info_nce");
    if let Err(error) = check("`info_nce` with a temperature", temperature, Allowed::AboveZero) {
        return a.builder().fail(error);
    }
    if !are_rows(user, a, b) {
        return a.builder().unknown();
    }
    if let Some(shape) = a.shape()
        && shape.rank() != 2
    {
        let error =
            Error::new(format!("`{user}` takes rows, but {} is {shape}", spoken(a, "its first operand")));
        return a.builder().fail(error.help("it must be [batch, features]: `reshape` makes it so"));
    }

    let scores = matmul(unit(a), transpose(unit(b))) / temperature;
    let mut terms = on_diagonal(&scores);
    if symmetric {
        terms = (terms + on_diagonal(&transpose(&scores))) * 0.5;
    }
    options.reduce(user, &terms)
}

/// −ln of the softmax of each row where it meets the diagonal.
fn on_diagonal(scores: &Value) -> Value {
    let (builder, Some(Shape(dims))) = (scores.builder(), scores.shape()) else { return scores.clone() };
    let [row, column] = [0, 1].map(|axis| index(builder, dims.clone(), axis));
    let s = shifted(scores, -1);
    let own = sum_over(select(equal(row, column), &s, 0.0), &[-1]);
    subtract(log(sum_over(exp(s), &[-1])), own)
}

/// What declarations call this loss by.
pub(super) const ROWS: &[Composite] = &[row(
    "info_nce",
    &[
        A,
        B,
        optional("temperature", Kind::Number, Default::Number(0.07)),
        optional("symmetric", Kind::Bool, Default::Bool(false)),
        WEIGHT,
        REDUCTION,
    ],
    "cross-entropy of telling which row of b is that of each row of a, by their cos over temperature",
    |_, given| {
        let (temperature, symmetric) = (given.number("temperature"), given.flag("symmetric"));
        info_nce(given.tensor("a"), given.tensor("b"), temperature, symmetric, LossOptions::given(given))
    },
)];
