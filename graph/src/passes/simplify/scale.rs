//! Scalar factors made of sizes and constants, the 1/batch of a mean: they end where a person would write them,
//! `(p − y)·(1/batch)`, as far as floats allow it.
//!
//! Among the reals a factor may stand anywhere in a product. Among floats its position decides which intermediate results overflow or
//! vanish: `c·m·n/(r·r)` is written so that it does not. A rule here must not make a finite result infinite or a normal one zero,
//! for any finite operands, and may move a result only by rounding. (An infinity or a zero that only an intermediate result
//! made may give way to the right value.) A *scale* s is a scalar of constants and sizes with 2⁻¹⁰⁰ ≤ |s| ≤ 2¹⁰⁰ (`magnitude.rs`). What is
//! done, and why it may be:
//!
//! - s·a → a·s: the same product.
//! - (a·s)·t → a·(s·t) if s or t is ±2ᵏ: s·t is exact then, a·(s·t) is rounded once, and nothing else can leave the range.
//!   If |s|, |t| ≤ 1: |a·(s·t)| ≤ |a|, and s·t is normal, so that no bit is lost that a·s or (a·s)·t would have kept.
//! - (c/n)·d → (c·d)/n among scales, if c·d/n is a scale too: all of them are normal.
//! - select(m, a·s, 0) → select(m, a, 0)·s: the same product where m holds, and 0·s = 0.
//! - a·s ± b·s → (a ± b)·s if s is ±2ᵏ, k ≥ 0: scaling commutes with rounding, as sums do not round where they are subnormal; and
//!   |a ± b| ≤ |(a ± b)·s|.
//!   If |s| ≤ 1 and one of a, b is within 2¹⁰⁰, as the p of p − y is: a ± b cannot overflow, because half an ulp of the greatest
//!   float is 2¹⁰³; times s it is no greater. Nor can it vanish: with a·s ± b·s normal, either a ± b is not much smaller
//!   than a, or a·s ≥ 2⁻¹⁰³ and a ± b ≥ 2⁻²⁴·a. The new form is the more accurate one where the sum cancels.
//! - e·(t/Σe) → (e/Σe)·t for exponentials e, if |t| ≤ 1: e/Σe ≤ 1, so that nothing overflows, and where e/Σe is subnormal, so is the
//!   result.
//!
//! Not done: (a·s)·b → (a·b)·s and (a·s)/b → (a/b)·s, because a·b can overflow or vanish where (a·s)·b does not; a scale out of
//! a sum or a product of matrices, for the same reason; c·(1/d) for c/d.
//!
//! # Decisions
//!
//! - Factors of sizes and constants move only where no intermediate result can leave the range: (p − y)·(1/batch) with p a
//!   sigmoid or a softmax, out of a selection, into another factor if one is a power of two or both shrink:
//!   `6.674e-11·m·n/(r·r)` is written so that it does not overflow. Elsewhere a factor stays in the product it was written in,
//!   which costs a multiplication an element at most.

use super::magnitude::{is_sum_beside, is_within, of_scale, power_of_two};
use super::rewriting::{Rewriting, add, binary, is_constant, operands_of, spread, spread_scalar};
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op};

/// The scale that a node is or spreads.
fn scale_of(graph: &Graph, id: NodeId) -> Option<NodeId> {
    spread_scalar(graph, id).filter(|&scalar| of_scale(graph, scalar).is_some())
}

/// A factor and a scale whose product the node is.
fn split(graph: &Graph, id: NodeId) -> Option<(NodeId, NodeId)> {
    let (factor, scale) = operands_of(graph, id, Binary::Mul)?;
    Some((factor, scale_of(graph, scale)?))
}

fn times(graph: &mut Rewriting, factor: NodeId, scale: NodeId) -> NodeId {
    let shape = graph.shape(factor).clone();
    let scale = spread(graph, scale, &shape);
    binary(graph, Binary::Mul, factor, scale)
}

