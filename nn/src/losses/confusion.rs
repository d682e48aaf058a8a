//! Probabilities and logits: what a loss takes, and what it is certainly given instead.
//!
//! In: the first operand of a loss. Out: a recorded mistake where its last operation shows that it is of the other kind.
//!
//! Must hold: nothing is refused that could be meant. A *score* is what no training keeps between 0 and 1:
//!
//! - a product of a parameter (`x @ w`, a linear layer) with what is no probability itself;
//! - a sum of such products, parameters and constants, or a multiple of one;
//! - a rectifier or tanh of these.
//!
//! What is computed from anything else is accepted: a product of probabilities may be one, and `p + z - stop_gradient(z)` is `p`. Ops that
//! only arrange elements (`reshape`, `transpose`, `slice`, `reverse`), `stop_gradient`, `dropout` and names are looked through.
//!
//! # Decisions
//!
//! - Losses look at the last operation of their operand: logits where probabilities are taken train, badly and without a word.
//!   Only what no training can make right is refused, so that nothing meant is.

use crate::activations::{gelu, gelu_tanh, silu, softmax_operand};
use crate::builder::Value;
use crate::value::spoken;
use downhill_graph::error::Error;
use downhill_graph::facts::Class;
use downhill_graph::graph::{Graph, NodeId, StorageKind};
use downhill_graph::op::{Binary, Compare, Op, Unary};
use downhill_graph::types::ElementType;
use std::collections::BTreeSet;

/// What a loss takes as its first operand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// From 0 to 1.
    Probabilities,
    /// Any number: the loss applies sigmoid or softmax.
    Logits,
    /// Logarithms of probabilities.
    Logarithms,
}

/// What the last operation of a value shows it to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Sigmoid,
    Softmax,
    /// A product with parameters; what was made of it, if anything.
    Score(Option<&'static str>),
}

/// The unknown value where `p` is certainly not what the loss `name` takes; the mistake is recorded.
pub(super) fn confused(name: &str, takes: Takes, p: &Value) -> Option<Value> {
    let shown = shown(p)?;
    let (of_one, of_many) = match name {
        "binary_cross_entropy" | "bce_with_logits" => ("binary_cross_entropy", "bce_with_logits"),
        _ => ("categorical_cross_entropy", "cross_entropy"),
    };

    let (what, help) = match (takes, shown) {
        (Takes::Probabilities, Shown::Score(_)) if name == "dice" => {
            ("probabilities", "say `from_logits: true`, or take the `sigmoid` of it".into())
        }
        (Takes::Probabilities, Shown::Score(_)) => {
            let function = if of_one == "binary_cross_entropy" { "sigmoid" } else { "softmax" };
            ("probabilities", format!("take `{of_many}`, or the `{function}` of it"))
        }
        (Takes::Logits, Shown::Sigmoid) if of_one == "binary_cross_entropy" => {
            ("logits", format!("take `{of_one}`, or leave the `sigmoid` out"))
        }
        (Takes::Logits, Shown::Softmax) if name == "cross_entropy" => {
            ("logits", format!("take `{of_one}`, or leave the `softmax` out"))
        }
        (Takes::Logits, Shown::Sigmoid) => ("logits", "leave the `sigmoid` out".into()),
        (Takes::Logits, Shown::Softmax) => ("logits", "leave the `softmax` out".into()),
        (Takes::Logarithms, Shown::Score(_)) => {
            ("logarithms of probabilities", format!("take `{of_many}`, or the `log_softmax` of it"))
        }
        (Takes::Logarithms, Shown::Softmax) => {
            ("logarithms of probabilities", format!("take `{of_one}`, or `log_softmax` instead"))
        }
        (Takes::Logarithms, Shown::Sigmoid) => {
            ("logarithms of probabilities", "take `binary_cross_entropy` with targets from 0 to 1".into())
        }
        (Takes::Probabilities, Shown::Sigmoid | Shown::Softmax) | (Takes::Logits, Shown::Score(_)) => {
            return None;
        }
    };

    let found = match shown {
        Shown::Sigmoid => "a `sigmoid`, from 0 to 1".to_owned(),
        Shown::Softmax => "a `softmax`, from 0 to 1".to_owned(),
        Shown::Score(None) => "a product with parameters, which may be any number".to_owned(),
        Shown::Score(Some(function)) => format!("`{function}` of a product with parameters"),
    };

    let error =
        Error::new(format!("`{name}` takes {what}, but {} is {found}", spoken(p, "its first operand")));
    Some(p.builder().fail(error.help(help)))
}

fn shown(p: &Value) -> Option<Shown> {
    let (builder, node) = (p.builder(), p.node()?);
    let node = builder.with_graph(|graph| arranged(graph, node));
    if builder.with_graph(|graph| matches!(graph.op(node), Op::Unary(Unary::Logistic))) {
        return Some(Shown::Sigmoid);
    }
    if softmax_operand(&builder.value(node)).is_some() {
        return Some(Shown::Softmax);
    }
    if builder.with_graph(|graph| is_score(graph, node)) {
        return Some(Shown::Score(None));
    }

    let (function, z) = builder.with_graph(|graph| {
        let (function, z) = rectified(graph, node)?;
        is_score(graph, z).then_some((function, z))
    })?;

    // Gates are told by making them anew: an equal node is the same node.
    let z = builder.value(z);

    let is = |gate: fn(&Value) -> Value| gate(&z).node() == Some(node);
    match function {
        Some(function) => Some(Shown::Score(Some(function))),
        None if is(|z| silu(z)) => Some(Shown::Score(Some("silu"))),
        None if is(|z| gelu(z)) || is(|z| gelu_tanh(z)) => Some(Shown::Score(Some("gelu"))),
        None => None,
    }
}

