//! The cross-entropy of two classes, from logits and from probabilities.

use super::confusion::{Takes, confused};
use super::operands::{on_pair, probabilities};
use crate::activations::relu;
use crate::builder::Value;
use crate::call::{Composite, of_pair};
use crate::value::{
    Demand, Operand, User, abs, demand, greater, log, log1p, maximum, minimum, multiply, negate, reshape,
    select, softplus, stop_gradient, subtract, surrogate,
};
use downhill_graph::check::Rule;
use downhill_graph::op::{Op, Unary};
use std::borrow::Borrow;

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

/// Demands targets from 0 to 1.
fn target_shares<'a>(user: &'static str, y: &'a Value) -> Demand<'a> {
    let help = "targets are 0, 1 or shares between them; labels -1 and 1 are for `hinge` and `logistic_loss`";
    demand(y, Rule::Probability, User { name: user, role: "the target", help })
}

/// The z of which `p` is the sigmoid, through reshapes.
fn sigmoid_operand(p: &Value) -> Option<Value> {
    let (builder, shape) = (p.builder(), p.shape()?);
    let mut node = p.node()?;
    loop {
        let (op, operand) =
            builder.with_graph(|graph| (graph.op(node).clone(), graph.operands(node).first().copied()));
        node = operand?;
        if let Op::Unary(Unary::Logistic) = op {
            return Some(reshape(builder.value(node), shape));
        }
        let Op::Reshape(_) = op else { return None };
    }
}

/// What declarations call these losses by.
pub(super) const ROWS: &[Composite] = &[
    of_pair!("binary_cross_entropy", binary_cross_entropy, "cross-entropy of probabilities of two classes"),
    of_pair!("bce_with_logits", bce_with_logits, "cross-entropy of two classes, from logits"),
];
