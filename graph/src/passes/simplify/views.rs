//! Views, ops that only move elements: they compose, cancel, and move towards the results so that they meet. No number changes.

use super::rewriting::{Rewriting, add, spread, spread_scalar};
use crate::dim::Dim;
use crate::facts::Class;
use crate::graph::{Graph, NodeId};
use crate::op::Op;
use crate::types::Shape;

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
    } else if let (Op::Reverse(outer), Op::Reverse(inner)) = (op, inside) {
        let mut axes: Vec<usize> = outer.iter().filter(|axis| !inner.contains(axis)).copied().collect();
        axes.extend(inner.iter().filter(|axis| !outer.contains(axis)));
        axes.sort_unstable();
        Op::Reverse(axes)
    } else {
        return None;
    };

    let source = graph.operand(x, 0);
    Some(add(graph, both, &[source]))
}

/// A transposed broadcast is a broadcast to the transposed shape: at most the operand, which is smaller, is transposed.
pub(super) fn transposed_broadcast(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Transpose(order) = op else { return None };
    let Op::Broadcast { axes, .. } = graph.op(operands[0]).clone() else { return None };
    let shape = graph.infer(op, operands).ok()?.shape;
    let place = |axis: &usize| order.iter().position(|from| from == axis).unwrap_or_default();
    let mut placed: Vec<(usize, usize)> = axes.iter().map(place).zip(0..).collect();
    placed.sort_unstable();
    let (axes, order) = placed.into_iter().unzip();
    let source = graph.operand(operands[0], 0);
    let source = add(graph, Op::Transpose(order), &[source]);
    Some(add(graph, Op::Broadcast { shape, axes }, &[source]))
}

/// A reversed broadcast is a broadcast of the operand, reversed along the axes that it has.
pub(super) fn reversed_broadcast(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Reverse(reversed) = op else { return None };
    let Op::Broadcast { shape, axes } = graph.op(operands[0]).clone() else { return None };
    let own = axes.iter().enumerate().filter(|(_, axis)| reversed.contains(axis)).map(|(own, _)| own);
    let own: Vec<usize> = own.collect();
    let source = graph.operand(operands[0], 0);
    let source = add(graph, Op::Reverse(own), &[source]);
    Some(add(graph, Op::Broadcast { shape, axes }, &[source]))
}

/// An elementwise op of operands seen through the same view (or spread scalars): the view of the op. What a broadcast
/// repeats is computed once; reshapes and transposes move on until they meet their like.
pub(super) fn outward(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    if op.class() != Class::Elementwise {
        return None;
    }
    let is_view = |id: &&NodeId| spread_scalar(graph, **id).is_none();
    let Some(&viewed) = operands.iter().find(is_view) else { return of_scalars(graph, op, operands) };
    moved_out(graph, op, operands, viewed, &|_, _| false, &|_, id| id)
}

/// Beside a transposed operand, one that is broadcast or reshaped is transposed back: the broadcast one becomes another broadcast, and a
/// reshaped one is read in any order equally well.
pub(super) fn beside_transposed(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let transposed = |id: &NodeId| {
        let Op::Transpose(order) = graph.op(*id) else { return None };
        Some((*id, order.clone()))
    };
    let (viewed, order) = operands.iter().find_map(transposed)?;
    let source = graph.operand(viewed, 0);
    if op.class() != Class::Elementwise || turns_back(graph, source, Absorbing::BROADCASTS) {
        return None;
    }
    // Of two reshaped values neither makes the other one move: they would take turns.
    let reshapes = !turns_back(graph, source, Absorbing::ALL);
    let inner = graph.shape(source).clone();
    let back = (0..order.len()).map(|axis| order.iter().position(|from| *from == axis).unwrap_or_default());
    let back: Vec<usize> = back.collect();
    let fits = |graph: &Graph, id: NodeId| turns_back(graph, id, Absorbing { reshapes, ..Absorbing::ALL });
    moved_out(graph, op, operands, viewed, &fits, &|graph, id| turned_back(graph, &back, &inner, id))
}

