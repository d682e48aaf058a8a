//! The cross-entropy of rows, from logits, probabilities and their logarithms.

use super::confusion::{Takes, confused};
use super::operands::probabilities;
use super::options::{CLASS_WEIGHT, LossOptions, REDUCTION, WEIGHT};
use super::targets::{CrossEntropy, Targets};
use crate::activations::{shifted, softmax_operand};
use crate::builder::Value;
use crate::call::{Arguments, Composite, Default as Unless, Kind, LAST, P, Parameter, Y, optional, row};
use crate::value::{
    Operand, Over, equal, exp, label_mask, less_equal, log, multiply, negate, reduce, resolve_axis, select,
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
    cross_entropy_with(z, y, CrossEntropy::default())
}

/// −Σ w·y·ln softmax(z) of each row, as PyTorch's `CrossEntropyLoss`: w is the weight of each class, and y may be smoothed.
///
/// A policy is trained on actions that it took by their worth: `cross_entropy(logits, action, weight: advantage)`. The gradient reaches a
/// weight; `stop_gradient` keeps it out.
///
/// Refused: what [`cross_entropy`] refuses.
///
/// # Shapes
/// `z` has the classes along `axis`; `y` is `i32` without that axis, or has the shape of `z`. A term for each row: `[batch, time]` of
/// `[batch, time, classes]`, and `[batch, h, w]` of `[batch, classes, h, w]` with `axis: 1`.
///
/// # Errors
/// Mistakes of the declaration are shapes that do not fit, a `label_smoothing` that is not from 0 to 1, and an `ignore_index` where `y`
/// holds probabilities. A label that is no class and not ignored is refused when data is bound, or makes its term NaN.
pub fn cross_entropy_with(z: impl Borrow<Value>, y: impl Operand, options: CrossEntropy) -> Value {
    if let Some(refused) = confused("cross_entropy", Takes::Logits, z.borrow()) {
        return refused;
    }
    let z = z.borrow();
    of_row_logits("cross_entropy", z, &y.beside(z), &options)
}

fn of_row_logits(user: &'static str, z: &Value, y: &Value, options: &CrossEntropy) -> Value {
    let Some((z, targets)) = Targets::new(user, z, y, options) else { return z.builder().unknown() };
    let s = shifted(&z, -1);
    let total = log(reduce(Reduction::Sum, &exp(&s), &Over { axes: Some(vec![-1]), keep: true }));
    if targets.are_plain_labels() {
        return targets.reduce(&subtract(sum_last(&total), picked(user, &s, &targets.y, 0.0)));
    }
    targets.reduce(&targets.of_shares(|shares| weighted(shares, &subtract(total, s))))
}

/// Mean over the rows of −Σ y·ln p, the logarithms no less than −100. A softmax's logits are taken instead of `p`.
///
/// Refused: what is no probability by its last operation, a product with a parameter (a linear layer), with or without a bias, scaled,
/// arranged anew, or under `relu`, `leaky_relu`, `elu`, `gelu`, `silu`, `softplus` or `tanh`.
///
/// # Shapes
/// `p` is `[…, classes]`, `y` is `i32[…]` or `[…, classes]`.
pub fn categorical_cross_entropy(p: impl Borrow<Value>, y: impl Operand) -> Value {
    categorical_cross_entropy_with(p, y, CrossEntropy::default())
}

