//! Softmax and its logarithm.

use crate::builder::Value;
use crate::call::{Composite, LAST, X, row};
use crate::value::{
    Over, exp, log, maximum, multiply, negate, reduce, require_float, stop_gradient, subtract,
};
use downhill_graph::graph::NodeId;
use downhill_graph::op::{Binary, Op, Reduction, Unary};
use std::borrow::Borrow;

/// eˣ/Σeˣ along `axis`.
pub fn softmax(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    if !require_float(x, "softmax") {
        return x.builder().unknown();
    }
    let e = exp(shifted(x, axis));
    let total = reduce(Reduction::Sum, &e, &along(axis));
    e / total
}

/// [`softmax`] of −x.
pub fn softmin(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    if require_float(x, "softmin") { softmax(negate(x), axis) } else { x.builder().unknown() }
}

/// ln softmax, without overflow.
pub fn log_softmax(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    if !require_float(x, "log_softmax") {
        return x.builder().unknown();
    }
    let s = shifted(x, axis);
    let total = reduce(Reduction::Sum, &exp(&s), &along(axis));
    subtract(s, log(total))
}

/// −Σ p ln p of the probabilities p = softmax(x) along `axis`, which is left out: how undecided logits are, from 0 to ln n (Shannon: A
/// Mathematical Theory of Communication; 1948). What has no probability adds nothing.
///
/// # Shapes
/// `[…, n, …]` to `[…, …]`.
pub fn entropy(x: impl Borrow<Value>, axis: i64) -> Value {
    let x = x.borrow();
    if !require_float(x, "entropy") {
        return x.builder().unknown();
    }
    let logarithms = log_softmax(x, axis);
    // 0 times the logarithm of 0 is 0.
    let finite = maximum(&logarithms, -1e30);
    let terms = multiply(exp(&logarithms), finite);
    negate(reduce(Reduction::Sum, &terms, &Over { axes: Some(vec![axis]), keep: false }))
}

/// x less its greatest element along `axis`: the greatest is then 0 and no exponential overflows.
pub(crate) fn shifted(x: &Value, axis: i64) -> Value {
    subtract(x, stop_gradient(reduce(Reduction::Max, x, &along(axis))))
}

/// One axis, kept at size 1 so that it broadcasts back.
fn along(axis: i64) -> Over {
    Over { axes: Some(vec![axis]), keep: true }
}

/// The z and axis of which `p` is the [`softmax`], if it is one.
pub(crate) fn softmax_operand(p: &Value) -> Option<(Value, i64)> {
    let builder = p.builder();
    let node = p.node()?;
    let rank = p.shape()?.rank();

    // p = e / …, e = exp(z − …): what z would be; then hash-consing tells whether p is its softmax.
    let step = |id: NodeId| builder.with_graph(|graph| graph.operands(id).first().copied());

    let z = builder.value(step(step(step(node)?)?)?);
    let is_exponential = builder.with_graph(|graph| {
        let e = graph.operand(node, 0);
        matches!(graph.op(node), Op::Binary(Binary::Div))
            && matches!(graph.op(e), Op::Unary(Unary::Exp))
            && graph.shape(node) == graph.shape(z.node().unwrap_or(e))
    });

    if !is_exponential {
        return None;
    }
    (0..rank as i64).find(|&axis| softmax(&z, axis).node() == Some(node)).map(|axis| (z, axis))
}

/// What declarations call these functions by.
pub(super) const ROWS: &[Composite] = &[
    row("softmax", &[X, LAST], "eˣ/Σeˣ along an axis", |_, given| {
        softmax(given.tensor("x"), given.integer("axis"))
    }),
    row("softmin", &[X, LAST], "e⁻ˣ/Σe⁻ˣ along an axis", |_, given| {
        softmin(given.tensor("x"), given.integer("axis"))
    }),
    row("log_softmax", &[X, LAST], "ln softmax along an axis", |_, given| {
        log_softmax(given.tensor("x"), given.integer("axis"))
    }),
    row("entropy", &[X, LAST], "−Σ p ln p of p = softmax(x) along an axis", |_, given| {
        entropy(given.tensor("x"), given.integer("axis"))
    }),
];
