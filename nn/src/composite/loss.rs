//! Losses: scalars to minimise, means over all elements (or rows), as PyTorch's defaults.
//!
//! What a loss demands of labels, targets and probabilities, it checks (see [`downhill_graph::check`]).
//!
//! Must hold: logits of ±10⁴ give finite losses and gradients. Losses on probabilities recognise the sigmoid or softmax that made
//! them and take the logits instead: p·(1 − p) cannot be cancelled in f32 afterwards.

use super::activation::{clamped_log, relu, shifted, softmax_operand};
use super::confusion::{Takes, confused};
use crate::builder::Value;
use crate::value::{
    Demand, Operand, Over, User, abs, bare, both_shapes, demand, equal, exp, greater, label_mask, less_equal,
    log, log1p, maximum, mean, minimum, multiply, negate, reduce, require_float, reshape, select, softplus,
    spoken, square, stop_gradient, subtract, sum_over, surrogate,
};
use downhill_graph::check::Rule;
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::op::{Op, Reduction, Unary};
use downhill_graph::option::{Allowed, check};
use downhill_graph::types::{ElementType, Shape};
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

/// Mean of max(0, 1 − y·s), for labels y = ±1.
pub fn hinge(s: impl Borrow<Value>, y: impl Operand) -> Value {
    on_pair("hinge", s.borrow(), y, |s, y| signs("hinge", y).poison(relu(1.0 - multiply(y, s))))
}

/// Mean of ln(1 + e^(−y·s)), for labels y = ±1.
///
/// Refused: what is no logit by its last operation, `sigmoid` or `softmax`, arranged anew or not.
pub fn logistic_loss(s: impl Borrow<Value>, y: impl Operand) -> Value {
    if let Some(refused) = confused("logistic_loss", Takes::Logits, s.borrow()) {
        return refused;
    }
    on_pair("logistic_loss", s.borrow(), y, |s, y| {
        signs("logistic_loss", y).poison(softplus(negate(multiply(y, s))))
    })
}

/// Demands labels of −1 and 1.
fn signs<'a>(user: &'static str, y: &'a Value) -> Demand<'a> {
    let help = "for labels 0 and 1 write `2.0 * y - 1.0`, or take `bce_with_logits`";
    demand(y, Rule::Sign, User { name: user, role: "the label", help })
}

/// Demands targets from 0 to 1.
fn target_shares<'a>(user: &'static str, y: &'a Value) -> Demand<'a> {
    let help = "targets are 0, 1 or shares between them; labels -1 and 1 are for `hinge` and `logistic_loss`";
    demand(y, Rule::Probability, User { name: user, role: "the target", help })
}

/// Demands probabilities.
fn probabilities<'a>(user: &'static str, p: &'a Value, help: &'static str) -> Demand<'a> {
    demand(p, Rule::Probability, User { name: user, role: "the first operand", help })
}

/// Mean of −y·ln σ(z) − (1 − y)·ln(1 − σ(z)), from logits.
///
/// Refused: what is no logit by its last operation, `sigmoid` or `softmax`, arranged anew or not.
pub fn bce_with_logits(z: impl Borrow<Value>, y: impl Operand) -> Value {
    if let Some(refused) = confused("bce_with_logits", Takes::Logits, z.borrow()) {
        return refused;
    }
    of_logits("bce_with_logits", z.borrow(), y)
}

fn of_logits(user: &'static str, z: &Value, y: impl Operand) -> Value {
    on_pair(user, z, y, |z, y| {
        let product = multiply(z, y);
        // The value without cancellation; the derivative exactly σ(z) − y.
        let value = subtract(relu(z), &product) + softplus(negate(abs(z)));
        target_shares(user, y).poison(surrogate(value, subtract(softplus(z), product)))
    })
}

/// Mean of −y·ln p − (1 − y)·ln(1 − p), the logarithms no less than −100. A sigmoid's logits are taken instead of `p`.
///
/// Refused: what is no probability by its last operation, a product with a parameter (a linear layer), with or without a bias, scaled,
/// arranged anew, or under `relu`, `leaky_relu`, `elu`, `gelu`, `silu`, `softplus` or `tanh`.
pub fn binary_cross_entropy(p: impl Borrow<Value>, y: impl Operand) -> Value {
    if let Some(refused) = confused("binary_cross_entropy", Takes::Probabilities, p.borrow()) {
        return refused;
    }
    let p = p.borrow();
    let y = &y.beside(p);
    if let Some(z) = sigmoid_operand(p) {
        return of_logits("binary_cross_entropy", &z, y);
    }
    on_pair("binary_cross_entropy", p, y, |p, y| {
        // A probability that is rounded beyond 0 or 1 is one of them.
        let inside = minimum(maximum(p, 0.0), 1.0);
        let (yes, no) = (maximum(log(&inside), -100.0), maximum(log1p(-inside), -100.0));
        let term = surrogate(negate(multiply(y, yes) + multiply(1.0 - y, no)), steep_cross_entropy(p, y));
        let help = "it takes probabilities: `sigmoid(…)`, or `bce_with_logits` for logits";
        let term = probabilities("binary_cross_entropy", p, help).poison(term);
        target_shares("binary_cross_entropy", y).poison(term)
    })
}

