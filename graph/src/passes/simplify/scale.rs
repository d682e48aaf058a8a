//! Scalar factors made of sizes and constants, the 1/batch of a mean: they move outward and end where a person would
//! write them, `(p − y)·(1/batch)`.
//!
//! A *scale* is a finite scalar other than 0 that is made of constants and sizes alone, so factoring it out of a sum or a choice
//! changes no NaN and no infinity. Constants combine only where no intermediate result can overflow or vanish otherwise than
//! the final one.

use super::{add, binary, is_constant, is_float, operands_of, spread, spread_scalar};
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op, Reduction, Unary};

/// Whether a scalar is a scale.
fn is_scale(graph: &Graph, scalar: NodeId) -> bool {
    if graph.ty(scalar).rank() != 0 || !is_float(graph, scalar) {
        return false;
    }
    match graph.op(scalar) {
        Op::Constant(literal) => literal.value().is_finite() && literal.value() != 0.0,
        Op::DimValue { .. } => true,
        Op::Convert(_) => matches!(graph.op(graph.operand(scalar, 0)), Op::DimValue { .. }),
        Op::Unary(Unary::Neg) | Op::Binary(Binary::Mul | Binary::Div) => {
            graph.operands(scalar).into_iter().all(|operand| is_scale(graph, operand))
        }
        _ => false,
    }
}

/// The scale that a node is or spreads.
fn scale_of(graph: &Graph, id: NodeId) -> Option<NodeId> {
    spread_scalar(graph, id).filter(|&scalar| is_scale(graph, scalar))
}

/// A factor and a scale whose product the node is.
fn split(graph: &Graph, id: NodeId) -> Option<(NodeId, NodeId)> {
    let (factor, scale) = operands_of(graph, id, Binary::Mul)?;
    Some((factor, scale_of(graph, scale)?))
}

fn times(graph: &mut Graph, factor: NodeId, scale: NodeId) -> NodeId {
    let shape = graph.shape(factor).clone();
    let scale = spread(graph, scale, &shape);
    binary(graph, Binary::Mul, factor, scale)
}

/// e·(t/Σe), the gradient through a log-sum-exp, → (e/Σe)·t: the softmax, shared with the forward pass. A scale in `t` goes outward.
pub(super) fn softmax(graph: &mut Graph, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(Binary::Mul) = op else { return None };
    for (e, quotient) in [(operands[0], operands[1]), (operands[1], operands[0])] {
        let view @ Op::Broadcast { .. } = graph.op(quotient).clone() else { continue };
        let Some((above, sum)) = operands_of(graph, graph.operand(quotient, 0), Binary::Div) else {
            continue;
        };
        let is_sum =
            matches!(graph.op(sum), Op::Reduce { kind: Reduction::Sum, .. }) && graph.operand(sum, 0) == e;
        if !is_sum {
            continue;
        }
        let sums = add(graph, view.clone(), &[sum]);
        let share = binary(graph, Binary::Div, e, sums);
        let (factor, scale) =
            unscaled(graph, above).map_or((above, None), |(factor, scale)| (factor, Some(scale)));
        let factors = add(graph, view, &[factor]);
        let product = binary(graph, Binary::Mul, share, factors);
        return Some(scale.map_or(product, |scale| times(graph, product, scale)));
    }
    None
}

/// A node's factor and scale, also where the scale stands under a sum or a reshape.
fn unscaled(graph: &mut Graph, id: NodeId) -> Option<(NodeId, NodeId)> {
    if let Some(scale) = scale_of(graph, id) {
        return Some((graph.full_like(id, 1.0), scale));
    }
    match graph.op(id).clone() {
        op @ (Op::Reduce { kind: Reduction::Sum, .. } | Op::Reshape(_) | Op::Unary(Unary::Neg)) => {
            let (factor, scale) = unscaled(graph, graph.operand(id, 0))?;
            Some((add(graph, op, &[factor]), scale))
        }
        _ => split(graph, id),
    }
}

/// (1/a)·b → b/a; of scales, so that 1/n·2 reads 2/n.
pub(super) fn reciprocal(graph: &mut Graph, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(Binary::Mul) = op else { return None };
    if !operands.iter().all(|&id| is_scale(graph, id)) {
        return None;
    }
    for (quotient, other) in [(operands[0], operands[1]), (operands[1], operands[0])] {
        if let Some((above, below)) = operands_of(graph, quotient, Binary::Div)
            && matches!(graph.op(above), Op::Constant(_))
            && matches!(graph.op(other), Op::Constant(_))
            && can_combine(graph, above, other)
        {
            let above = binary(graph, Binary::Mul, above, other);
            return Some(binary(graph, Binary::Div, above, below));
        }
    }
    None
}

