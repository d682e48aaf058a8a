//! Losses of the difference: squared, absolute, and what is squared near 0 and absolute further out.

use super::operands::on_pair;
use super::options::{LossOptions, REDUCTION, WEIGHT, of_pair};
use crate::builder::Value;
use crate::call::{Composite, Default as Unless, Kind, P, Y, given, optional, row};
use crate::value::{Operand, abs, less, less_equal, log1p, select, softplus, square, subtract, tanh};
use downhill_graph::option::{Allowed, check};
use std::borrow::Borrow;

/// Mean of (p − y)².
pub fn squared_error(p: impl Borrow<Value>, y: impl Operand) -> Value {
    squared_error_with(p, y, LossOptions::default())
}

/// (p − y)², as PyTorch's `MSELoss`.
///
/// # Shapes
/// `y` has the shape of `p` or is a scalar; each element is a term.
pub fn squared_error_with(p: impl Borrow<Value>, y: impl Operand, options: LossOptions) -> Value {
    on_pair("squared_error", p.borrow(), y, &options, |p, y| square(subtract(p, y)))
}

/// Mean of |p − y|.
pub fn absolute_error(p: impl Borrow<Value>, y: impl Operand) -> Value {
    absolute_error_with(p, y, LossOptions::default())
}

/// |p − y|, as PyTorch's `L1Loss`. Its derivative at 0 is 0.
///
/// # Shapes
/// As [`squared_error_with`].
pub fn absolute_error_with(p: impl Borrow<Value>, y: impl Operand, options: LossOptions) -> Value {
    on_pair("absolute_error", p.borrow(), y, &options, |p, y| abs(subtract(p, y)))
}

/// Mean of ½d² where |d| ≤ δ, else δ·(|d| − ½δ), for d = p − y.
pub fn huber(p: impl Borrow<Value>, y: impl Operand, delta: f64) -> Value {
    huber_with(p, y, delta, LossOptions::default())
}

/// ½d² where |d| ≤ δ, else δ·(|d| − ½δ), for d = p − y: Huber's loss (1964), as PyTorch's `HuberLoss`.
///
/// # Shapes
/// As [`squared_error_with`].
///
/// # Errors
/// A `delta` that is not above 0 is a mistake of the declaration.
pub fn huber_with(p: impl Borrow<Value>, y: impl Operand, delta: f64, options: LossOptions) -> Value {
    let p = p.borrow();
    if let Err(error) = check("`huber` with a delta", delta, Allowed::AboveZero) {
        return p.builder().fail(error);
    }
    on_pair("huber", p, y, &options, |p, y| {
        let d = subtract(p, y);
        let size = abs(&d);
        select(less_equal(&size, delta), square(&d) * 0.5, (size - 0.5 * delta) * delta)
    })
}

/// ½d²/β where |d| < β, else |d| − ½β, for d = p − y, as PyTorch's `SmoothL1Loss`: Huber's loss over β. With a β of 0 it is |d|.
///
/// # Shapes
/// As [`squared_error_with`].
///
/// # Errors
/// A `beta` below 0 is a mistake of the declaration.
pub fn smooth_l1(p: impl Borrow<Value>, y: impl Operand, beta: f64, options: LossOptions) -> Value {
    let p = p.borrow();
    if let Err(error) = check("`smooth_l1` with a beta", beta, Allowed::FromZero) {
        return p.builder().fail(error);
    }
    on_pair("smooth_l1", p, y, &options, |p, y| {
        let d = subtract(p, y);
        let size = abs(&d);
        if beta == 0.0 {
            return size;
        }
        select(less(&size, beta), square(&d) * (0.5 / beta), size - 0.5 * beta)
    })
}

/// ln cosh d for d = p − y: ½d² near 0, |d| − ln 2 further out, and smooth. Its derivative is tanh d.
///
/// # Shapes
/// As [`squared_error_with`].
pub fn log_cosh(p: impl Borrow<Value>, y: impl Operand, options: LossOptions) -> Value {
    on_pair("log_cosh", p.borrow(), y, &options, |p, y| {
        let d = subtract(p, y);
        let (size, is_near) = (abs(&d), less(abs(&d), 1.0));
        // Near 0 the difference of |d| + ln(1 + e^(−2|d|)) and ln 2 would have no digits left.
        let near = log1p(-square(tanh(select(&is_near, &d, 0.0)))) * -0.5;
        select(is_near, near, softplus(&size * -2.0) + size - std::f64::consts::LN_2)
    })
}

/// τ·d where d = y − p is above 0, else (τ − 1)·d: least where a share τ of what y may be lies below p. The pinball loss of Koenker and
/// Bassett (1978). Its derivative by p is −τ where p is below y, else 1 − τ.
///
/// # Shapes
/// As [`squared_error_with`].
///
/// # Errors
/// A `tau` that is not from 0 to 1 is a mistake of the declaration.
pub fn pinball(p: impl Borrow<Value>, y: impl Operand, tau: f64, options: LossOptions) -> Value {
    let p = p.borrow();
    if let Err(error) = check("`pinball` with a tau", tau, Allowed::Share) {
        return p.builder().fail(error);
    }
    on_pair("pinball", p, y, &options, |p, y| {
        let d = subtract(y, p);
        select(less_equal(&d, 0.0), &d * (tau - 1.0), &d * tau)
    })
}

/// What declarations call these losses by.
pub(super) const ROWS: &[Composite] = &[
    of_pair!("squared_error", squared_error_with, "(p − y)²"),
    of_pair!("mse", squared_error_with, "(p − y)²"),
    of_pair!("absolute_error", absolute_error_with, "|p − y|"),
    of_pair!("l1", absolute_error_with, "|p − y|"),
    row(
        "huber",
        &[P, Y, optional("delta", Kind::Number, Unless::Number(1.0)), WEIGHT, REDUCTION],
        "squared error near 0, absolute beyond delta",
        |_, given| {
            let options = LossOptions::given(given);
            huber_with(given.tensor("p"), given.tensor("y"), given.number("delta"), options)
        },
    ),
    row(
        "smooth_l1",
        &[P, Y, optional("beta", Kind::Number, Unless::Number(1.0)), WEIGHT, REDUCTION],
        "|p − y| less beta/2, squared error over beta within it",
        |_, given| {
            let options = LossOptions::given(given);
            smooth_l1(given.tensor("p"), given.tensor("y"), given.number("beta"), options)
        },
    ),
    of_pair!("log_cosh", log_cosh, "ln cosh(p − y)"),
    row(
        "pinball",
        &[P, Y, given("tau", Kind::Number), WEIGHT, REDUCTION],
        "the pinball loss: tau·d for d = y − p above 0, else (tau − 1)·d",
        |_, given| {
            pinball(given.tensor("p"), given.tensor("y"), given.number("tau"), LossOptions::given(given))
        },
    ),
];
