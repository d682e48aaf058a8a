//! Views, ops that only move elements: they compose, cancel, and move towards the results so that they meet. No number changes.

use super::rewriting::{Rewriting, add, spread, spread_scalar};
use crate::facts::Class;
use crate::graph::{Graph, NodeId};
use crate::op::Op;

/// A view of a spread scalar is the scalar spread over the view's shape.
pub(super) fn of_spread(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let is_spread = matches!(op, Op::Broadcast { axes, .. } if axes.is_empty());
    if op.class() != Class::View || is_spread {
        return None;
    }
    let scalar = spread_scalar(graph, operands[0])?;
    if graph.ty(scalar).rank() != 0 || (scalar == operands[0] && matches!(op, Op::Broadcast { .. })) {
        return None;
    }
    let shape = graph.infer(op, operands).ok()?.shape;
    Some(spread(graph, scalar, &shape))
}

/// A view that changes nothing.
pub(super) fn identity(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let x = *operands.first()?;
    op.is_identity(graph.ty(x), operands.len()).then_some(x)
}

/// A view of a view.
pub(super) fn composed(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let x = *operands.first()?;
    let inside = graph.op(x);
    let both = if let (Op::Reshape(shape), Op::Reshape(_)) = (op, inside) {
        Op::Reshape(shape.clone())
    } else if let (Op::Transpose(outer), Op::Transpose(inner)) = (op, inside) {
        Op::Transpose(outer.iter().map(|&axis| inner[axis]).collect())
    } else if let (Op::Broadcast { shape, axes: outer }, Op::Broadcast { axes: inner, .. }) = (op, inside) {
        Op::Broadcast { shape: shape.clone(), axes: inner.iter().map(|&axis| outer[axis]).collect() }
    } else if matches!(op, Op::Reverse(_)) && op == inside {
        return Some(graph.operand(x, 0));
    } else {
        return None;
    };

    let source = graph.operand(x, 0);
    Some(add(graph, both, &[source]))
}

/// An elementwise op of operands seen through the same view (or spread scalars): the view of the op. What a broadcast
/// repeats is computed once; reshapes and transposes move on until they meet their like.
pub(super) fn outward(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    if op.class() != Class::Elementwise {
        return None;
    }
    let is_view = |id: &&NodeId| spread_scalar(graph, **id).is_none();
    let Some(&viewed) = operands.iter().find(is_view) else { return of_scalars(graph, op, operands) };
    if is_piled(graph, viewed) {
        return None;
    }
    let view @ (Op::Reshape(_) | Op::Transpose(_) | Op::Broadcast { .. }) = graph.op(viewed).clone() else {
        return None;
    };
    let inner = graph.shape(graph.operand(viewed, 0)).clone();

    // Every operand must be seen through the same view.
    let mut sources = Vec::new();
    for &id in operands {
        match spread_scalar(graph, id) {
            Some(scalar) => sources.push(spread(graph, scalar, &inner)),
            None if *graph.op(id) == view && *graph.shape(graph.operand(id, 0)) == inner => {
                sources.push(graph.operand(id, 0));
            }
            None => return None,
        }
    }

    let inside = add(graph, op.clone(), &sources);
    Some(add(graph, view, &[inside]))
}

/// Whether a chain of views is too long to be moved: every op behind it would have to pass all of its views, which costs more than it
/// gains.
fn is_piled(graph: &Graph, mut id: NodeId) -> bool {
    const MOST: usize = 8;
    for _ in 0..MOST {
        let (Op::Reshape(_) | Op::Transpose(_) | Op::Broadcast { .. }) = graph.op(id) else { return false };
        id = graph.operand(id, 0);
    }
    true
}

/// All operands are spread scalars: the scalars' result, spread.
fn of_scalars(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let shape = graph.shape(operands[0]).clone();
    if shape.rank() == 0 {
        return None;
    }
    let scalars: Vec<NodeId> = operands.iter().filter_map(|&id| spread_scalar(graph, id)).collect();
    let inside = add(graph, op.clone(), &scalars);
    Some(spread(graph, inside, &shape))
}