/// What [`binary_cross_entropy`] differentiates: (p − y)/max(p·(1 − p), 10⁻¹²), PyTorch's gradient, and smooth where that is.
fn steep_cross_entropy(p: &Value, y: &Value) -> Value {
    let safe = greater(multiply(p, 1.0 - p), 1e-12);
    let inside = select(&safe, p, 0.5);
    let smooth = multiply(y, log(&inside)) + multiply(1.0 - y, log1p(-inside));
    let steep = multiply(stop_gradient(subtract(p, y) * 1e12), p);
    select(safe, negate(smooth), steep)
}

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

/// Mean over the rows of −Σ y·l, for logarithms `l` of probabilities as [`super::log_softmax`] gives them.
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

/// The element of each row that the label names, without a gather: `others` elsewhere, which add nothing, then the sum.
fn picked(user: &'static str, rows: &Value, labels: &Value, others: impl Operand) -> Value {
    let Some(classes) = rows.shape().and_then(|shape| shape.dims().last().cloned()) else {
        return rows.builder().unknown();
    };
    let (mask, demand) = label_mask(user, labels, &classes);
    demand.poison(sum_last(&select(mask, rows, others)))
}

fn is_index(y: &Value) -> bool {
    y.ty().is_some_and(|ty| ty.element == ElementType::I32)
}

fn sum_last(x: &Value) -> Value {
    sum_over(x, &[-1])
}

/// Whether a loss over rows can take these operands; a mistake is recorded.
fn takes_rows(name: &str, z: &Value, y: &Value) -> bool {
    let (Some(left), Some(right)) = (z.ty(), y.ty()) else { return false };
    if !require_float(z, name) {
        return false;
    }
    if left.rank() == 0 {
        let error = Error::new(format!("`{name}` of a scalar")).note(both_shapes(z, y));
        z.builder().error(error.help("the last axis of its first operand holds the classes"));
        return false;
    }
    let rows = if is_index(y) { &left.shape.dims()[..left.rank() - 1] } else { left.shape.dims() };
    if !agree(z, rows, right.shape.dims()) {
        let (a, b) = (spoken(z, "the first operand"), spoken(y, "the second"));
        let expected = Shape(rows.to_vec());
        let error =
            Error::new(format!("`{name}` needs {b} to be {expected} for {a}, but it is {}", right.shape));
        let help = "labels are class indices, `i32` with one axis less, or probabilities of the same shape";
        z.builder().error(error.note(both_shapes(z, y)).help(help));
        return false;
    }
    is_index(y) || require_float(y, name)
}

/// The mean of `f` of two operands of one shape; the second may be a scalar. They do not broadcast otherwise: `[batch, 1]` beside
/// `[batch]` would silently make a loss of batch² elements.
fn on_pair(name: &str, p: &Value, y: impl Operand, f: impl FnOnce(&Value, &Value) -> Value) -> Value {
    let (builder, y) = (p.builder(), &y.beside(p));
    let (Some(left), Some(right)) = (p.shape(), y.shape()) else { return builder.unknown() };
    if !require_float(p, name) || !is_literal(y) && !require_float(y, name) {
        return builder.unknown();
    }
    if right.rank() > 0 && !agree(p, left.dims(), right.dims()) {
        let (a, b) = (spoken(p, "the first operand"), spoken(y, "the second"));
        let error = Error::new(format!("`{name}` compares {a}, which is {left}, with {b}, which is {right}"));
        let both = "both must have the same shape, or the second be a scalar";
        let help = match column(y, p).or_else(|| column(p, y)) {
            Some(column) => format!("{both}; `{column}` makes them so"),
            None => format!("{both}; `reshape` makes them so"),
        };
        return builder.fail(error.help(help));
    }
    mean(f(p, y))
}

/// `value` with a last axis of 1, where it is then of the other's shape.
fn column(value: &Value, other: &Value) -> Option<String> {
    let (short, long) = (value.shape()?, other.shape()?);
    let (last, leading) = long.dims().split_last()?;
    (last.is(1) && agree(value, short.dims(), leading))
        .then(|| format!("expand({}, {})", bare(value), short.rank()))
}

fn agree(value: &Value, a: &[Dim], b: &[Dim]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| value.builder().with_graph(|graph| graph.agrees(a, b)))
}

fn is_literal(value: &Value) -> bool {
    value.node().is_some_and(|id| value.builder().with_graph(|graph| matches!(graph.op(id), Op::Constant(_))))
}

/// The z of which `p` is the sigmoid, through reshapes.
fn sigmoid_operand(p: &Value) -> Option<Value> {
    let (builder, shape) = (p.builder(), p.shape()?);
    let mut node = p.node()?;
    loop {
        let (op, operand) =
            builder.with_graph(|graph| (graph.op(node).clone(), graph.operands(node).first().copied()));
        node = operand?;
        match op {
            Op::Unary(Unary::Logistic) => return Some(reshape(builder.value(node), shape)),
            Op::Reshape(_) => {}
            _ => return None,
        }
    }
}