/// −Σ w·y·ln p of each row, the logarithms no less than −100, with the options of [`cross_entropy_with`]. A softmax's logits are taken
/// instead of `p`.
///
/// Refused: what [`categorical_cross_entropy`] refuses.
///
/// # Shapes
/// As [`cross_entropy_with`].
///
/// # Errors
/// As [`cross_entropy_with`].
pub fn categorical_cross_entropy_with(
    p: impl Borrow<Value>,
    y: impl Operand,
    options: CrossEntropy,
) -> Value {
    let user = "categorical_cross_entropy";
    if let Some(refused) = confused(user, Takes::Probabilities, p.borrow()) {
        return refused;
    }
    let p = p.borrow();
    let y = &y.beside(p);

    if let (Some((z, axis)), Some(shape)) = (softmax_operand(p), p.shape())
        && resolve_axis(p, options.axis, shape.rank()) == usize::try_from(axis).ok()
    {
        return of_row_logits(user, &z, y, &options);
    }

    let Some((p, targets)) = Targets::new(user, p, y, &options) else { return p.builder().unknown() };
    let log = clamped_log(&p);
    let help = "it takes probabilities: `softmax(…)`, or `cross_entropy` for logits";

    let poisoned = probabilities(user, &p, help).poison(log.clone());
    let rows = if !targets.are_plain_labels() {
        targets.of_shares(|shares| sum_last(&multiply(shares, poisoned)))
    } else if poisoned.node() == log.node() {
        picked(user, &log, &targets.y, 0.0)
    } else {
        // What is not picked must be heard of too.
        picked(user, &poisoned, &targets.y, stop_gradient(multiply(&poisoned, 0.0)))
    };

    targets.reduce(&negate(rows))
}

/// Mean over the rows of −Σ y·l, for logarithms `l` of probabilities as [`crate::activations::log_softmax`] gives them.
///
/// Refused: what is no logarithm by its last operation, `sigmoid`, `softmax`, or what [`categorical_cross_entropy`] refuses.
///
/// # Shapes
/// `l` is `[…, classes]`, `y` is `i32[…]` or `[…, classes]`.
pub fn negative_log_likelihood(l: impl Borrow<Value>, y: impl Operand) -> Value {
    negative_log_likelihood_with(l, y, CrossEntropy::default())
}

/// −Σ w·y·l of each row, as PyTorch's `NLLLoss`, with the options of [`cross_entropy_with`].
///
/// Refused: what [`negative_log_likelihood`] refuses.
///
/// # Shapes
/// As [`cross_entropy_with`].
///
/// # Errors
/// As [`cross_entropy_with`].
pub fn negative_log_likelihood_with(l: impl Borrow<Value>, y: impl Operand, options: CrossEntropy) -> Value {
    if let Some(refused) = confused("nll", Takes::Logarithms, l.borrow()) {
        return refused;
    }
    let l = l.borrow();
    let Some((l, targets)) = Targets::new("nll", l, &y.beside(l), &options) else {
        return l.builder().unknown();
    };
    let rows = match targets.are_plain_labels() {
        true => picked("nll", &l, &targets.y, 0.0),
        false => targets.of_shares(|shares| weighted(shares, &l)),
    };
    targets.reduce(&negate(rows))
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

const PARAMETERS: &[Parameter<'static>] = &[
    P,
    Y,
    WEIGHT,
    CLASS_WEIGHT,
    optional("label_smoothing", Kind::Number, Unless::Number(0.0)),
    optional("ignore_index", Kind::Integer, Unless::Unset("none")),
    LAST,
    REDUCTION,
];

fn options(given: &Arguments<'_>) -> CrossEntropy {
    CrossEntropy {
        class_weight: given.optional_tensor("class_weight").cloned(),
        label_smoothing: given.number("label_smoothing"),
        ignore_index: given.optional_integer("ignore_index"),
        axis: given.integer("axis"),
        terms: LossOptions::given(given),
    }
}

/// What declarations call these losses by.
pub(super) const ROWS: &[Composite] = &[
    row(
        "cross_entropy",
        PARAMETERS,
        "cross-entropy from logits, with class indices or probabilities",
        |_, given| cross_entropy_with(given.tensor("p"), given.tensor("y"), options(given)),
    ),
    row("categorical_cross_entropy", PARAMETERS, "cross-entropy of probabilities", |_, given| {
        categorical_cross_entropy_with(given.tensor("p"), given.tensor("y"), options(given))
    }),
    row("nll", PARAMETERS, "cross-entropy of logarithms of probabilities", |_, given| {
        negative_log_likelihood_with(given.tensor("p"), given.tensor("y"), options(given))
    }),
];