/// Whether |s| ≤ 1.
fn shrinks(graph: &Graph, s: NodeId) -> bool {
    of_scale(graph, s).is_some_and(|magnitude| magnitude.high <= 0)
}

/// e·(t/Σe), the gradient through a log-sum-exp, → (e/Σe)·t: the softmax, shared with the forward pass. A scale in `t` goes outward.
pub(super) fn softmax(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(Binary::Mul) = op else { return None };
    for (e, quotient) in [(operands[0], operands[1]), (operands[1], operands[0])] {
        let view @ Op::Broadcast { .. } = graph.op(quotient).clone() else { continue };
        let Some((t, sum)) = operands_of(graph, graph.operand(quotient, 0), Binary::Div) else {
            continue;
        };
        if !is_sum_beside(graph, &view, sum, e) || !is_within(graph, t, 0) {
            continue;
        }
        let sums = add(graph, view.clone(), &[sum]);
        let share = binary(graph, Binary::Div, e, sums);
        if let Some(scale) = scale_of(graph, t) {
            return Some(times(graph, share, scale));
        }
        let factors = add(graph, view, &[t]);
        return Some(binary(graph, Binary::Mul, share, factors));
    }

    None
}

/// (c/n)·d → (c·d)/n; of scales, so that 1/n·2 reads 2/n.
pub(super) fn reciprocal(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(Binary::Mul) = op else { return None };
    for (quotient, other) in [(operands[0], operands[1]), (operands[1], operands[0])] {
        let Some((above, below)) = operands_of(graph, quotient, Binary::Div) else { continue };
        let constants = [above, other].iter().all(|&id| matches!(graph.op(id), Op::Constant(_)));
        if !constants || of_scale(graph, quotient).is_none() || of_scale(graph, other).is_none() {
            continue;
        }
        let above = binary(graph, Binary::Mul, above, other);
        let product = binary(graph, Binary::Div, above, below);
        return of_scale(graph, product).map(|_| product);
    }
    None
}

/// (a·s)·t → a·(s·t).
pub(super) fn combine(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(Binary::Mul) = op else { return None };
    let outer = scale_of(graph, operands[1])?;
    let (factor, inner) = split(graph, operands[0])?;
    let exact = power_of_two(graph, inner).or(power_of_two(graph, outer)).is_some();
    let safe = exact || shrinks(graph, inner) && shrinks(graph, outer);
    if scale_of(graph, factor).is_some() || !safe {
        return None;
    }
    let scale = binary(graph, Binary::Mul, inner, outer);
    of_scale(graph, scale)?;
    Some(times(graph, factor, scale))
}

/// s·a → a·s.
pub(super) fn behind(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(Binary::Mul) = op else { return None };
    let (a, b) = (operands[0], operands[1]);
    scale_of(graph, a)?;
    if scale_of(graph, b).is_some() { None } else { Some(binary(graph, Binary::Mul, b, a)) }
}

/// select(m, a·s, 0) → select(m, a, 0)·s and select(m, s, 0) → m·s; the same with the zero first.
pub(super) fn out_of_select(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
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
pub(super) fn factor(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(function @ (Binary::Add | Binary::Sub)) = op else { return None };
    let (a, b) = (operands[0], operands[1]);
    let (x, y, scale) = match (split(graph, a), split(graph, b)) {
        (Some((x, s)), Some((y, t))) if s == t => (x, y, s),
        (Some((x, s)), None) if spread_scalar(graph, b) == Some(s) => (x, graph.full_like(x, 1.0), s),
        (None, Some((y, t))) if spread_scalar(graph, a) == Some(t) => (graph.full_like(y, 1.0), y, t),
        _ => return None,
    };

    let exact = power_of_two(graph, scale).is_some_and(|k| k >= 0);
    let bounded = || shrinks(graph, scale) && [x, y].iter().any(|&id| is_within(graph, id, 100));
    if !exact && !bounded() {
        return None;
    }
    let inside = binary(graph, *function, x, y);
    Some(times(graph, inside, scale))
}
