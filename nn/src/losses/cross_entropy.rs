//! The cross-entropy of rows, from logits, probabilities and their logarithms.

use super::confusion::{Takes, confused};
use super::operands::{is_index, probabilities, takes_rows};
use crate::activations::{shifted, softmax_operand};
use crate::builder::Value;
use crate::call::{Composite, of_pair};
use crate::value::{
    Operand, Over, equal, exp, label_mask, less_equal, log, mean, multiply, negate, reduce, select,
    stop_gradient, subtract, sum_over, surrogate,
};
use downhill_graph::op::Reduction;
use std::borrow::Borrow;

/// Mean over the rows of −Σ y·ln softmax(z). `y` holds class indices (`i32`, one axis less) or probabilities (the shape of `z`). A class
/// that cannot be (z = −∞) costs nothing where y is 0.
///
/// Refused: what is no logit by its last operation, `sigmoid` or `softmax`, arranged anew or not.
///
/// # Shapes
/// `z` is `[…, classes]`, `y` is `i32[…]` or `[…, classes]`.
pub fn cross_entropy(z: impl Borrow<Value>, y: impl Operand) -> Value {
    if let Some(refused) = confused("cross_entropy", Takes::Logits, z.borrow()) {
        return refused;
    }
    let z = z.borrow();
    of_row_logits("cross_entropy", z, &y.beside(z))
}

fn of_row_logits(user: &'static str, z: &Value, y: &Value) -> Value {
    if !takes_rows(user, z, y) {
        return z.builder().unknown();
    }
    let s = shifted(z, -1);
    let total = log(reduce(Reduction::Sum, &exp(&s), &Over { axes: Some(vec![-1]), keep: true }));
    if is_index(y) {
        return mean(subtract(sum_last(&total), picked(user, &s, y, 0.0)));
    }
    mean(weighted(y, &subtract(total, s)))
}

/// Mean over the rows of −Σ y·ln p, the logarithms no less than −100. A softmax's logits are taken instead of `p`.
///
/// Refused: what is no probability by its last operation, a product with a parameter (a linear layer), with or without a bias, scaled,
/// arranged anew, or under `relu`, `leaky_relu`, `elu`, `gelu`, `silu`, `softplus` or `tanh`.
///
/// # Shapes
/// `p` is `[…, classes]`, `y` is `i32[…]` or `[…, classes]`.
pub fn categorical_cross_entropy(p: impl Borrow<Value>, y: impl Operand) -> Value {
    if let Some(refused) = confused("categorical_cross_entropy", Takes::Probabilities, p.borrow()) {
        return refused;
    }
    let p = p.borrow();
    let y = &y.beside(p);

    let last = p.shape().map(|shape| shape.rank() as i64 - 1);
    if let Some((z, axis)) = softmax_operand(p)
        && Some(axis) == last
    {
        return of_row_logits("categorical_cross_entropy", &z, y);
    }

    if !takes_rows("categorical_cross_entropy", p, y) {
        return p.builder().unknown();
    }
    let (user, log) = ("categorical_cross_entropy", clamped_log(p));
    let help = "it takes probabilities: `softmax(…)`, or `cross_entropy` for logits";

    let poisoned = probabilities(user, p, help).poison(log.clone());
    let rows = if !is_index(y) {
        sum_last(&multiply(y, poisoned))
    } else if poisoned.node() == log.node() {
        picked(user, &log, y, 0.0)
    } else {
        // What is not picked must be heard of too.
        picked(user, &poisoned, y, stop_gradient(multiply(&poisoned, 0.0)))
    };

    negate(mean(rows))
}

/// Mean over the rows of −Σ y·l, for logarithms `l` of probabilities as [`crate::activations::log_softmax`] gives them.
///
/// Refused: what is no logarithm by its last operation, `sigmoid`, `softmax`, or what [`categorical_cross_entropy`] refuses.
///
/// # Shapes
/// `l` is `[…, classes]`, `y` is `i32[…]` or `[…, classes]`.
pub fn negative_log_likelihood(l: impl Borrow<Value>, y: impl Operand) -> Value {
    if let Some(refused) = confused("nll", Takes::Logarithms, l.borrow()) {
        return refused;
    }
    let l = l.borrow();
    let y = &y.beside(l);
    if !takes_rows("nll", l, y) {
        return l.builder().unknown();
    }
    negate(mean(if is_index(y) { picked("nll", l, y, 0.0) } else { weighted(y, l) }))
}

/// Σ y·l of each row, where 0·∞ is 0: a class that cannot be costs nothing where it is not meant. The derivative by `l` is y anyway.
fn weighted(y: &Value, l: &Value) -> Value {
    let meant = select(equal(y, 0.0), 0.0, l);
    surrogate(sum_last(&multiply(y, meant)), sum_last(&multiply(y, l)))
}

/// The element of each row that the label names, without a gather: all others are replaced by `others`, which adds nothing, and summed.
fn picked(user: &'static str, rows: &Value, labels: &Value, others: impl Operand) -> Value {
    let Some(classes) = rows.shape().and_then(|shape| shape.dims().last().cloned()) else {
        return rows.builder().unknown();
    };
    let (mask, demand) = label_mask(user, labels, &classes);
    demand.poison(sum_last(&select(mask, rows, others)))
}

fn sum_last(x: &Value) -> Value {
    sum_over(x, &[-1])
}

/// −100 where ln p is below it (as PyTorch's losses on probabilities), with a gradient that stays finite.
fn clamped_log(p: &Value) -> Value {
    let least = libm::exp(-100.0);
    select(less_equal(p, least), -100.0, log(p))
}

/// What declarations call these losses by.
pub(super) const ROWS: &[Composite] = &[
    of_pair!(
        "cross_entropy",
        cross_entropy,
        "cross-entropy from logits, with class indices or probabilities"
    ),
    of_pair!("categorical_cross_entropy", categorical_cross_entropy, "cross-entropy of probabilities"),
    of_pair!("nll", negative_log_likelihood, "cross-entropy of logarithms of probabilities"),
];
