//! What a person would do on paper.
//!
//! In: a graph. Out: the same with local rules applied everywhere, again and again until nothing changes. A rule looks at an op and
//! its operands (already simplified) and gives the node to stand in its place, or nothing. Replacements are added through
//! [`add`], so rules apply to them as they are made: the one circle between this file and those of the rules.
//!
//! Must hold, so that it ends: every rule removes an op, shrinks what an op works on, or moves a scalar factor or a sign outward or a
//! view inward-to-outward, never back.
//!
//! Must hold, so that it is right: floats are no reals. For finite operands a rule never makes a finite result infinite or a normal one zero;
//! each file says at its head why its rules do not.
//!
//! Not done, because it would change NaN or infinite results: 0·x → 0, x − x → 0, x/x → 1, log(exp x) → x.

mod algebra;
mod contraction;
mod folding;
mod magnitude;
mod scale;
mod views;

use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op, Unary};
use crate::rebuild::rebuild;
use crate::types::Shape;

/// Applies all rules until nothing changes.
pub fn simplify(graph: &Graph) -> Graph {
    // Every walk applies the rules to all that it makes; a few walks see what became equal only later.
    const WALKS: usize = 32;
    let walk = |graph: &Graph| rebuild(graph, &simplify, &mut |graph, op, operands| add(graph, op, operands));
    let mut last = walk(graph);
    if last == *graph {
        return last;
    }
    for _ in 1..WALKS {
        let next = walk(&last);
        if next == last {
            return next;
        }
        last = next;
    }
    // What is left to do only makes it smaller.
    last
}

type Rule = fn(&mut Graph, &Op, &[NodeId]) -> Option<NodeId>;

/// In order: the first that applies wins.
const RULES: &[Rule] = &[
    folding::constants,
    folding::dim_value,
    views::of_spread,
    views::identity,
    views::composed,
    views::outward,
    algebra::neg,
    algebra::add,
    algebra::sub,
    algebra::mul,
    algebra::div,
    algebra::pow,
    algebra::choice,
    scale::softmax,
    scale::reciprocal,
    scale::combine,
    scale::behind,
    scale::out_of_select,
    scale::factor,
    contraction::of_transposed,
    contraction::swapped,
    contraction::outer_product,
    contraction::reduction,
    contraction::sum_of_broadcast,
];

/// Adds `op`, simplified. Rules add what they make in the same way, one inside the other; from a certain depth on it is added as it is,
/// for the next walk to go on with, so that neither the stack nor the time for a node grows with what stands beneath it.
fn add(graph: &mut Graph, op: Op, operands: &[NodeId]) -> NodeId {
    const DEEPEST: u32 = 48;
    if graph.rewriting < DEEPEST {
        graph.rewriting += 1;
        let simplified = RULES.iter().find_map(|rule| rule(graph, &op, operands));
        graph.rewriting -= 1;
        if let Some(id) = simplified {
            return id;
        }
    }
    graph.add(op, operands)
}

fn binary(graph: &mut Graph, function: Binary, a: NodeId, b: NodeId) -> NodeId {
    add(graph, Op::Binary(function), &[a, b])
}

fn unary(graph: &mut Graph, function: Unary, x: NodeId) -> NodeId {
    add(graph, Op::Unary(function), &[x])
}

fn spread(graph: &mut Graph, scalar: NodeId, shape: &Shape) -> NodeId {
    if shape.rank() == 0 {
        return scalar;
    }
    add(graph, Op::Broadcast { shape: shape.clone(), axes: Vec::new() }, &[scalar])
}

/// The scalar that a node is, or spreads.
fn spread_scalar(graph: &Graph, id: NodeId) -> Option<NodeId> {
    match graph.op(id) {
        Op::Broadcast { axes, .. } if axes.is_empty() => Some(graph.operand(id, 0)),
        _ if graph.ty(id).rank() == 0 => Some(id),
        _ => None,
    }
}

/// True for the constant `value`, spread or not.
fn is_constant(graph: &Graph, id: NodeId, value: f64) -> bool {
    match spread_scalar(graph, id).map(|scalar| graph.op(scalar)) {
        Some(Op::Constant(literal)) => literal.value() == value,
        _ => false,
    }
}

fn is_float(graph: &Graph, id: NodeId) -> bool {
    graph.ty(id).element.is_float()
}

/// The operands, if the node is this.
fn operands_of(graph: &Graph, id: NodeId, function: Binary) -> Option<(NodeId, NodeId)> {
    match graph.op(id) {
        Op::Binary(found) if *found == function => Some((graph.operand(id, 0), graph.operand(id, 1))),
        _ => None,
    }
}
