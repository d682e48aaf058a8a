//! What rules see of a graph, and how they add to it.
//!
//! In: a graph and the rules. Out: [`Rewriting`], through which all that a rule makes is simplified as it is added, and the questions
//! that most rules ask.

use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op, Unary};
use crate::types::Shape;
use std::ops::{Deref, DerefMut};

/// Gives the node that replaces an op of these operands, or nothing.
pub(super) type Rule = fn(&mut Rewriting, &Op, &[NodeId]) -> Option<NodeId>;

/// A graph that is added to by rules.
pub(super) struct Rewriting<'a> {
    graph: &'a mut Graph,
    rules: &'static [Rule],
    /// The depth of the recursion.
    depth: u32,
}

impl<'a> Rewriting<'a> {
    pub(super) fn new(graph: &'a mut Graph, rules: &'static [Rule]) -> Rewriting<'a> {
        Rewriting { graph, rules, depth: 0 }
    }
}

impl Deref for Rewriting<'_> {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        self.graph
    }
}

impl DerefMut for Rewriting<'_> {
    fn deref_mut(&mut self) -> &mut Graph {
        self.graph
    }
}

/// Adds `op`, simplified. What a rule makes is added in the same way, recursively. Beyond a certain depth it is added as it is and left to
/// the next walk, so that neither the stack nor the time for a node grows with the depth of the graph.
pub(super) fn add(graph: &mut Rewriting, op: Op, operands: &[NodeId]) -> NodeId {
    const DEEPEST: u32 = 48;
    if graph.depth < DEEPEST {
        graph.depth += 1;
        let simplified = graph.rules.iter().find_map(|rule| rule(graph, &op, operands));
        graph.depth -= 1;
        if let Some(id) = simplified {
            return id;
        }
    }
    graph.graph.add(op, operands)
}

pub(super) fn binary(graph: &mut Rewriting, function: Binary, a: NodeId, b: NodeId) -> NodeId {
    add(graph, Op::Binary(function), &[a, b])
}

pub(super) fn unary(graph: &mut Rewriting, function: Unary, x: NodeId) -> NodeId {
    add(graph, Op::Unary(function), &[x])
}

pub(super) fn spread(graph: &mut Rewriting, scalar: NodeId, shape: &Shape) -> NodeId {
    if shape.rank() == 0 {
        return scalar;
    }
    add(graph, Op::Broadcast { shape: shape.clone(), axes: Vec::new() }, &[scalar])
}

/// The scalar that a node is, or spreads.
pub(super) fn spread_scalar(graph: &Graph, id: NodeId) -> Option<NodeId> {
    if let Op::Broadcast { axes, .. } = graph.op(id)
        && axes.is_empty()
    {
        return Some(graph.operand(id, 0));
    }
    (graph.ty(id).rank() == 0).then_some(id)
}

/// True for the constant `value`, spread or not.
pub(super) fn is_constant(graph: &Graph, id: NodeId, value: f64) -> bool {
    spread_scalar(graph, id)
        .is_some_and(|scalar| matches!(graph.op(scalar), Op::Constant(literal) if literal.value() == value))
}

pub(super) fn is_float(graph: &Graph, id: NodeId) -> bool {
    graph.ty(id).element.is_float()
}

/// The operands, if the node is this.
pub(super) fn operands_of(graph: &Graph, id: NodeId, function: Binary) -> Option<(NodeId, NodeId)> {
    let is_this = *graph.op(id) == Op::Binary(function);
    is_this.then(|| (graph.operand(id, 0), graph.operand(id, 1)))
}
