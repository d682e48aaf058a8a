//! The cross-entropy of two classes, from logits and from probabilities.

use super::confusion::{Takes, confused};
use super::operands::{agree, on_pair, probabilities, target_shares};
use super::options::{LossOptions, REDUCTION, WEIGHT, of_pair};
use crate::activations::relu;
use crate::builder::Value;
use crate::call::{Composite, Default as Unless, Kind, P, Y, optional, row};
use crate::value::{
    Operand, abs, greater, log, log1p, maximum, minimum, multiply, negate, reshape, select, softplus, spoken,
    stop_gradient, subtract, surrogate,
};
use downhill_graph::error::Error;
use downhill_graph::op::{Op, Unary};
use std::borrow::Borrow;

/// Mean of −y·ln σ(z) − (1 − y)·ln(1 − σ(z)), from logits.
///
/// Refused: what is no logit by its last operation, `sigmoid` or `softmax`, arranged anew or not.
pub fn bce_with_logits(z: impl Borrow<Value>, y: impl Operand) -> Value {
    bce_with_logits_with(z, y, None, LossOptions::default())
}

/// −w·y·ln σ(z) − (1 − y)·ln(1 − σ(z)), as PyTorch's `BCEWithLogitsLoss`; w is `pos_weight`, or 1. A `pos_weight` above 1 makes a missed
/// 1 worse than a false one: with as many zeros for a one as it says, both count alike.
///
/// Refused: what [`bce_with_logits`] refuses.
///
/// # Shapes
/// `y` has the shape of `z` or is a scalar; each element is a term. `pos_weight` broadcasts to them, its last axis beside theirs: a number,
/// or `[classes]` for `[batch, classes]`.
pub fn bce_with_logits_with(
    z: impl Borrow<Value>,
    y: impl Operand,
    pos_weight: Option<&Value>,
    options: LossOptions,
) -> Value {
    if let Some(refused) = confused("bce_with_logits", Takes::Logits, z.borrow()) {
        return refused;
    }
    let Some(pos_weight) = pos_weight else { return of_logits("bce_with_logits", z.borrow(), y, &options) };
    on_pair("bce_with_logits", z.borrow(), y, &options, |z, y| {
        // No term takes a difference, so none cancels.
        let (missed, false_one) = (multiply(y, softplus(negate(z))), multiply(1.0 - y, softplus(z)));
        let term = multiply(missed, pos_weight) + false_one;
        if let (Some(found), Some(expected)) = (term.shape(), z.shape())
            && !agree(z, found.dims(), expected.dims())
        {
            return z.builder().fail(beyond(pos_weight, z));
        }
        target_shares("bce_with_logits", y).poison(term)
    })
}

/// The refusal of a `pos_weight` that does not broadcast to the logits, but they to it.
fn beyond(pos_weight: &Value, z: &Value) -> Error {
    let [own, whole] = [pos_weight, z].map(|value| value.shape().unwrap_or_default());
    let name = spoken(pos_weight, "the `pos_weight`");
    Error::new(format!("{name} of `bce_with_logits` is {own}, which does not fit the logits, {whole}"))
        .help("a number, or one for each element of the last axis")
}

fn of_logits(user: &'static str, z: &Value, y: impl Operand, options: &LossOptions) -> Value {
    on_pair(user, z, y, options, |z, y| {
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
    binary_cross_entropy_with(p, y, LossOptions::default())
}

/// −y·ln p − (1 − y)·ln(1 − p), the logarithms no less than −100, as PyTorch's `BCELoss`. A sigmoid's logits are taken instead of `p`.
///
/// Refused: what [`binary_cross_entropy`] refuses.
///
/// # Shapes
/// `y` has the shape of `p` or is a scalar; each element is a term.
pub fn binary_cross_entropy_with(p: impl Borrow<Value>, y: impl Operand, options: LossOptions) -> Value {
    if let Some(refused) = confused("binary_cross_entropy", Takes::Probabilities, p.borrow()) {
        return refused;
    }
    let p = p.borrow();
    let y = &y.beside(p);
    if let Some(z) = sigmoid_operand(p) {
        return of_logits("binary_cross_entropy", &z, y, &options);
    }

    on_pair("binary_cross_entropy", p, y, &options, |p, y| {
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
    of_pair!(
        "binary_cross_entropy",
        binary_cross_entropy_with,
        "cross-entropy of probabilities of two classes"
    ),
    row(
        "bce_with_logits",
        &[P, Y, WEIGHT, optional("pos_weight", Kind::Tensor, Unless::Unset("none")), REDUCTION],
        "cross-entropy of two classes, from logits",
        |_, given| {
            let (pos_weight, options) = (given.optional_tensor("pos_weight"), LossOptions::given(given));
            bce_with_logits_with(given.tensor("p"), given.tensor("y"), pos_weight, options)
        },
    ),
];
