//! Bounds on the magnitude of values, as far as their ops tell. Rules ask for them that hold for all reals, but for floats only within
//! bounds.
//!
//! Bounds are powers of two. Rounding keeps them: 2ᵏ is a float, and rounding never passes one. NaN is outside of all bounds; a size
//! is taken to be 1 or more, since a mean over nothing is NaN in whatever form it is written.

use super::rewriting::{operands_of, spread_scalar};
use crate::facts::Bound;
use crate::graph::{Graph, NodeId};
use crate::op::{Binary, Op, Reduction, Unary};
use crate::types::{ElementType, Literal};

/// 2^low ≤ |x| ≤ 2^high.
#[derive(Clone, Copy)]
pub(super) struct Magnitude {
    pub(super) low: i32,
    pub(super) high: i32,
}

/// Scales have magnitudes of 2⁻¹⁰⁰ to 2¹⁰⁰: normal in f32, far from both overflow and underflow.
const WINDOW: i32 = 100;

/// How many ops deep the search goes.
const DEPTH: u32 = 8;

/// The magnitude of a scalar made of constants and sizes alone, if it lies in the window.
pub(super) fn of_scale(graph: &Graph, scalar: NodeId) -> Option<Magnitude> {
    scale_within(graph, scalar, DEPTH)
}

fn scale_within(graph: &Graph, scalar: NodeId, depth: u32) -> Option<Magnitude> {
    if depth == 0 || graph.ty(scalar).rank() != 0 || !graph.ty(scalar).element.is_float() {
        return None;
    }
    let operand = |position| scale_within(graph, graph.operand(scalar, position), depth - 1);
    let op = graph.op(scalar);

    let is_size = |id: NodeId| matches!(graph.op(id), Op::DimValue { .. });
    let magnitude = if let Op::Constant(literal) = op {
        of_literal(*literal)?
    } else if is_size(scalar) || matches!(op, Op::Convert(_)) && is_size(graph.operand(scalar, 0)) {
        // A size may have 63 bits.
        Magnitude { low: 0, high: 63 }
    } else if let Op::Unary(Unary::Neg) = op {
        operand(0)?
    } else if let Op::Binary(Binary::Mul) = op {
        let (a, b) = (operand(0)?, operand(1)?);
        Magnitude { low: a.low + b.low, high: a.high + b.high }
    } else if let Op::Binary(Binary::Div) = op {
        let (a, b) = (operand(0)?, operand(1)?);
        Magnitude { low: a.low - b.high, high: a.high - b.low }
    } else {
        return None;
    };

    (magnitude.low >= -WINDOW && magnitude.high <= WINDOW).then_some(magnitude)
}

/// The magnitude of a float as its type holds it, if it is a normal number.
fn of_literal(literal: Literal) -> Option<Magnitude> {
    let value = held(literal);
    let low = ((value.to_bits() >> MANTISSA) & 0x7ff) as i32 - 1023;
    let exact = value.to_bits() << (64 - MANTISSA) == 0;
    (value.is_normal()).then_some(Magnitude { low, high: if exact { low } else { low + 1 } })
}

/// Bits of an f64's fraction.
const MANTISSA: u32 = 52;

fn held(literal: Literal) -> f64 {
    match literal.element {
        ElementType::F32 => f64::from(literal.value() as f32),
        _ => literal.value(),
    }
}

/// The k of a constant ±2ᵏ, spread or not.
pub(super) fn power_of_two(graph: &Graph, id: NodeId) -> Option<i32> {
    let Op::Constant(literal) = graph.op(spread_scalar(graph, id)?) else { return None };
    let magnitude = literal.element.is_float().then(|| of_literal(*literal))??;
    (magnitude.low == magnitude.high).then_some(magnitude.low)
}

/// Whether no element can be greater than 2^high in magnitude.
pub(super) fn is_within(graph: &Graph, id: NodeId, high: i32) -> bool {
    bound(graph, id, DEPTH).is_some_and(|bound| bound <= high)
}

/// The least k that ops show of which all elements are within ±2ᵏ.
fn bound(graph: &Graph, id: NodeId, depth: u32) -> Option<i32> {
    if depth == 0 {
        return None;
    }
    if let Some(scale) = spread_scalar(graph, id).and_then(|scalar| of_scale(graph, scalar)) {
        return Some(scale.high);
    }
    let operand = |position| bound(graph, graph.operand(id, position), depth - 1);
    let op = graph.op(id);
    if matches!(op, Op::Constant(literal) if held(*literal) == 0.0) || is_share(graph, id) {
        return Some(0);
    }

    if let Op::Convert(_) = op {
        return match graph.ty(graph.operand(id, 0)).element {
            ElementType::Bool => Some(0),
            ElementType::I32 | ElementType::U32 => Some(32),
            ElementType::F32 | ElementType::F64 => operand(0),
        };
    }

    // A mask chooses among the others.
    let first = usize::from(*op == Op::Select);
    let operands = || (first..graph.operands_of(id).len()).map(operand);

    let greatest = || operands().try_fold(i32::MIN, |most, bound| Some(most.max(bound?)));
    match op.facts().bound {
        Bound::Unknown => None,
        Bound::One => Some(0),
        Bound::Operands => greatest(),
        Bound::Sum => Some(greatest()? + 1),
        Bound::Product => operands().sum(),
    }
}

/// Whether the node is e/Σe of exponentials: a sum of terms that are not negative is no less than any of them, rounded or not.
fn is_share(graph: &Graph, id: NodeId) -> bool {
    let Some((e, sums)) = operands_of(graph, id, Binary::Div) else { return false };
    matches!(graph.op(sums), Op::Broadcast { .. })
        && is_sum_beside(graph, graph.op(sums), graph.operand(sums, 0), e)
}

/// Whether `sum`, seen through `view`, has beside each of the exponentials `e` a sum of which that is a term.
pub(super) fn is_sum_beside(graph: &Graph, view: &Op, sum: NodeId, e: NodeId) -> bool {
    let (Op::Broadcast { axes: placed, .. }, Op::Reduce { kind: Reduction::Sum, axes }) =
        (view, graph.op(sum))
    else {
        return false;
    };
    let kept = (0..graph.shape(e).rank()).filter(|axis| !axes.contains(axis));
    graph.operand(sum, 0) == e
        && matches!(graph.op(e), Op::Unary(Unary::Exp))
        && placed.iter().copied().eq(kept)
}
