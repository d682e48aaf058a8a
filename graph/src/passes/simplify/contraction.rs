//! Products and reductions.
//!
//! For floats: the terms of a product or a reduction stay what they are, and sums have no order (`op.rs`). Of n equal elements x the
//! partial sums are no greater than n·x, and those of Σx no greater than n·Σx, so that x·n and (Σx)·n overflow only where the declared
//! sum does.

use super::rewriting::{Rewriting, add, binary, spread};
use crate::graph::NodeId;
use crate::op::{Binary, Op, Reduction, Unary};
use crate::types::Shape;

/// A product of a transposed operand: the product takes the operand's own axes instead, if the order of the result stays.
pub(super) fn of_transposed(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::DotGeneral { batch, contract } = op else { return None };
    for (side, &x) in operands.iter().enumerate() {
        let Op::Transpose(permutation) = graph.op(x) else { continue };
        let through = |pair: &(usize, usize)| match side {
            0 => (permutation[pair.0], pair.1),
            _ => (pair.0, permutation[pair.1]),
        };

        // The free axes must keep their order, or the result would be transposed.
        let taken = |axis: usize| batch.iter().chain(contract).any(|pair| [pair.0, pair.1][side] == axis);
        let free: Vec<usize> =
            (0..permutation.len()).filter(|&axis| !taken(axis)).map(|axis| permutation[axis]).collect();
        if !free.is_sorted() {
            continue;
        }

        let direct = Op::DotGeneral {
            batch: batch.iter().map(through).collect(),
            contract: contract.iter().map(through).collect(),
        };
        let mut sources = [operands[0], operands[1]];
        sources[side] = graph.operand(x, 0);
        return Some(add(graph, direct, &sources));
    }

    None
}

/// (a·b)ᵀ → bᵀ·aᵀ, which is a product of the operands the other way round.
pub(super) fn swapped(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Transpose(permutation) = op else { return None };
    let Op::DotGeneral { batch, contract } = graph.op(operands[0]) else { return None };
    let (a, b) = (graph.operand(operands[0], 0), graph.operand(operands[0], 1));
    let kept = batch.len();
    let left = graph.ty(a).rank() - kept - contract.len();
    let right = graph.ty(b).rank() - kept - contract.len();
    let exchanged = (0..kept).chain(kept + left..kept + left + right).chain(kept..kept + left);
    if !permutation.iter().copied().eq(exchanged) {
        return None;
    }
    let swap = |pairs: &[(usize, usize)]| pairs.iter().map(|&(i, j)| (j, i)).collect();
    let op = Op::DotGeneral { batch: swap(batch), contract: swap(contract) };
    Some(add(graph, op, &[b, a]))
}

/// A product that sums over nothing, or over axes of size 1: an elementwise product.
pub(super) fn outer_product(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::DotGeneral { batch, contract } = op else { return None };
    let dims = graph.shape(operands[0]).dims();
    let other_dims = graph.shape(operands[1]).dims();
    if !contract.iter().all(|&(i, j)| dims[i].is(1) && other_dims[j].is(1)) {
        return None;
    }
    let shape = graph.infer(op, operands).ok()?.shape;

    let (kept, left) = (batch.len(), dims.len() - batch.len() - contract.len());
    let sides = [
        (
            batch.iter().map(|pair| pair.0).collect::<Vec<_>>(),
            contract.iter().map(|pair| pair.0).collect::<Vec<_>>(),
            0,
        ),
        (batch.iter().map(|pair| pair.1).collect(), contract.iter().map(|pair| pair.1).collect(), left),
    ];

    // Each factor: axes in the result's order, then broadcast to the result.
    let mut factors = [operands[0], operands[1]];
    for (factor, (batch_axes, summed, skip)) in factors.iter_mut().zip(sides) {
        let rank = graph.ty(*factor).rank();
        let free = (0..rank).filter(|axis| !batch_axes.contains(axis) && !summed.contains(axis));
        let order: Vec<usize> = batch_axes.iter().copied().chain(free).collect();
        *factor = pick(graph, *factor, &order);
        let axes = (0..order.len()).map(|axis| if axis < kept { axis } else { axis + skip }).collect();
        *factor = add(graph, Op::Broadcast { shape: shape.clone(), axes }, &[*factor]);
    }

    Some(binary(graph, Binary::Mul, factors[0], factors[1]))
}