/// The value whose elements `node` arranges.
fn arranged(graph: &Graph, mut node: NodeId) -> NodeId {
    loop {
        let op = graph.op(node);
        let is_rounding = matches!(op, Op::Convert(ElementType::F32 | ElementType::F64));
        node = if op.class() == Class::View || *op == Op::StopGradient || is_rounding {
            graph.operand(node, 0)
        } else if let Op::Binary(Binary::Mul) = op
            && let Some(operand) = dropped(graph, node)
        {
            operand
        } else {
            return node;
        };
    }
}

/// What [`crate::layers::dropout`] or one of its siblings makes `node` of: zero where random bits say so, and scaled.
fn dropped(graph: &Graph, node: NodeId) -> Option<NodeId> {
    let select = graph.operand(node, 0);
    graph.constant_value(graph.operand(node, 1))?;
    matches!(graph.op(select), Op::Select).then_some(())?;
    let mask = graph.operand(select, 0);
    // One draw may count for many elements.
    let mask = if let Op::Broadcast { .. } = graph.op(mask) { graph.operand(mask, 0) } else { mask };
    let is_random = matches!(graph.op(mask), Op::Compare(_))
        && matches!(graph.op(graph.operand(mask, 0)), Op::RandomBits { .. });
    is_random.then(|| graph.operand(select, 1))
}

/// Whether a value is a sum of products with parameters, of parameters and constants, or a multiple of one.
fn is_score(graph: &Graph, node: NodeId) -> bool {
    let (mut open, mut seen, mut products) = (vec![node], BTreeSet::new(), 0);
    // Walks down the terms of the sum; each must be a product, a parameter or a constant.
    while let Some(node) = open.pop() {
        if !seen.insert(node) || graph.constant_value(node).is_some() {
            continue;
        }

        let operand = |position: usize| graph.operand(node, position);
        let op = graph.op(node);
        let is_product_with =
            |side: usize| is_parameter(graph, operand(side)) && !is_share(graph, operand(1 - side));
        let scales = |side: usize| is_scale(graph, operand(side));

        if op.class() == Class::Contraction && (0..2).any(is_product_with) {
            products += 1;
        } else if let Op::Binary(Binary::Add | Binary::Sub) = op {
            open.extend([operand(0), operand(1)]);
        } else if matches!(op, Op::Binary(Binary::Mul)) && scales(0) {
            open.push(operand(1));
        } else if matches!(op, Op::Binary(Binary::Mul | Binary::Div)) && scales(1)
            || matches!(op, Op::Unary(Unary::Neg))
            || op.class() == Class::View
        {
            open.push(operand(0));
        } else if !matches!(op, Op::Storage(_) | Op::DimValue { .. }) {
            return false;
        }
    }

    products > 0
}

fn is_scale(graph: &Graph, node: NodeId) -> bool {
    graph.constant_value(node).is_some()
        || matches!(graph.op(arranged(graph, node)), Op::DimValue { .. } | Op::Storage(_))
}

/// Whether a value may be shares of one, a sigmoid's or a softmax's: a product of them with a table of shares is shares again.
fn is_share(graph: &Graph, node: NodeId) -> bool {
    matches!(graph.op(arranged(graph, node)), Op::Unary(Unary::Logistic) | Op::Binary(Binary::Div))
}

fn is_parameter(graph: &Graph, node: NodeId) -> bool {
    let Op::Storage(index) = graph.op(arranged(graph, node)) else { return false };
    graph.storages[*index].kind == StorageKind::Parameter
}

/// What `node` may be made of by a rectifier, by tanh or by a gate (`None`), and the rectifier's name.
fn rectified(graph: &Graph, node: NodeId) -> Option<(Option<&'static str>, NodeId)> {
    let operand = |position: usize| graph.operand(node, position);
    let is_constant = |position: usize| graph.constant_value(operand(position)).is_some();
    let op = graph.op(node);
    if let Op::Unary(function @ (Unary::Softplus | Unary::Tanh)) = op {
        return Some((Some(function.facts().name), operand(0)));
    }

    if let Op::Binary(Binary::Max) = op {
        let side = [1, 0].into_iter().find(|&side| is_constant(side))?;
        return Some((Some("maximum"), operand(1 - side)));
    }

    if let Op::Binary(Binary::Mul) = op {
        return Some((None, operand(0)));
    }

    // Something else where z ≤ 0, otherwise z.
    let Op::Select = op else { return None };
    let (mask, z) = (operand(0), operand(2));
    let below = matches!(graph.op(mask), Op::Compare(Compare::LessEqual))
        && graph.operand(mask, 0) == z
        && graph.constant_value(graph.operand(mask, 1)) == Some(0.0);

    let is_multiple =
        matches!(graph.op(operand(1)), Op::Binary(Binary::Mul)) && graph.operand(operand(1), 0) == z;
    let name = match (is_constant(1), is_multiple) {
        (true, _) => "relu",
        (false, true) => "leaky_relu",
        (false, false) => "elu",
    };

    below.then_some((Some(name), z))
}