/// Beside something elementwise some of whose axes are merged, any operand is split, so that both are computed at once.
pub(super) fn beside_merged(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let is_merged = |id: &&NodeId| matches!(graph.op(**id), Op::Reshape(_)) && is_merged(graph, **id);
    let &viewed = operands.iter().find(is_merged)?;
    if op.class() != Class::Elementwise {
        return None;
    }
    let inner = graph.shape(graph.operand(viewed, 0)).clone();
    let split = |graph: &mut Rewriting, id| add(graph, Op::Reshape(inner.clone()), &[id]);
    moved_out(graph, op, operands, viewed, &|_, _| true, &split)
}

/// The view that `viewed` is, of the op of what the operands are without it: spread scalars, those seen through the same view, and those that
/// fit, which `without` gives.
fn moved_out(
    graph: &mut Rewriting,
    op: &Op,
    operands: &[NodeId],
    viewed: NodeId,
    fits: &dyn Fn(&Graph, NodeId) -> bool,
    without: &dyn Fn(&mut Rewriting, NodeId) -> NodeId,
) -> Option<NodeId> {
    if is_piled(graph, viewed) {
        return None;
    }
    let view @ (Op::Reshape(_) | Op::Transpose(_) | Op::Broadcast { .. }) = graph.op(viewed).clone() else {
        return None;
    };
    let inner = graph.shape(graph.operand(viewed, 0)).clone();
    let same = |graph: &Graph, id| *graph.op(id) == view && *graph.shape(graph.operand(id, 0)) == inner;
    let all_fit =
        operands.iter().all(|&id| spread_scalar(graph, id).is_some() || same(graph, id) || fits(graph, id));
    if !all_fit {
        return None;
    }

    let mut sources = Vec::with_capacity(operands.len());
    for &id in operands {
        sources.push(match spread_scalar(graph, id) {
            Some(scalar) => spread(graph, scalar, &inner),
            None if same(graph, id) => graph.operand(id, 0),
            None => without(graph, id),
        });
    }
    let inside = add(graph, op.clone(), &sources);
    Some(add(graph, view, &[inside]))
}

/// What may take a transpose in.
#[derive(Clone, Copy)]
struct Absorbing {
    /// How deep elementwise ops are looked through.
    depth: u32,
    /// Whether reshapes may, beside broadcasts.
    reshapes: bool,
}

impl Absorbing {
    const ALL: Absorbing = Absorbing { depth: 4, reshapes: true };
    const BROADCASTS: Absorbing = Absorbing { reshapes: false, ..Absorbing::ALL };
}

/// Whether transposing a value costs nothing: what it is made of is broadcast, or reshaped where that may take it in.
fn turns_back(graph: &Graph, id: NodeId, may: Absorbing) -> bool {
    let inside = graph.op(id).class() == Class::Elementwise && may.depth > 0;
    let deeper = Absorbing { depth: may.depth.saturating_sub(1), ..may };
    matches!(graph.op(id), Op::Broadcast { .. })
        || may.reshapes && matches!(graph.op(id), Op::Reshape(_))
        || spread_scalar(graph, id).is_some()
        || inside && graph.operands_of(id).iter().all(|&operand| turns_back(graph, operand, deeper))
}

/// A value that turns back, transposed to this shape.
fn turned_back(graph: &mut Rewriting, order: &[usize], shape: &Shape, id: NodeId) -> NodeId {
    if let Some(scalar) = spread_scalar(graph, id) {
        return spread(graph, scalar, shape);
    }
    if graph.op(id).class() != Class::Elementwise {
        return add(graph, Op::Transpose(order.to_vec()), &[id]);
    }
    let (op, operands) = (graph.op(id).clone(), graph.operands(id));
    let operands: Vec<NodeId> =
        operands.into_iter().map(|operand| turned_back(graph, order, shape, operand)).collect();
    add(graph, op, &operands)
}

/// Whether a reshaped value is something elementwise some of whose axes become one: each axis of the result is one or more of its own.
fn is_merged(graph: &Graph, reshaped: NodeId) -> bool {
    let inside = graph.operand(reshaped, 0);
    let mut parts = graph.shape(inside).dims().iter();
    let is_product = |whole: &Dim| {
        let mut size = Dim::from(1);
        while size != *whole {
            let Some(part) = parts.next() else { return false };
            size = &size * part;
        }
        true
    };
    let axes = |id: NodeId| graph.shape(id).dims().iter().filter(|dim| !dim.is(1)).count();
    graph.op(inside).class() == Class::Elementwise
        && axes(reshaped) < axes(inside)
        && graph.shape(reshaped).dims().iter().all(is_product)
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