/// The axes `order` of `x`; those left out have size 1.
fn pick(graph: &mut Rewriting, x: NodeId, order: &[usize]) -> NodeId {
    let dims = graph.shape(x).dims().to_vec();
    let mut ascending = order.to_vec();
    ascending.sort_unstable();
    let kept = Shape(ascending.iter().map(|&axis| dims[axis].clone()).collect());
    let squeezed = add(graph, Op::Reshape(kept), &[x]);
    let rank_of = |axis: &usize| ascending.iter().position(|a| a == axis).unwrap_or_default();
    add(graph, Op::Transpose(order.iter().map(rank_of).collect()), &[squeezed])
}

/// Reducing no axes or axes of size 1 is a reshape; a sum of a sum is one sum; signs leave sums.
pub(super) fn reduction(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Reduce { kind, axes } = op else { return None };
    let x = operands[0];
    let dims = graph.shape(x).dims();

    let long: Vec<usize> = axes.iter().copied().filter(|&axis| !dims[axis].is(1)).collect();
    if long.len() < axes.len() || axes.is_empty() {
        let shape = graph.infer(op, operands).ok()?.shape;
        let folded =
            if long.is_empty() { x } else { add(graph, Op::Reduce { kind: *kind, axes: long }, &[x]) };
        return Some(add(graph, Op::Reshape(shape), &[folded]));
    }

    if *kind == Reduction::Sum && matches!(graph.op(x), Op::Unary(Unary::Neg)) {
        let sum = add(graph, op.clone(), &[graph.operand(x, 0)]);
        return Some(add(graph, Op::Unary(Unary::Neg), &[sum]));
    }

    // A fold of a fold: the outer axes are counted without the inner ones.
    let Op::Reduce { kind: inner_kind, axes: inner } = graph.op(x) else { return None };
    if kind != inner_kind {
        return None;
    }
    let source = graph.operand(x, 0);
    let rest: Vec<usize> = (0..graph.ty(source).rank()).filter(|axis| !inner.contains(axis)).collect();
    let mut both: Vec<usize> = inner.iter().copied().chain(axes.iter().map(|&axis| rest[axis])).collect();
    both.sort_unstable();
    Some(add(graph, Op::Reduce { kind: *kind, axes: both }, &[source]))
}

/// The sum of equal elements is the element times their number.
pub(super) fn sum_of_broadcast(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Reduce { kind: Reduction::Sum, axes } = op else { return None };
    let Op::Broadcast { shape: wide, axes: placed } = graph.op(operands[0]) else { return None };
    let (wide, placed) = (wide.clone(), placed.clone());
    let repeated: Vec<usize> = axes.iter().copied().filter(|axis| !placed.contains(axis)).collect();
    if repeated.is_empty() {
        return None;
    }
    let source = graph.operand(operands[0], 0);
    let element = graph.ty(source).element;
    let summed: Vec<usize> = (0..placed.len()).filter(|&axis| axes.contains(&placed[axis])).collect();
    let sum = add(graph, Op::Reduce { kind: Reduction::Sum, axes: summed }, &[source]);
    let shape = graph.infer(op, operands).ok()?.shape;
    let remaining: Vec<usize> = (0..wide.rank()).filter(|axis| !axes.contains(axis)).collect();
    let kept = placed.iter().filter_map(|axis| remaining.iter().position(|r| r == axis)).collect();
    let sums = add(graph, Op::Broadcast { shape: shape.clone(), axes: kept }, &[sum]);
    let count = Shape(repeated.iter().map(|&axis| wide.dims()[axis].clone()).collect()).size();
    let count = add(graph, Op::DimValue { dim: count, element }, &[]);
    let counts = spread(graph, count, &shape);
    Some(binary(graph, Binary::Mul, sums, counts))
}
