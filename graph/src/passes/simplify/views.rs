//! Ops that only say where elements are: they compose, cancel, and move outward so that they meet. No number changes.

use super::{add, spread, spread_scalar};
use crate::graph::{Graph, NodeId};
use crate::infer::infer;
use crate::op::Op;

/// A view of a spread scalar is the scalar spread over the view's shape.
pub(super) fn of_spread(graph: &mut Graph, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    match op {
        Op::Reshape(_) | Op::Transpose(_) | Op::Slice(_) | Op::Reverse(_) => {}
        Op::Broadcast { axes, .. } if !axes.is_empty() => {}
        _ => return None,
    }
    let scalar = spread_scalar(graph, operands[0])?;
    if graph.ty(scalar).rank() != 0 || (scalar == operands[0] && matches!(op, Op::Broadcast { .. })) {
        return None;
    }
    let shape = infer(graph, op, operands).ok()?.shape;
    Some(spread(graph, scalar, &shape))
}

/// A view that changes nothing.
pub(super) fn identity(graph: &mut Graph, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let x = *operands.first()?;
    let shape = graph.shape(x);
    let changes_nothing = match op {
        Op::Reshape(to) => to == shape,
        Op::Transpose(permutation) => permutation.iter().copied().eq(0..shape.rank()),
        Op::Broadcast { shape: to, axes } => to == shape && axes.len() == shape.rank(),
        Op::Slice(ranges) => ranges
            .iter()
            .zip(shape.dims())
            .all(|(range, dim)| range.start.is(0) && range.end == *dim && range.stride == 1),
        Op::Pad(paddings) => paddings.iter().all(|p| p.low.is(0) && p.high.is(0) && p.interior == 0),
        Op::Reverse(axes) => axes.iter().all(|&axis| shape.dims()[axis].is(1)),
        Op::Concatenate { .. } => operands.len() == 1,
        Op::Convert(element) => graph.ty(x).element == *element,
        _ => false,
    };
    changes_nothing.then_some(x)
}

/// A view of a view.
pub(super) fn composed(graph: &mut Graph, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let x = *operands.first()?;
    let both = match (op, graph.op(x)) {
        (Op::Reshape(shape), Op::Reshape(_)) => Op::Reshape(shape.clone()),
        (Op::Transpose(outer), Op::Transpose(inner)) => {
            Op::Transpose(outer.iter().map(|&axis| inner[axis]).collect())
        }
        (Op::Broadcast { shape, axes: outer }, Op::Broadcast { axes: inner, .. }) => {
            Op::Broadcast { shape: shape.clone(), axes: inner.iter().map(|&axis| outer[axis]).collect() }
        }
        (Op::Reverse(outer), Op::Reverse(inner)) if outer == inner => return Some(graph.operand(x, 0)),
        _ => return None,
    };
    let source = graph.operand(x, 0);
    Some(add(graph, both, &[source]))
}

/// An elementwise op of operands seen through the same view (or spread scalars): the view of the op. What a broadcast
/// repeats is computed once; reshapes and transposes move on until they meet their like.
pub(super) fn outward(graph: &mut Graph, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    if !matches!(op, Op::Unary(_) | Op::Binary(_) | Op::Compare(_) | Op::Select | Op::Convert(_)) {
        return None;
    }
    let is_view = |id: &&NodeId| spread_scalar(graph, **id).is_none();
    let Some(&viewed) = operands.iter().find(is_view) else { return of_scalars(graph, op, operands) };
    if is_piled(graph, viewed) {
        return None;
    }
    let view = match graph.op(viewed) {
        view @ (Op::Reshape(_) | Op::Transpose(_) | Op::Broadcast { .. }) => view.clone(),
        _ => return None,
    };
    let inner = graph.shape(graph.operand(viewed, 0)).clone();
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

/// Whether so many views stand on each other that moving all of them would cost more than it can gain: each op behind them would
/// have to pass them all.
fn is_piled(graph: &Graph, mut id: NodeId) -> bool {
    const MOST: usize = 8;
    for _ in 0..MOST {
        match graph.op(id) {
            Op::Reshape(_) | Op::Transpose(_) | Op::Broadcast { .. } => id = graph.operand(id, 0),
            _ => return false,
        }
    }
    true
}

/// All operands are spread scalars: the scalars' result, spread.
fn of_scalars(graph: &mut Graph, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let shape = graph.shape(operands[0]).clone();
    if shape.rank() == 0 {
        return None;
    }
    let scalars: Vec<NodeId> = operands.iter().filter_map(|&id| spread_scalar(graph, id)).collect();
    let inside = add(graph, op.clone(), &scalars);
    Some(spread(graph, inside, &shape))
}