/// (a·s)·t → a·(s·t).
pub(super) fn combine(graph: &mut Graph, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(Binary::Mul) = op else { return None };
    let outer = scale_of(graph, operands[1])?;
    if is_scale(graph, operands[0]) {
        return None;
    }
    let (factor, inner) = split(graph, operands[0])?;
    if !can_combine(graph, inner, outer) {
        return None;
    }
    let scale = binary(graph, Binary::Mul, inner, outer);
    Some(times(graph, factor, scale))
}

/// s·a → a·s, (a·s)·b → (a·b)·s, (a·s)/b → (a/b)·s.
pub(super) fn outward(graph: &mut Graph, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(function @ (Binary::Mul | Binary::Div)) = op else { return None };
    let (a, b) = (operands[0], operands[1]);
    if !is_float(graph, a) || scale_of(graph, b).is_some() {
        return None;
    }
    if *function == Binary::Mul && scale_of(graph, a).is_some() {
        return Some(binary(graph, Binary::Mul, b, a));
    }
    let (a, b, scale) = match (split(graph, a), split(graph, b)) {
        (Some((a, scale)), _) => (a, b, scale),
        (None, Some((b, scale))) if *function == Binary::Mul => (a, b, scale),
        _ => return None,
    };
    let inside = binary(graph, *function, a, b);
    Some(times(graph, inside, scale))
}

/// select(m, a·s, 0) → select(m, a, 0)·s and select(m, s, 0) → m·s; the same with the zero first.
pub(super) fn out_of_select(graph: &mut Graph, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Select = op else { return None };
    let zero = [1, 2].into_iter().find(|&position| is_constant(graph, operands[position], 0.0))?;
    let (mask, other, nothing) = (operands[0], operands[3 - zero], operands[zero]);
    let (factor, scale) = match scale_of(graph, other) {
        Some(scale) if !is_constant(graph, scale, 1.0) => (graph.full_like(other, 1.0), scale),
        Some(_) => return None,
        None => split(graph, other)?,
    };
    let arms = if zero == 2 { [mask, factor, nothing] } else { [mask, nothing, factor] };
    let chosen = if zero == 2 && is_constant(graph, factor, 1.0) {
        add(graph, Op::Convert(graph.ty(factor).element), &[mask])
    } else {
        add(graph, Op::Select, &arms)
    };
    Some(times(graph, chosen, scale))
}

/// a·s ± b·s → (a ± b)·s, where b may be 1.
pub(super) fn factor(graph: &mut Graph, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(function @ (Binary::Add | Binary::Sub)) = op else { return None };
    let (a, b) = (operands[0], operands[1]);
    let (left, right) = (split(graph, a), split(graph, b));
    let (x, y, scale) = match (left, right) {
        (Some((x, s)), Some((y, t))) if s == t => (x, y, s),
        (Some((x, s)), None) if spread_scalar(graph, b) == Some(s) => (x, graph.full_like(x, 1.0), s),
        (None, Some((y, t))) if spread_scalar(graph, a) == Some(t) => (graph.full_like(y, 1.0), y, t),
        _ => return None,
    };
    let inside = binary(graph, *function, x, y);
    Some(times(graph, inside, scale))
}

/// Whether x·s·t and x·(s·t) overflow and vanish alike: both magnify, both shrink, or neither does much.
fn can_combine(graph: &Graph, s: NodeId, t: NodeId) -> bool {
    let constant = |id: NodeId| match graph.op(id) {
        Op::Constant(literal) => Some(literal.value().abs()),
        _ => None,
    };
    if let (Some(s), Some(t)) = (constant(s), constant(t))
        && ((s >= 1.0 && t >= 1.0) || (s <= 1.0 && t <= 1.0))
    {
        let product = (s * t) as f32;
        return product.is_finite() && product >= f32::MIN_POSITIVE;
    }
    is_moderate(graph, s) && is_moderate(graph, t)
}

fn is_moderate(graph: &Graph, scale: NodeId) -> bool {
    match graph.op(scale) {
        Op::Constant(literal) => (1e-6..=1e6).contains(&literal.value().abs()),
        _ => graph.operands(scale).into_iter().all(|operand| is_moderate(graph, operand)),
    }
}
