//! Losses that no training moves: the sum of a softmax along its axis, and a softmax over one class, are 1 whatever the parameters are.
//!
//! In: the value of a loss, or its operands. Out: the mistake, where one is such a value.

use crate::activations::softmax_operand;
use crate::builder::Value;
use crate::value::{bare, spoken};
use downhill_graph::dim::Dim;
use downhill_graph::error::Error;
use downhill_graph::graph::{Graph, NodeId};
use downhill_graph::op::{Binary, Op, Reduction, Unary};
use std::collections::BTreeSet;

/// The mistake of a loss that has a sum or a mean of a softmax, over its axis, among its terms.
pub(crate) fn fixed_term(loss: &Value) -> Option<Error> {
    let (builder, node) = (loss.builder(), loss.node()?);
    let sums = builder.with_graph(|graph| sums_among_terms(graph, node));
    let is_one = |(operand, axes): &(NodeId, Vec<usize>)| {
        softmax_operand(&builder.value(*operand))
            .and_then(|(_, axis)| usize::try_from(axis).ok())
            .is_some_and(|axis| axes.contains(&axis))
    };
    sums.iter().any(is_one).then(|| {
        Error::new("this loss adds up a `softmax`, which is 1 in each row whatever the parameters are")
            .note("nothing would be trained")
            .help("compare it with a target: `cross_entropy(z, label)` of the logits `z`; or leave it out")
    })
}

/// Whether the first operand of the loss `name` is a softmax of one class; the mistake is recorded.
pub(super) fn is_softmax_of_one(name: &str, p: &Value, y: &Value) -> bool {
    let Some((z, axis)) = softmax_operand(p) else { return false };
    let size = z.shape().zip(usize::try_from(axis).ok()).map(|(shape, axis)| shape.dims()[axis].clone());
    let is_one = size.is_some_and(|size| size.is(1));
    if is_one {
        let what = spoken(p, "its first operand");
        let error = Error::new(format!("`{name}` of {what}, a `softmax` of one class, which is always 1"));
        let help = format!("two classes by one number: `bce_with_logits({}, {})`", bare(&z), bare(y));
        p.builder().error(error.help(help));
    }
    is_one
}

/// Whether the first operand of the loss `name` is the index of a greatest element, which has no slope; the mistake is recorded.
pub(super) fn is_choice(name: &str, p: &Value) -> bool {
    let builder = p.builder();
    let found = p.node().is_some_and(|node| {
        builder.with_graph(|graph| {
            let below = if let Op::Convert(_) = graph.op(node) { graph.operand(node, 0) } else { node };
            matches!(graph.op(below), Op::ArgMax { .. })
        })
    });
    if found {
        let error = Error::new(format!("`{name}` of an `argmax`, which no training moves: its slope is 0"));
        builder.error(error.help("give the loss what `argmax` is taken of: logits, or probabilities"));
    }
    found
}

/// Whether the loss `name` has but one class to choose from; the mistake is recorded.
pub(super) fn is_one_class(name: &str, z: &Value, y: &Value, classes: &Dim) -> bool {
    if classes.is(1) {
        let what = spoken(z, "its first operand");
        let error =
            Error::new(format!("`{name}` of one class is always the same: {what} has 1 along its axis"));
        let help = format!("two classes by one number: `bce_with_logits({}, {})`", bare(z), bare(y));
        z.builder().error(error.help(help));
    }
    classes.is(1)
}

/// The sums among the terms of a value, scaled or added up further: of what, and over which axes.
fn sums_among_terms(graph: &Graph, node: NodeId) -> Vec<(NodeId, Vec<usize>)> {
    let (mut open, mut seen, mut sums) = (vec![node], BTreeSet::new(), Vec::new());
    while let Some(node) = open.pop() {
        if !seen.insert(node) {
            continue;
        }
        let operand = |position: usize| graph.operand(node, position);
        let is_number = |position: usize| {
            let node = operand(position);
            graph.constant_value(node).is_some() || matches!(graph.op(node), Op::DimValue { .. })
        };
        let op = graph.op(node);
        if let Op::Reduce { kind: Reduction::Sum, axes } = op {
            sums.push((operand(0), axes.clone()));
            open.push(operand(0));
        } else if matches!(op, Op::Binary(Binary::Add | Binary::Sub)) {
            open.extend([operand(0), operand(1)]);
        } else if matches!(op, Op::Binary(Binary::Mul | Binary::Div)) && is_number(1)
            || matches!(op, Op::Unary(Unary::Neg) | Op::Reshape(_))
        {
            open.push(operand(0));
        } else if matches!(op, Op::Binary(Binary::Mul)) && is_number(0) {
            open.push(operand(1));
        }
    }
    sums
}
