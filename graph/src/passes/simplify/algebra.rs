//! Neutral elements, signs, powers, choices. Signs move outward, where sums absorb them.
//!
//! All of it holds for floats too: rounding does not depend on the sign, x·2 is x + x, and x², x⁻¹ are rounded once, as the powers are.
//! In x³ = (x·x)·x the square is normal and finite wherever the cube is not 0 or infinite: 2⁻⁵⁰ < |x| < 2⁴³ then.
//!
//! # Decisions
//!
//! - Masks of rectifiers ask the rectified value (`relu(x) ≤ 0` for `x ≤ 0`): the same answer, NaN included, and the backward
//!   pass need not keep x.

use super::rewriting::{Rewriting, add as node, binary, is_constant, is_float, operands_of, unary};
use crate::graph::NodeId;
use crate::op::{Binary, Op, Unary};

/// The node without its sign, if it is the negative of something (or a negative constant), seen through views.
fn without_sign(graph: &mut Rewriting, id: NodeId) -> Option<NodeId> {
    const VIEWS: usize = 8;
    let (mut viewed, mut views) = (id, Vec::new());
    while let view @ (Op::Broadcast { .. } | Op::Reshape(_) | Op::Transpose(_)) = graph.op(viewed) {
        if views.len() == VIEWS {
            return None;
        }
        views.push(view.clone());
        viewed = graph.operand(viewed, 0);
    }

    let positive = if let Op::Unary(Unary::Neg) = graph.op(viewed) {
        graph.operand(viewed, 0)
    } else if let Op::Constant(literal) = *graph.op(viewed)
        && literal.element.is_float()
        && literal.value() < 0.0
    {
        graph.constant(literal.element, -literal.value())
    } else {
        return None;
    };

    Some(views.into_iter().rev().fold(positive, |positive, view| node(graph, view, &[positive])))
}

/// As [`without_sign`], but not of constants, which stand in a sum as they are.
fn negated(graph: &mut Rewriting, id: NodeId) -> Option<NodeId> {
    if graph.constant_value(id).is_some() { None } else { without_sign(graph, id) }
}

/// −−x → x, −(a − b) → b − a, ¬¬x → x.
pub(super) fn neg(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Unary(function @ (Unary::Neg | Unary::Not)) = op else { return None };
    let x = operands[0];
    if graph.op(x) == op {
        return Some(graph.operand(x, 0));
    }
    if *function == Unary::Neg {
        let (a, b) = operands_of(graph, x, Binary::Sub)?;
        return Some(binary(graph, Binary::Sub, b, a));
    }
    None
}

/// x + 0 → x, a + (−b) → a − b, x + x → x·2.
pub(super) fn add(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(Binary::Add) = op else { return None };
    let (a, b) = (operands[0], operands[1]);
    if is_constant(graph, b, 0.0) {
        return Some(a);
    }
    if is_constant(graph, a, 0.0) {
        return Some(b);
    }
    if let Some(b) = negated(graph, b) {
        return Some(binary(graph, Binary::Sub, a, b));
    }
    if let Some(a) = negated(graph, a) {
        return Some(binary(graph, Binary::Sub, b, a));
    }

    if a == b && is_float(graph, a) {
        let two = graph.full_like(a, 2.0);
        return Some(binary(graph, Binary::Mul, a, two));
    }
    None
}

/// x − 0 → x, 0 − x → −x, a − (−b) → a + b, (−a) − b → −(a + b).
pub(super) fn sub(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(Binary::Sub) = op else { return None };
    let (a, b) = (operands[0], operands[1]);
    if is_constant(graph, b, 0.0) {
        return Some(a);
    }
    if is_constant(graph, a, 0.0) {
        return Some(unary(graph, Unary::Neg, b));
    }
    if let Some(b) = negated(graph, b) {
        return Some(binary(graph, Binary::Add, a, b));
    }
    let a = negated(graph, a)?;
    let sum = binary(graph, Binary::Add, a, b);
    Some(unary(graph, Unary::Neg, sum))
}

/// x·1 → x, (−a)·b → −(a·b).
pub(super) fn mul(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(Binary::Mul) = op else { return None };
    let (a, b) = (operands[0], operands[1]);
    if is_constant(graph, b, 1.0) {
        return Some(a);
    }
    if is_constant(graph, a, 1.0) {
        return Some(b);
    }
    if !is_float(graph, a) {
        return None;
    }

    let (a, b) = match (without_sign(graph, a), without_sign(graph, b)) {
        (Some(a), Some(b)) => return Some(binary(graph, Binary::Mul, a, b)),
        (Some(a), None) => (a, b),
        (None, Some(b)) => (a, b),
        (None, None) => return None,
    };

    let product = binary(graph, Binary::Mul, a, b);
    Some(unary(graph, Unary::Neg, product))
}

/// x/1 → x, (−a)/b and a/(−b) → −(a/b).
pub(super) fn div(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(Binary::Div) = op else { return None };
    let (a, b) = (operands[0], operands[1]);
    if is_constant(graph, b, 1.0) {
        return Some(a);
    }

    let (a, b) = match (without_sign(graph, a), without_sign(graph, b)) {
        (Some(a), Some(b)) => return Some(binary(graph, Binary::Div, a, b)),
        (Some(a), None) => (a, b),
        (None, Some(b)) => (a, b),
        (None, None) => return None,
    };

    let quotient = binary(graph, Binary::Div, a, b);
    Some(unary(graph, Unary::Neg, quotient))
}

/// x⁰ → 1 (of NaN too), x¹ → x, x² → x·x, x³ → x·x·x, x⁻¹ → 1/x.
pub(super) fn pow(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    let Op::Binary(Binary::Pow) = op else { return None };
    let (x, exponent) = (operands[0], operands[1]);
    if is_constant(graph, exponent, 0.0) {
        return Some(graph.full_like(x, 1.0));
    }
    if is_constant(graph, exponent, 1.0) {
        return Some(x);
    }

    if is_constant(graph, exponent, -1.0) {
        let one = graph.full_like(x, 1.0);
        return Some(binary(graph, Binary::Div, one, x));
    }

    let (is_square, is_cube) = (is_constant(graph, exponent, 2.0), is_constant(graph, exponent, 3.0));
    if !is_square && !is_cube {
        return None;
    }
    let square = binary(graph, Binary::Mul, x, x);
    Some(if is_cube { binary(graph, Binary::Mul, square, x) } else { square })
}

/// A known mask; the same on both sides; max(x, x), min(x, x), x ∧ x, x ∨ x.
pub(super) fn choice(graph: &mut Rewriting, op: &Op, operands: &[NodeId]) -> Option<NodeId> {
    if let Op::Binary(Binary::Max | Binary::Min | Binary::And | Binary::Or) = op {
        return (operands[0] == operands[1]).then_some(operands[0]);
    }
    let (Op::Select, &[mask, a, b]) = (op, operands) else { return None };
    if is_constant(graph, mask, 1.0) || a == b {
        return Some(a);
    }
    if is_constant(graph, mask, 0.0) {
        return Some(b);
    }
    let Op::Unary(Unary::Not) = graph.op(mask) else { return None };
    let mask = graph.operand(mask, 0);
    Some(node(graph, Op::Select, &[mask, b, a]))
}
