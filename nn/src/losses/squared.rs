//! Losses of the difference: squared, absolute, and Huber's, which is squared near 0 and absolute further out.

use super::operands::on_pair;
use crate::builder::Value;
use crate::call::{Composite, Default, Kind, P, Y, of_pair, optional, row};
use crate::value::{Operand, abs, less_equal, select, square, subtract};
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;

/// Mean of (p − y)².
pub fn squared_error(p: impl Borrow<Value>, y: impl Operand) -> Value {
    on_pair("squared_error", p.borrow(), y, |p, y| square(subtract(p, y)))
}

/// Mean of |p − y|.
pub fn absolute_error(p: impl Borrow<Value>, y: impl Operand) -> Value {
    on_pair("absolute_error", p.borrow(), y, |p, y| abs(subtract(p, y)))
}

/// Mean of ½d² where |d| ≤ δ, else δ·(|d| − ½δ), for d = p − y.
pub fn huber(p: impl Borrow<Value>, y: impl Operand, delta: f64) -> Value {
    let p = p.borrow();
    if let Err(error) = check("`huber` with a delta", delta, Allowed::AboveZero) {
        return p.builder().fail(error);
    }
    on_pair("huber", p, y, |p, y| {
        let d = subtract(p, y);
        let size = abs(&d);
        select(less_equal(&size, delta), square(&d) * 0.5, (size - 0.5 * delta) * delta)
    })
}

/// What declarations call these losses by.
pub(super) const ROWS: &[Composite] = &[
    of_pair!("squared_error", squared_error, "mean of (p − y)²"),
    of_pair!("mse", squared_error, "mean of (p − y)²"),
    of_pair!("absolute_error", absolute_error, "mean of |p − y|"),
    of_pair!("l1", absolute_error, "mean of |p − y|"),
    row(
        "huber",
        &[P, Y, optional("delta", Kind::Number, Default::Number(1.0))],
        "squared error near 0, absolute beyond delta",
        |_, given| huber(given.tensor("p"), given.tensor("y"), given.number("delta")),
    ),
];
